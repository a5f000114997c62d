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
