"""Means: a credential as its holder handles it, from the application through daily use.

The rules of renewal are asked what a use comes to, so that a story knows when a credential has lapsed.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sealbook.application.bank.people import Holder, Phone
from sealbook.application.bank.telling import HOLDER, TELLER, Asker, Story
from sealbook.application.names import Name
from sealbook.application.requests import IssueCredential, OnCredential
from sealbook.domain import credential, renewal
from sealbook.domain.credential import Attestation, OwnCommand, Use, UseEvidence
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_kinds, preset_policies
from sealbook.domain.renewal import Term, first_period
from sealbook.domain.values import Kind, Network, Step, StorageLevel, UnlockMethod

POLICY_OF_CODES = "X"
"""A mobile OTP has no policy of its own, so each application names one (domain rule R41)."""
PURPOSES = ("login", "login", "login", "transfer", "sign", "open_product", "change_setting", "tax_filing", "shopping")
PARTIES = {"tax_filing": "tax-office", "shopping": "shop"}
NETWORKS = (Network.MOBILE, Network.MOBILE, Network.PRIVATE_WIFI, Network.PUBLIC_WIFI, Network.UNKNOWN)


@dataclass(slots=True, kw_only=True)
class Means:
    """`due` are the steps that are left of its application; `term` is where its validity stands once issued."""

    holder: Holder
    id: UUID
    ref: Name
    kind: Kind
    policy: RenewalPolicy
    phone: Phone
    due: list[Step] = field(default_factory=list[Step])
    identified_at: datetime | None = None
    term: Term | None = None
    unlocks: list[UnlockMethod] = field(default_factory=list[UnlockMethod])
    links: list[str] = field(default_factory=list[str])
    counter: int = 0
    drift: int = 0

    @property
    def story(self) -> Story:
        return self.holder.story

    @property
    def at(self) -> datetime:
        return self.holder.story.at

    @property
    def document(self) -> KindDocument:
        return preset_kinds().kind(self.kind)

    @property
    def moves(self) -> bool:
        """Tell whether it goes along to another phone."""
        return self.document.storage.moves

    def on(self, command: OwnCommand, by: Asker = HOLDER) -> None:
        self.story.ask(OnCredential(credential=self.ref, command=command), by)

    def begin(self) -> None:
        self.term = Term(bounds=first_period(self.policy, self.at))

    def attestation(self) -> Attestation | None:
        if self.document.storage.level_min is StorageLevel.NONE:
            return None
        return Attestation(level=StorageLevel.SECURE_ELEMENT, digest=self.story.digest())

    # --- Use

    def use(self, *, purpose: str | None = None, channel: str = "app", evidence: UseEvidence | None = None) -> None:
        """Use it, and count what that does for its renewal."""
        self.attempt(purpose=purpose, channel=channel, evidence=evidence)
        if self.term is None or self.lapsed() or not renewal.qualifies(self.policy, channel=channel, purpose=purpose):
            return
        self.term = self.term.with_use(self.at)
        bounds = renewal.on_use(self.policy, self.term, self.at)
        self.term = self.term if bounds is None else self.term.renewed(bounds)

    def attempt(
        self,
        *,
        purpose: str | None = None,
        channel: str = "app",
        proven: bool = True,
        evidence: UseEvidence | None = None,
    ) -> None:
        """Try to use it, whatever comes of that."""
        self.story.later(minutes=self.story.between(1.2, 3))
        purpose = purpose or self._purpose()
        use = Use(
            at=self.at,
            channel=channel,
            purpose=purpose,
            device=self.phone.id,
            proven=proven,
            evidence=evidence or self.evidence(purpose),
        )
        self.on(use, Asker("holder", channel))

    def _purpose(self) -> str:
        purpose = self.story.random.choice(PURPOSES)
        return purpose if preset_kinds().serves(self.document, purpose) else "login"

    def evidence(self, purpose: str | None = None) -> UseEvidence:
        """Return what comes with a use now: the step of a code, or the next count of a signature."""
        random = self.story.random
        self.counter += 1
        code = self.document.one_time_code
        return UseEvidence(
            timecode=None if code is None else int(self.at.timestamp()) // code.step_seconds + self.drift,
            drift_steps=self.drift,
            counter=self.counter if code is None else None,
            unlock_method=random.choice(self.unlocks) if self.unlocks else None,
            network=random.choice(NETWORKS),
            linked_id=random.choice(self.links) if self.links and random.random() < 0.3 else None,
            relying_party=PARTIES.get(purpose or ""),
        )

    def guess(self, times: int) -> None:
        """Show wrong proofs in a row."""
        for _ in range(times):
            self.attempt(purpose="login", proven=False)
        if times >= self.document.lockout.hard:
            self.be_doubted()

    def be_doubted(self) -> None:
        """Be perhaps in another's hands: what replaces it takes all the steps."""
        self.identified_at = None

    def set_up(self, *methods: UnlockMethod) -> None:
        """Choose how to open it: a PIN first, and what else is liked."""
        for method in (UnlockMethod.PIN, *methods):
            if method in self.document.unlocking.methods and method not in self.unlocks:
                self.on(credential.SetUnlockMethod(at=self.story.later(minutes=1), method=method))
                self.unlocks.append(method)

    def complete_reset(self, *, key_rolled: bool = True) -> None:
        self.on(
            credential.CompleteReset(
                at=self.at,
                evidence=self.story.reference("carrier"),
                key_rolled=key_rolled,
                attestation=Attestation(level=StorageLevel.SECURE_ELEMENT, digest=self.story.digest()),
            )
        )

    # --- Validity

    def lapsed(self) -> bool:
        """Tell whether its validity has ended by now; a renewal by the clock is taken note of."""
        while self.term is not None:
            end = self.term.bounds.expires_at
            if end is None or self.at < end:
                return False
            renewed = renewal.at_expiry(self.policy, self.term, suspended=False)
            if renewed is None:
                return True
            self.term = self.term.renewed(renewed)
        return False

    def object_to_renewal(self) -> None:
        self.on(credential.ObjectToRenewal(at=self.at))
        if self.term is not None:
            self.term = replace(self.term, objected=True)

    def renew(self) -> None:
        """Ask for a renewal, after its fee where there is one."""
        if self.document.fees.of_renewal_krw(self.holder.subkind.kind):
            self.on(credential.ChargeFee(at=self.at, receipt=self.story.reference("receipt")))
        self.on(credential.RequestRenewal(at=self.story.later(minutes=2)))
        bounds = None if self.term is None else renewal.on_request(self.policy, self.term, self.at)
        if self.term is not None and bounds is not None:
            self.term = self.term.renewed(bounds)


def begun(holder: Holder, kind: Kind, *, policy_id: str | None = None) -> Means:
    """Return a credential of which nothing has been asked yet."""
    policy = policy_id or preset_kinds().kind(kind).policy or POLICY_OF_CODES
    return Means(
        holder=holder,
        id=holder.story.new_id(),
        ref=holder.next_name(),
        kind=kind,
        policy=preset_policies()[policy],
        phone=holder.phone,
    )


def issued_at_counter(holder: Holder, kind: Kind, *, replaces: Means | None = None) -> Means:
    """Have one issued at a branch, where an officer sees the person and the document."""
    means = begun(holder, kind)
    holder.story.ask(
        IssueCredential(
            at=means.at,
            credential=means.id,
            name=means.ref,
            customer=holder.ref,
            kind=kind,
            device=holder.phone.id,
            policy_id=means.policy.policy_id,
            evidence=holder.story.reference("counter"),
            attestation=means.attestation(),
            replaces=None if replaces is None else replaces.ref,
            reference=holder.story.reference("serial"),
        ),
        TELLER,
    )
    means.identified_at = means.at
    means.begin()
    return means
