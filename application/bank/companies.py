"""Companies: users in their roles, certificates of the company's own, and transactions that take four eyes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sealbook.application.bank.applications import applied
from sealbook.application.bank.incidents import link_id
from sealbook.application.bank.means import Means
from sealbook.application.bank.people import Holder, enrolled
from sealbook.application.bank.telling import OFFICER, Asker, Story
from sealbook.application.requests import AddCompanyUser, ChangeRole, LinkService, OnTransaction, RemoveCompanyUser
from sealbook.domain.values import HolderSubkind, Kind, Role, Service, UnlockMethod

USERS = 3
CUSTOMERS = 1 + USERS
"""How many customers a company is, its users included."""
SUBKINDS = (HolderSubkind.CORPORATION, HolderSubkind.SOLE_PROPRIETOR, HolderSubkind.ASSOCIATION)
LAST_MONTHS = timedelta(days=80)
TERMINAL = Asker("user", "corporate_banking")


@dataclass(slots=True, kw_only=True)
class Company:
    """A company with its users: who represents it, who makes transactions and who approves them."""

    holder: Holder
    representative: Means
    maker: Means
    approver: Means
    transactions: int = 0

    @property
    def story(self) -> Story:
        return self.holder.story

    def add(self, user: Holder, *roles: Role) -> None:
        at = self.story.later(minutes=2)
        self.story.ask(AddCompanyUser(at=at, customer=self.holder.ref, person=user.ref), OFFICER)
        for role in roles:
            self.grant(user, role)

    def grant(self, user: Holder, role: Role, *, granted: bool = True) -> None:
        at = self.story.later(minutes=1)
        change = ChangeRole(at=at, customer=self.holder.ref, person=user.ref, role=role, granted=granted)
        self.story.ask(change, OFFICER)

    def remove(self, user: Holder) -> None:
        at = self.story.later(minutes=2)
        self.story.ask(RemoveCompanyUser(at=at, customer=self.holder.ref, person=user.ref), OFFICER)

    def propose(self, maker: Means) -> str:
        """Sign in, and propose a transaction."""
        maker.use(purpose="login")
        self.transactions += 1
        transaction = f"{self.holder.number}/{self.transactions}"
        self._tell(transaction, maker, approved=False)
        return transaction

    def approve(self, transaction: str, approver: Means) -> None:
        approver.use(purpose="sign")
        self._tell(transaction, approver, approved=True)

    def _tell(self, transaction: str, user: Means, *, approved: bool) -> None:
        asked = OnTransaction(
            at=self.story.later(minutes=1),
            customer=self.holder.ref,
            transaction=transaction,
            by=user.holder.ref,
            approved=approved,
        )
        self.story.ask(asked, TERMINAL)


def founded(story: Story, numbers: Sequence[str], subkind: HolderSubkind) -> Company:
    """Let a company and its users come to the bank, each user with a certificate of its own."""
    own, *users = numbers
    holder = enrolled(story, own, subkind)
    holder.join(Service.INTERNET_BANKING, Service.CORPORATE_BANKING)
    representative, maker, approver = (_with_certificate(story, number) for number in users)
    company = Company(holder=holder, representative=representative, maker=maker, approver=approver)
    company.add(representative.holder, Role.REPRESENTATIVE, Role.ADMINISTRATOR)
    company.add(maker.holder, Role.MAKER)
    company.add(approver.holder, Role.APPROVER)
    return company


def _with_certificate(story: Story, number: str) -> Means:
    means = applied(enrolled(story, number), Kind.KB_MOBILE_CERTIFICATE).finish()
    means.set_up(UnlockMethod.FACE)
    return means


def company(story: Story, numbers: Sequence[str]) -> None:
    """Work: certificates of the company's own, a few transactions a year, and users who come and go."""
    firm = founded(story, numbers, story.random.choice(SUBKINDS))
    signatory = firm.representative.holder
    own = [applied(firm.holder, Kind.FINANCIAL_CERTIFICATE, signatory=signatory).finish()]
    if story.chance(0.5):
        own.append(applied(firm.holder, Kind.MOBILE_OTP, signatory=signatory).finish())
    connect(firm, firm.maker)
    while not story.over:
        story.later(days=story.between(10, 60))
        firm.approve(firm.propose(firm.maker), firm.approver)
        for means in own:
            _kept_valid(means)
        story.random.choice(own).use(purpose="transfer")


def _kept_valid(means: Means) -> None:
    """Renew what renews on request, in its last two months."""
    end = None if means.term is None else means.term.bounds.expires_at
    if means.policy.renew_on == "request" and end is not None and means.at > end - LAST_MONTHS:
        means.renew()


def connect(firm: Company, user: Means) -> str:
    """Let a user's certificate stand for an ID of the company's, and reach its accounts; return the ID."""
    bank_id = link_id(user, owner=firm.holder.ref, purpose="company accounts")
    at = firm.story.later(minutes=1)
    service = LinkService(at=at, credential=user.ref, service=Service.CORPORATE_BANKING, company=firm.holder.ref)
    firm.story.ask(service)
    return bank_id
