"""Credential: one means of authentication, from the application to its erasure, cut by stage of life.

| Stage | Module | Rules |
|---|---|---|
| application: steps, attempts, retries, end | `applying` | R13, R20, R31, R66, R67 |
| proof of identity: phone, document, account | `proofing` | R21, R23, R26, R27, R57, R58 |
| fees of issue and renewal | `paying` | R15, R18, R37, R38 |
| issue and attested key | `issuing` | R24, R27, R32, R40, R46 |
| use | `use` | R07, R17, R34, R47, R59 |
| wrong proofs, locks, drifting clocks | `lockout` | 5.1, 5.5 |
| the seed in force | `secrets` | 5.1 |
| PIN, pattern, biometrics | `unlocking` | R30, R33, R45 |
| linked IDs and services | `linking` | R10, R11, R35, R43, R53, R54 |
| renewal, lapse, change of policy | `renewing` | R42, R48-R50, R65, section 4 |
| notices, consent | `notices` | R51, section 2 |
| suspension, revocation | `holds` | R52, R62 |
| loss, theft, copies | `loss` | R44, R52, R61 |
| reset after an update, another phone | `device_change` | R55, R56 |
| histories from elsewhere | `adoption` | 4.5 |
| erasure | `erasing` | 5.1 |

* An application ends in an issue, or is given up or rejected. A credential may be used from its
  issue until its end. Bounds are computed once, by the deciding policy, and stand in the event.
* Conditions are independent flags; the state that people are shown follows by precedence:
  revoked, expired, suspended, reset required, locked, active.
* Revocation is final; so is a lapse once its grace is over. Then only erasure is left.
* The clock decides first: before each command, and at each moment asked about, `settle` says what
  time alone has decided. The norm is domain 4.5 and 4.6.
"""

from sealbook.domain.credential.adoption import (
    ExpiryObserved,
    FactNotApplied,
    ObserveExpiry,
    ObserveRenewal,
    RenewalObserved,
)
from sealbook.domain.credential.aggregate import (
    Adopt,
    Command,
    Event,
    Fact,
    OwnCommand,
    Steps,
    adopt,
    decide,
    evolve,
    fact_of,
    fold,
    settle,
)
from sealbook.domain.credential.applying import (
    Abandon,
    ApplicationAbandoned,
    ApplicationRejected,
    Applied,
    Apply,
    Escalate,
    EscalatedToSupport,
    Reject,
    RetryStep,
    StepFailed,
    StepRetried,
)
from sealbook.domain.credential.device_change import (
    CompleteReset,
    Move,
    Moved,
    RequireReset,
    ResetCompleted,
    ResetRequired,
)
from sealbook.domain.credential.erasing import Erase, PersonalDataErased
from sealbook.domain.credential.holds import Resume, Resumed, Revoke, Revoked, Suspend, Suspended, suspension_ends_at
from sealbook.domain.credential.issuing import Attestation, Issue, Issued, KeyAttested
from sealbook.domain.credential.linking import (
    IdLinked,
    IdUnlinked,
    LinkId,
    LinkService,
    ServiceLinked,
    ServiceUnlinked,
    UnlinkId,
    UnlinkService,
)
from sealbook.domain.credential.lockout import Locked, RecordLock, Resynchronize, Resynchronized, Unlock, Unlocked
from sealbook.domain.credential.loss import CloneSuspected, LossReported, ReportLoss, SignalClone
from sealbook.domain.credential.notices import (
    ConsentToRenewal,
    ExpiryNoticeSent,
    RenewalConsentGiven,
    RenewalNoticeSent,
    SendExpiryNotice,
    SendRenewalNotice,
)
from sealbook.domain.credential.paying import ChargeFee, FeeCharged, FeeFailed, FeeFor, FeeRefunded, FeeWaived, WaiveFee
from sealbook.domain.credential.proofing import (
    AccountLinked,
    AccountVerified,
    CaptureId,
    ConfirmId,
    IdAuthenticityConfirmed,
    IdCaptureRejected,
    IdDocumentCaptured,
    IdRefused,
    PhoneVerified,
    VerifyAccount,
    VerifyPhone,
)
from sealbook.domain.credential.renewing import (
    AutoRenewed,
    Expired,
    ObjectToRenewal,
    PolicySwitched,
    RenewalObjectionLodged,
    Renewed,
    RequestRenewal,
    Settle,
    SwitchPolicy,
)
from sealbook.domain.credential.secrets import SecretSet, SetSecret
from sealbook.domain.credential.standing import (
    Application,
    Credential,
    LinkedId,
    State,
    begun,
    issued,
    pending,
)
from sealbook.domain.credential.unlocking import (
    RemoveUnlockMethod,
    ReportUnlockFailure,
    SetUnlockMethod,
    UnlockFailed,
    UnlockMethodRemoved,
    UnlockMethodSet,
)
from sealbook.domain.credential.use import RecordRefusal, Use, Used, UseEvidence, UseRefused, refusal_of_use

__all__ = [
    "Abandon",
    "AccountLinked",
    "AccountVerified",
    "Adopt",
    "Application",
    "ApplicationAbandoned",
    "ApplicationRejected",
    "Applied",
    "Apply",
    "Attestation",
    "AutoRenewed",
    "CaptureId",
    "ChargeFee",
    "CloneSuspected",
    "Command",
    "CompleteReset",
    "ConfirmId",
    "ConsentToRenewal",
    "Credential",
    "Erase",
    "Escalate",
    "EscalatedToSupport",
    "Event",
    "Expired",
    "ExpiryNoticeSent",
    "ExpiryObserved",
    "Fact",
    "FactNotApplied",
    "FeeCharged",
    "FeeFailed",
    "FeeFor",
    "FeeRefunded",
    "FeeWaived",
    "IdAuthenticityConfirmed",
    "IdCaptureRejected",
    "IdDocumentCaptured",
    "IdLinked",
    "IdRefused",
    "IdUnlinked",
    "Issue",
    "Issued",
    "KeyAttested",
    "LinkId",
    "LinkService",
    "LinkedId",
    "Locked",
    "LossReported",
    "Move",
    "Moved",
    "ObjectToRenewal",
    "ObserveExpiry",
    "ObserveRenewal",
    "OwnCommand",
    "PersonalDataErased",
    "PhoneVerified",
    "PolicySwitched",
    "RecordLock",
    "RecordRefusal",
    "Reject",
    "RemoveUnlockMethod",
    "RenewalConsentGiven",
    "RenewalNoticeSent",
    "RenewalObjectionLodged",
    "RenewalObserved",
    "Renewed",
    "ReportLoss",
    "ReportUnlockFailure",
    "RequestRenewal",
    "RequireReset",
    "ResetCompleted",
    "ResetRequired",
    "Resume",
    "Resumed",
    "Resynchronize",
    "Resynchronized",
    "RetryStep",
    "Revoke",
    "Revoked",
    "SecretSet",
    "SendExpiryNotice",
    "SendRenewalNotice",
    "ServiceLinked",
    "ServiceUnlinked",
    "SetSecret",
    "SetUnlockMethod",
    "Settle",
    "SignalClone",
    "State",
    "StepFailed",
    "StepRetried",
    "Steps",
    "Suspend",
    "Suspended",
    "SwitchPolicy",
    "UnlinkId",
    "UnlinkService",
    "Unlock",
    "UnlockFailed",
    "UnlockMethodRemoved",
    "UnlockMethodSet",
    "Unlocked",
    "Use",
    "UseEvidence",
    "UseRefused",
    "Used",
    "VerifyAccount",
    "VerifyPhone",
    "WaiveFee",
    "adopt",
    "begun",
    "decide",
    "evolve",
    "fact_of",
    "fold",
    "issued",
    "pending",
    "refusal_of_use",
    "settle",
    "suspension_ends_at",
]
