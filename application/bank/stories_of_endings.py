"""Stories of endings: restriction, objection, death, erasure; and of histories that were taken over."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sealbook.application.adopting import AdoptFact, AdoptIssued
from sealbook.application.bank.applications import applied
from sealbook.application.bank.companies import connect, founded
from sealbook.application.bank.daily import begun_life
from sealbook.application.bank.means import issued_at_counter
from sealbook.application.bank.people import enrolled
from sealbook.application.bank.telling import BANK, CALLER, OFFICER, Story
from sealbook.application.erasing import EraseCredential
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import CloseCustomer
from sealbook.domain import credential, customer, device, renewal
from sealbook.domain.credential import Fact, ObserveExpiry, ObserveRenewal, Use, UseEvidence
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies
from sealbook.domain.renewal import Bounds, Term, first_period
from sealbook.domain.values import HolderSubkind, Kind, Role, SuspensionReason

YEAR = timedelta(days=365.25)
RETENTION = "retention is over"


def restricted(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a suspicion of fraud that holds everything, and turns out to be none."""
    life = begun_life(enrolled(story, numbers[0]))
    life.use_until(story.at + timedelta(days=60))
    life.holder.restrict("fraud alert")
    life.holder.on(customer.PlaceLegalHold(at=story.later(days=1), case="case-1"), OFFICER)
    life.held[0].attempt(purpose="login")
    story.later(days=12)
    life.holder.on(customer.LiftLegalHold(at=story.at, case="case-1"), OFFICER)
    life.holder.lift_restriction()
    story.later(days=1)
    life.go_on()


def objector(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a certificate that is used, and lapses at the holder's wish; the phone goes out of service."""
    person = enrolled(story, numbers[0])
    means = applied(person, Kind.KB_MOBILE_CERTIFICATE).finish()
    story.later(days=200)
    means.use()
    means.object_to_renewal()
    for _ in range(6):
        story.later(days=100)
        means.use()
    person.give_phone_back()
    person.on_phone(device.Retire(at=story.later(days=1)))


def phone_retired(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a phone that goes out of service with a certificate on it, which ends with that."""
    person = enrolled(story, numbers[0])
    means = issued_at_counter(person, Kind.KB_MOBILE_CERTIFICATE)
    story.later(days=50)
    means.use()
    person.on_phone(device.Retire(at=story.later(days=20)))
    means.attempt(purpose="login")


def forgotten(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a certificate that is suspended at the holder's wish, never resumed, and ends after some time."""
    person = enrolled(story, numbers[0])
    means = applied(person, Kind.KB_MOBILE_CERTIFICATE).finish()
    story.later(days=30)
    means.use()
    means.on(credential.Suspend(at=story.later(days=10), reason=SuspensionReason.REQUESTED), CALLER)
    story.later(days=150)
    means.attempt(purpose="login")


def deceased(story: Story, numbers: Sequence[str]) -> None:
    """Tell of somebody who dies: what was held ends with that."""
    life = begun_life(enrolled(story, numbers[0]))
    life.use_until(story.at + timedelta(days=150))
    life.holder.die()
    life.held[0].attempt(purpose="login")


def erased(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a customer of long ago: the records are kept for years, then for a case, and then they go."""
    story.at = story.ends_at - 8 * YEAR
    person = enrolled(story, numbers[0])
    means = issued_at_counter(person, Kind.KB_MOBILE_CERTIFICATE)
    for _ in range(8):
        story.later(days=60)
        means.use()
    story.at = story.ends_at - 6 * YEAR
    story.ask(CloseCustomer(at=story.at, customer=person.ref), OFFICER)
    erase = customer.Erase(at=story.later(days=4 * 365), basis=RETENTION, approved_by="officer-2")
    person.on(erase, OFFICER)  # Refused: it is too early.
    person.on(customer.PlaceLegalHold(at=story.later(days=300), case="case-2"), OFFICER)
    story.at = story.ends_at - 0.5 * YEAR
    person.on(
        customer.Erase(at=story.at, basis=RETENTION, approved_by="officer-2"), OFFICER
    )  # Refused: a case is open.
    person.on(customer.LiftLegalHold(at=story.later(days=30), case="case-2"), OFFICER)
    story.ask(EraseCredential(at=story.later(days=10), credential=means.ref, basis=RETENTION), OFFICER)
    person.on(customer.Erase(at=story.later(minutes=5), basis=RETENTION, approved_by="officer-2"), OFFICER)


def company_told(story: Story, numbers: Sequence[str]) -> None:
    """Tell of four eyes, of a maker who leaves and takes nothing along, and of a firm that is dissolved."""
    firm = founded(story, numbers, HolderSubkind.CORPORATION)
    own = applied(firm.holder, Kind.JOINT_UNIVERSAL, signatory=firm.representative.holder).finish()
    bank_id = connect(firm, firm.maker)
    for _ in range(4):
        story.later(days=20)
        firm.approve(firm.propose(firm.maker), firm.approver)
        own.use(purpose="contract")
    maker = firm.maker.holder
    firm.grant(maker, Role.APPROVER)
    transaction = firm.propose(firm.maker)
    firm.approve(transaction, firm.maker)  # Refused: the same eyes.
    firm.approve(transaction, firm.approver)
    firm.grant(maker, Role.APPROVER, granted=False)
    firm.remove(firm.representative.holder)  # Refused: the last administrator.
    story.later(days=100)
    firm.remove(maker)
    taken_along = UseEvidence(counter=firm.maker.counter + 1, linked_id=bank_id)
    firm.maker.attempt(purpose="login", evidence=taken_along)
    story.later(days=200)
    story.ask(CloseCustomer(at=story.at, customer=firm.holder.ref), OFFICER)
    own.attempt(purpose="contract")


# --- Histories from elsewhere


def taken_over(story: Story, numbers: Sequence[str]) -> None:
    """Tell of two lives of another system: one that it renewed, and one that it let lapse."""
    policy = preset_policies()["D"]
    begins_at = story.ends_at - 7 * YEAR
    _taken_over(story, numbers[0], policy, _renewing_life(policy, begins_at))
    _taken_over(story, numbers[1], policy, _lapsing_life(policy, begins_at))


def _taken_over(story: Story, number: str, policy: RenewalPolicy, facts: list[Fact]) -> None:
    story.at = story.ends_at - 7 * YEAR
    ref = Name(NameKind.CREDENTIAL, number)
    story.ask(
        AdoptIssued(
            at=story.at,
            credential=story.new_id(),
            name=ref,
            customer=Name(NameKind.CUSTOMER, number),
            customer_stream=story.new_id(),
            kind=Kind.KB_MOBILE_CERTIFICATE,
            policy=policy.ref,
            provenance="core-banking-1",
        ),
        BANK,
    )
    for fact in facts:
        story.ask(AdoptFact(credential=ref, fact=fact), BANK)


def _renewing_life(policy: RenewalPolicy, begins_at: datetime) -> list[Fact]:
    used_at = begins_at + timedelta(days=500)
    renewed = _renewed(policy, begins_at, used_at)
    return [
        Use(at=begins_at + timedelta(days=90)),
        credential.Suspend(at=begins_at + timedelta(days=200), reason=SuspensionReason.REQUESTED),
        credential.Resume(at=begins_at + timedelta(days=203)),
        Use(at=used_at),
        ObserveRenewal(at=used_at, expires_at=renewed.expires_at),
        credential.RequestRenewal(at=used_at + timedelta(days=90)),
        Use(at=used_at + timedelta(days=300)),
    ]


def _renewed(policy: RenewalPolicy, begins_at: datetime, used_at: datetime) -> Bounds:
    term = Term(bounds=first_period(policy, begins_at))
    return renewal.on_use(policy, term.with_use(used_at), used_at) or term.bounds


def _lapsing_life(policy: RenewalPolicy, begins_at: datetime) -> list[Fact]:
    lapsed_at = first_period(policy, begins_at).expires_at or begins_at
    return [Use(at=begins_at + timedelta(days=100)), ObserveExpiry(at=lapsed_at)]
