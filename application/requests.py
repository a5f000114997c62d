"""What can be asked of the ledger, beside the adoption of a history: requests over one or several aggregates.

Ids, times and randomness come in with the request: the same request decides the same way again.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealbook.application.names import Name, Ref
from sealbook.domain import credential, customer, device, policy
from sealbook.domain.credential import Attestation
from sealbook.domain.device import App
from sealbook.domain.values import HolderSubkind, Kind, Role, Service

OwnOfCustomer = (
    customer.JoinService
    | customer.LeaveService
    | customer.ChangeContact
    | customer.ChangeName
    | customer.Restrict
    | customer.LiftRestriction
    | customer.RecordDeath
    | customer.PlaceLegalHold
    | customer.LiftLegalHold
    | customer.Erase
    | customer.ViewRecord
)
OwnOfDevice = (
    device.UpdateApp
    | device.UpdateOs
    | device.ObserveLockScreen
    | device.ObserveIntegrity
    | device.OfferHandover
    | device.Retire
)
OwnOfApplication = (
    credential.CaptureId
    | credential.ConfirmId
    | credential.VerifyAccount
    | credential.ChargeFee
    | credential.WaiveFee
    | credential.RetryStep
    | credential.Escalate
    | credential.Abandon
    | credential.Reject
)
OwnOfCredential = credential.OwnCommand
OwnOfPolicy = policy.Command
"""What concerns one aggregate alone; everything else is a request of its own, for it moves others too."""

# --- Customers


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollCustomer:
    """`name` is the bank's number, `identity` what is unique to the person or company."""

    at: datetime
    customer: UUID
    name: Name | None
    subkind: HolderSubkind
    identity: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCompanyUser:
    """`person` is an enrolled natural person."""

    at: datetime
    customer: Ref
    person: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveCompanyUser:
    at: datetime
    customer: Ref
    person: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRole:
    """Grant a user of a company a role, or take it away."""

    at: datetime
    customer: Ref
    person: Ref
    role: Role
    granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTransaction:
    """Propose a company's transaction, or approve one: two persons, four eyes."""

    at: datetime
    customer: Ref
    transaction: str
    by: Ref
    approved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCustomer:
    """A command of the customer's own: join a service, restrict, record a death, erase ..."""

    customer: Ref
    command: OwnOfCustomer

    @property
    def at(self) -> datetime:
        return self.command.at


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCustomer:
    at: datetime
    customer: Ref


# --- Devices


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterDevice:
    at: datetime
    device: UUID
    key: Name
    model: str
    os_version: str
    app: App


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDevice:
    """A command of the device's own: update the app, observe the lock screen, offer a handover."""

    device: Ref
    command: OwnOfDevice

    @property
    def at(self) -> datetime:
        return self.command.at


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDevice:
    """Give back the device and the slot that it takes."""

    at: datetime
    device: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLoss:
    """Hold a device and all the holder's credentials on it, in one append.

    `lost` is the device, a credential on it, or the customer, who then has lost every device.
    """

    at: datetime
    lost: Ref
    lost_at: datetime | None = None
    theft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverDevice:
    """The device was found: it and what was held for its loss come back, in one append."""

    at: datetime
    device: Ref
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceDevice:
    """The holder has another phone. Without `evidence`, the old one vouches for it by a code."""

    at: datetime
    old: Ref
    new: Ref
    evidence: str | None


# --- Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyForCredential:
    """Apply in the app. Without `policy_id` the kind's own policy decides; `replaces` names what a reissue ends."""

    at: datetime
    credential: UUID
    name: Name | None
    customer: Ref
    kind: Kind
    device: Ref
    policy_id: str | None = None
    purpose: str | None = None
    replaces: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPhone:
    """A carrier's answer: the phone is registered to `identity`."""

    at: datetime
    credential: Ref
    identity: Name
    provider: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnApplication:
    """A step of an application, its fee, or its end."""

    credential: Ref
    command: OwnOfApplication

    @property
    def at(self) -> datetime:
        return self.command.at


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteApplication:
    """The last step: the device attests the key, and the credential is issued and bound in the same append.

    `with_secret`: the seed of its first generation is in the vault already.
    """

    at: datetime
    credential: Ref
    attestation: Attestation | None
    reference: str | None = None
    with_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCredential:
    """Issue at the counter, where an officer identified the customer; `evidence` refers to that.

    The version of `policy_id` in force decides. An unbound device is bound in the same append.
    `replaces` ends the credential that it names. `with_secret`: the seed of its first generation is in the vault
    already.
    """

    at: datetime
    credential: UUID
    name: Name | None
    customer: Ref
    kind: Kind
    device: Ref
    policy_id: str
    evidence: str | None
    attestation: Attestation | None
    replaces: Ref | None = None
    reference: str | None = None
    with_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkId:
    """Let the credential stand for an ID of `owner`'s: the holder, or a company that it acts for."""

    at: datetime
    credential: Ref
    bank_id: str
    owner: Ref
    purpose: str
    unlocked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlinkId:
    at: datetime
    credential: Ref
    bank_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkService:
    """Connect the credential to a service, for the holder or for a `company` that it acts for."""

    at: datetime
    credential: Ref
    service: Service
    company: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCredential:
    """A command of the credential's own: use, suspend, resume, revoke, renew ..."""

    credential: Ref
    command: OwnOfCredential

    @property
    def at(self) -> datetime:
        return self.command.at


# --- Policies


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPolicy:
    """Announce, adopt or withdraw a policy version. `stream` is the id if the policy is new."""

    policy_id: str
    stream: UUID
    command: OwnOfPolicy

    @property
    def at(self) -> datetime:
        return self.command.at
