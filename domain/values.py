"""Small values that more than one aggregate speaks of."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Kinds of credential that the ledger knows (domain 1b)."""

    MOBILE_OTP = "mobile_otp"
    KB_MOBILE_CERTIFICATE = "kb_mobile_certificate"
    FINANCIAL_CERTIFICATE = "financial_certificate"
    JOINT_UNIVERSAL = "joint_universal"


class HolderKind(StrEnum):
    """Natural person or company; settled when the customer is enrolled (domain rule R09)."""

    PERSONAL = "personal"
    CORPORATE = "corporate"


class HolderSubkind(StrEnum):
    """What a customer is in the eyes of the law (domain rule R16)."""

    INDIVIDUAL = "individual"
    SOLE_PROPRIETOR = "sole_proprietor"
    CORPORATION = "corporation"
    ASSOCIATION = "association"

    @property
    def kind(self) -> HolderKind:
        return HolderKind.PERSONAL if self is HolderSubkind.INDIVIDUAL else HolderKind.CORPORATE


class Service(StrEnum):
    """What a customer joins at the bank, and a credential is linked to (domain rules R10, R11, R16)."""

    INTERNET_BANKING = "internet_banking"
    PERSONAL_BANKING = "personal_banking"
    CORPORATE_BANKING = "corporate_banking"
    ELECTRONIC_GOVERNMENT = "electronic_government"


class Role(StrEnum):
    """What a user of a company may do for it (domain 5.3)."""

    REPRESENTATIVE = "representative"
    ADMINISTRATOR = "administrator"
    MAKER = "maker"
    APPROVER = "approver"
    VIEWER = "viewer"


class Step(StrEnum):
    """A step of an application (domain rules R13, R31). The last one, the key, brings the issue with it."""

    PHONE = "phone"
    ID_DOCUMENT = "id_document"
    ACCOUNT = "account"
    FEE = "fee"
    KEY = "key"


class IdDocument(StrEnum):
    """Documents that prove identity (domain rule R21; the last two by section 2)."""

    RESIDENT_CARD = "resident_card"
    DRIVING_LICENSE = "driving_license"
    PASSPORT = "passport"
    ALIEN_CARD = "alien_card"
    MOBILE_RESIDENT_CARD = "mobile_resident_card"


class CaptureFault(StrEnum):
    """Why a photo of a document cannot be used (domain rule R57)."""

    BLURRED = "blurred"
    GLARE = "glare"
    CROPPED = "cropped"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"


class StorageLevel(StrEnum):
    """Where a key is kept (domain rules R40, R46), from the weakest to the strongest."""

    NONE = "none"
    SOFTWARE = "software"
    TRUSTED_ENVIRONMENT = "trusted_environment"
    SECURE_ELEMENT = "secure_element"

    def reaches(self, least: "StorageLevel") -> bool:
        levels = list(StorageLevel)
        return levels.index(self) >= levels.index(least)


class UnlockMethod(StrEnum):
    """How a holder opens the credential on the phone. A pattern is no biometric (domain rules R33, R45)."""

    PIN = "pin"
    PATTERN = "pattern"
    FINGERPRINT = "fingerprint"
    FACE = "face"

    @property
    def biometric(self) -> bool:
        return self in (UnlockMethod.FINGERPRINT, UnlockMethod.FACE)


class Network(StrEnum):
    """Over which network a use came (domain rule R59)."""

    MOBILE = "mobile"
    PRIVATE_WIFI = "private_wifi"
    PUBLIC_WIFI = "public_wifi"
    UNKNOWN = "unknown"


class LockScreen(StrEnum):
    """How a device locks itself (domain rule R60)."""

    NONE = "none"
    WEAK = "weak"
    STRONG = "strong"


class RevocationReason(StrEnum):
    """Why a credential ends for good, by the reasons of RFC 5280 5.3.1."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    AFFILIATION_CHANGED = "affiliation_changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"
    PRIVILEGE_WITHDRAWN = "privilege_withdrawn"


class SuspensionReason(StrEnum):
    """Why a credential is held; each is certificateHold (6) of RFC 5280."""

    REQUESTED = "requested"
    LOSS_REPORTED = "loss_reported"
    THEFT_REPORTED = "theft_reported"
    CLONE_SUSPECTED = "clone_suspected"
    CUSTOMER_RESTRICTED = "customer_restricted"


class RenewalCause(StrEnum):
    """What made an automatic renewal happen."""

    USE = "use"
    EXPIRY = "expiry"
    GRACE = "grace"


class SwitchMode(StrEnum):
    """What a change of policy does to the current period (domain 4.5)."""

    KEEP = "keep"
    RESTART = "restart"
    RECOMPUTE = "recompute"


@dataclass(frozen=True, slots=True)
class EventType:
    """The permanent name and schema version under which a class of events is stored.

    A name is never changed and never given to another class; a change of an event's fields is a new
    version beside the old one.
    """

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """A policy version, immutable once announced. Written `D@1`."""

    policy_id: str
    version: int

    def __str__(self) -> str:
        return f"{self.policy_id}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> "PolicyRef":
        policy_id, _, version = text.rpartition("@")
        return cls(policy_id=policy_id, version=int(version))
