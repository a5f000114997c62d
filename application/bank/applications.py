"""Applications: the steps as an applicant takes them in the app, and what can go wrong at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sealbook.application.bank.means import Means, begun
from sealbook.application.bank.people import Holder
from sealbook.application.bank.telling import HOLDER, OFFICER, Asker, Story
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import (
    ApplyForCredential,
    CompleteApplication,
    OnApplication,
    OwnOfApplication,
    VerifyPhone,
)
from sealbook.domain import credential
from sealbook.domain.calendar import shift_forward
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import CaptureFault, IdDocument, Kind, Step

CARRIERS = ("carrier-a", "carrier-b", "carrier-c")
TOO_LATE_MINUTES = 6
"""The code of a transfer is taken for five."""
STRANGER = Name(NameKind.IDENTITY, "identity of somebody else")
DOCUMENTS: Sequence[IdDocument] = (
    IdDocument.RESIDENT_CARD,
    IdDocument.RESIDENT_CARD,
    IdDocument.DRIVING_LICENSE,
    IdDocument.PASSPORT,
)


@dataclass(slots=True, kw_only=True)
class Application:
    """An application on its way. `signatory` is who answers the phone: for a company, one of its users."""

    means: Means
    signatory: Holder
    request: str = ""

    @property
    def story(self) -> Story:
        return self.means.story

    def ask(self, command: OwnOfApplication, by: Asker = HOLDER) -> None:
        self.story.ask(OnApplication(credential=self.means.ref, command=command), by)

    def _wait(self) -> datetime:
        return self.story.later(minutes=self.story.between(0.5, 3))

    def _done(self, step: Step) -> None:
        self.means.due.remove(step)

    # --- Steps

    def verify_phone(self) -> None:
        self.verify_phone_of(self.signatory.identity)
        self._done(Step.PHONE)

    def verify_phone_of(self, identity: Name) -> None:
        """Show a phone that is registered to somebody, which fails if it is not the applicant."""
        story = self.story
        story.ask(
            VerifyPhone(
                at=self._wait(),
                credential=self.means.ref,
                identity=identity,
                provider=story.random.choice(CARRIERS),
                evidence=story.reference("carrier"),
            )
        )

    def photograph(self, fault: CaptureFault | None = None) -> None:
        """Take a photo of a document. One with a fault cannot be used."""
        story = self.story
        self.request = story.reference("issuer")
        self.ask(
            credential.CaptureId(
                at=self._wait(),
                document=story.random.choice(DOCUMENTS),
                evidence=story.reference("photo"),
                digest=story.digest(),
                request=self.request,
                fault=fault,
            )
        )

    def hear_from_issuer(self, *, authentic: bool = True) -> None:
        at = self._wait()
        self.ask(credential.ConfirmId(at=at, request=self.request, authentic=authentic), OFFICER)
        if authentic:
            self.means.identified_at = at
            self._done(Step.ID_DOCUMENT)

    def verify_account(self) -> None:
        self.enter_code()
        self._done(Step.ACCOUNT)

    def enter_code(self, *, right: bool = True, own: bool = True, after_minutes: float = 1) -> None:
        """Enter the code of the one-won transfer; wrong, late or of another's account, the step fails."""
        sent_at = self._wait()
        self.ask(
            credential.VerifyAccount(
                at=self.story.later(minutes=after_minutes),
                account=self.story.reference("account"),
                evidence=self.story.reference("transfer"),
                code_sent_at=sent_at,
                code_matches=right,
                own_name=own,
            )
        )

    def pay(self, *, fails: bool = False) -> None:
        self.ask(credential.ChargeFee(at=self._wait(), receipt=None if fails else self.story.reference("receipt")))
        if not fails:
            self._done(Step.FEE)

    def be_let_off(self) -> None:
        """Have the fee waived by an officer."""
        self.ask(credential.WaiveFee(at=self._wait()), OFFICER)
        self._done(Step.FEE)

    def take_key(self) -> None:
        """Let the phone attest the key: with that, the credential is issued."""
        means = self.means
        reference = self.story.reference("serial")
        complete = CompleteApplication(
            at=self._wait(), credential=means.ref, attestation=means.attestation(), reference=reference
        )
        self.story.ask(complete)
        self._done(Step.KEY)
        means.begin()

    def finish(self) -> Means:
        """Take what steps are left, each at the first attempt."""
        for step in tuple(self.means.due):
            self._take(step)
        return self.means

    def finish_until(self, last: Step) -> None:
        """Take the steps before one."""
        for step in tuple(self.means.due):
            if step is last:
                return
            self._take(step)

    def _take(self, step: Step) -> None:
        match step:
            case Step.PHONE:
                self.verify_phone()
            case Step.ID_DOCUMENT:
                self.photograph()
                self.hear_from_issuer()
            case Step.ACCOUNT:
                self.verify_account()
            case Step.FEE:
                self.pay()
            case Step.KEY:
                self.take_key()

    # --- Ends

    def abandon(self) -> None:
        self.ask(credential.Abandon(at=self._wait()))

    def be_rejected(self, reason: str) -> None:
        self.ask(credential.Reject(at=self._wait(), reason=reason), OFFICER)

    def ask_support(self) -> None:
        """Turn to support after too many attempts, and be let try again."""
        self.ask(credential.Escalate(at=self._wait()))
        self.story.later(minutes=30)
        self.ask(credential.RetryStep(at=self.story.at), OFFICER)


def applied(
    holder: Holder,
    kind: Kind,
    *,
    policy_id: str | None = None,
    purpose: str | None = None,
    replaces: Means | None = None,
    signatory: Holder | None = None,
) -> Application:
    """Apply in the app, on the phone in use."""
    means = begun(holder, kind, policy_id=policy_id)
    holder.story.ask(
        ApplyForCredential(
            at=means.at,
            credential=means.id,
            name=means.ref,
            customer=holder.ref,
            kind=kind,
            device=holder.phone.id,
            policy_id=means.policy.policy_id if means.document.policy is None or policy_id else None,
            purpose=purpose,
            replaces=None if replaces is None else replaces.ref,
        )
    )
    known = None if replaces is None else _if_fresh(replaces, means)
    means.identified_at = known
    means.due = list(means.document.path(holder.subkind.kind, fresh=known is not None))
    return Application(means=means, signatory=signatory or holder)


def _if_fresh(replaced: Means, means: Means) -> datetime | None:
    """Return when the holder was identified, if that is recent enough for the short path (domain rule R55)."""
    known, bank = replaced.identified_at, preset_kinds().bank
    if known is None:
        return None
    return known if means.at < shift_forward(known, means.document.steps.fresh_for, zone_name=bank.zone) else None
