"""Kind documents: what the bank allows for each kind of credential, as one validated object (domain rules R02-R08).

Every number of the rules that is not a renewal policy's stands here, as data of a version.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self, TypeVar
from zoneinfo import ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    PlainSerializer,
    StrictBool,
    StringConstraints,
    UrlConstraints,
    field_validator,
    model_validator,
)

from sealbook.domain.calendar import Period, zone
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy_document import PeriodField
from sealbook.domain.values import (
    HolderKind,
    HolderSubkind,
    IdDocument,
    Kind,
    Service,
    Step,
    StorageLevel,
    UnlockMethod,
)

CONSECUTIVE_FAILURES_MAX = 100
"""No authenticator takes more consecutive failures (NIST SP 800-63B-4 3.2.2)."""
PIN_FAILURES_MAX = 10
"""An activation secret takes no more failures (NIST SP 800-63B-4 3.2.10)."""
BIOMETRIC_FAILURES_MAX = 5
"""A biometric without presentation attack detection takes no more in a row (NIST SP 800-63B-4 3.2.3)."""
CODE_MINUTES_MAX = 10
"""A code that binds is good for no longer (NIST SP 800-63B-4 4.1.2.2)."""


def _lasting(value: Period) -> Period:
    if value.is_zero:
        raise ValueError("a period of no time is refused here")
    return value


def _ordered(values: frozenset[str]) -> list[str]:
    return sorted(values)


Line = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=400)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000)]
Won = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]
Link = Annotated[HttpUrl, UrlConstraints(max_length=400)]
Lasting = Annotated[PeriodField, AfterValidator(_lasting)]
Area = Literal["finance", "egov", "commerce"]
Each = TypeVar("Each", bound=str)
Several = Annotated[frozenset[Each], PlainSerializer(_ordered)]
"""A set that is written in one order, so that one document has one text."""
AppVersion = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){0,3}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Words(_Part):
    """A text in both languages."""

    en: Line
    ko: Line


class Steps(_Part):
    """The steps of an application, in order, by who holds (domain rule R13).

    `again` is the short path of a reissue while the last proof of identity is no older than `fresh_for`.
    The key comes last by itself, and the fee before it where there is one.
    """

    personal: tuple[Step, ...]
    corporate: tuple[Step, ...]
    again: tuple[Step, ...]
    fresh_for: PeriodField
    attempts_max: Count
    open_for: Lasting
    account_code_minutes: Annotated[int, Field(strict=True, ge=1, le=CODE_MINUTES_MAX)]
    documents: Several[IdDocument] = Field(min_length=1)

    @model_validator(mode="after")
    def _proofs_only(self) -> Self:
        for path in (self.personal, self.corporate, self.again):
            if len(set(path)) < len(path) or {Step.FEE, Step.KEY} & set(path):
                raise ValueError("a path names each of phone, id_document and account at most once, nothing else")
        return self


class Fees(_Part):
    """The fee schedule in won, tax included. 0 is a fee that is waived (domain rules R15, R18, R37, R38)."""

    version: Count
    issue_personal_krw: Won
    issue_corporate_krw: Won
    renewal_personal_krw: Won
    renewal_corporate_krw: Won

    def of_issue_krw(self, holder: HolderKind) -> int:
        return self.issue_personal_krw if holder is HolderKind.PERSONAL else self.issue_corporate_krw

    def of_renewal_krw(self, holder: HolderKind) -> int:
        return self.renewal_personal_krw if holder is HolderKind.PERSONAL else self.renewal_corporate_krw


class Storage(_Part):
    """Where the secret or key is kept, and how well at least (domain rules R40, R46)."""

    place: Literal["device_secure_area", "cloud", "device_or_removable"]
    level_min: StorageLevel

    @property
    def moves(self) -> bool:
        """Tell whether a credential stays usable when its holder changes the device."""
        return self.place == "cloud"


class Unlocking(_Part):
    """Local unlock methods; a PIN always remains beside the others (NIST SP 800-63B-4 3.2.3)."""

    methods: Several[UnlockMethod]
    pin_digits: Annotated[int, Field(strict=True, ge=4, le=16)]
    pin_failures_max: Annotated[int, Field(strict=True, ge=1, le=PIN_FAILURES_MAX)]
    biometric_failures_max: Annotated[int, Field(strict=True, ge=1, le=BIOMETRIC_FAILURES_MAX)]
    fresh_minutes: Count

    @model_validator(mode="after")
    def _pin_among_them(self) -> Self:
        if UnlockMethod.PIN not in self.methods:
            raise ValueError("a PIN must be among the unlock methods, for when a biometric fails")
        return self


class Lockout(_Part):
    """Wrong proofs in a row, over all channels: `soft` asks to re-identify, `hard` is for good."""

    soft: Count
    hard: Annotated[int, Field(strict=True, ge=1, le=CONSECUTIVE_FAILURES_MAX)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.soft >= self.hard:
            raise ValueError("lockout.soft must be below lockout.hard")
        return self


class Linking(_Part):
    """IDs and services that one credential may stand for (domain rules R10, R11, R35, R43, R53)."""

    ids_max: Annotated[int, Field(strict=True, ge=0, le=100)]
    services_personal: Several[Service]
    services_corporate: Several[Service]


class OnDevice(_Part):
    """What the bank asks of the phone (domain rules R22, R56, R59, R60).

    `app_update_resets` says when an update of the app makes the holder set the credential up again.
    """

    app_version_min: AppVersion
    stores: Several[Line] = Field(min_length=1)
    lock_screen: Literal["advise", "require"]
    rooted: Literal["advise", "refuse"]
    public_wifi: Literal["warn", "refuse"]
    app_update_resets: Literal["keys_lost", "always", "never"]


class OneTimeCode(_Part):
    """How one-time codes are made (RFC 6238)."""

    digits: Annotated[int, Field(strict=True, ge=6, le=8)]
    step_seconds: Annotated[int, Field(strict=True, ge=15, le=120)]
    window_steps: Annotated[int, Field(strict=True, ge=0, le=2)]
    secret_bits_min: Annotated[int, Field(strict=True, ge=112, le=512)]


class KindDocument(_Part):
    """One version of what the bank allows for a kind of credential. Frozen; unknown keys are refused.

    `policy` is the renewal policy of a new credential unless another is asked for; without one,
    another must be (domain rule R41). A `name_bound` credential shows its holder's name and ends
    when that changes. `membership` must be joined, and kept (domain rule R16).
    """

    kind: Kind
    version: Count
    name: Words
    summary: Words
    eligible: Several[HolderSubkind] = Field(min_length=1)
    holder_distinction: Words
    membership: Several[Service]
    scope: Several[Area] = Field(min_length=1)
    issuer: Line
    prerequisites: tuple[Words, ...] = Field(min_length=1)
    advisories: tuple[Words, ...] = Field(min_length=1)
    details_url: Link
    help_url: Link
    policy: Line | None = None
    validity: Words
    security_method: Words
    proofs: Several[Literal["totp", "signature"]] = Field(min_length=1)
    phishing_resistant: StrictBool
    name_bound: StrictBool
    devices_per_person_max: Count
    suspension_max: Lasting
    notice_leads: tuple[PeriodField, ...]
    steps: Steps
    fees: Fees
    storage: Storage
    unlocking: Unlocking
    lockout: Lockout
    linking: Linking
    on_device: OnDevice
    one_time_code: OneTimeCode | None = None

    @model_validator(mode="after")
    def _codes_have_a_form(self) -> Self:
        if ("totp" in self.proofs) != (self.one_time_code is not None):
            raise ValueError("one_time_code is given if and only if totp is among the proofs")
        return self

    @model_validator(mode="after")
    def _holders_are_identified(self) -> Self:
        for holder in {subkind.kind for subkind in self.eligible}:
            if not self._proofs_of(holder):
                raise ValueError(f"steps.{holder} is empty, but {holder} customers are eligible: identify them first")
        return self

    def path(self, holder: HolderKind, *, fresh: bool) -> tuple[Step, ...]:
        """Return the steps of an application, in order, the fee and the key included."""
        proofs = self.steps.again if fresh else self._proofs_of(holder)
        fee = (Step.FEE,) if self.fees.of_issue_krw(holder) else ()
        return (*proofs, *fee, Step.KEY)

    def _proofs_of(self, holder: HolderKind) -> tuple[Step, ...]:
        return self.steps.personal if holder is HolderKind.PERSONAL else self.steps.corporate


class Purpose(_Part):
    """What a credential is used for, and the area that it belongs to (domain rules R07, R17, R19)."""

    name: Words
    area: Area


class BankDocument(_Part):
    """What holds for the bank as a whole. `retention` and `records` count from the end of the relationship.

    `records` are periods by the name of an event, or by what names begin with.
    """

    version: Count
    retention: Lasting
    records: Mapping[str, Lasting] = Field(default_factory=dict[str, Period])
    zone: Line
    purposes: Mapping[str, Purpose]

    def kept(self, event_name: str) -> Period:
        """Return how long an event's record is kept: the period of the longest beginning that fits, or `retention`."""
        fitting = [each for each in self.records if event_name.startswith(each)]
        return self.records[max(fitting, key=len)] if fitting else self.retention

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            zone(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not a zone of the IANA time zone database, like Asia/Seoul") from error
        return value


@dataclass(frozen=True, slots=True)
class KindBook:
    """Every kind of credential that the bank issues, and what holds for all of them.

    `withdrawn` are the kinds that it issues no longer, or never did: what is held of them goes on by these.
    """

    kinds: Mapping[Kind, KindDocument]
    bank: BankDocument
    withdrawn: Mapping[Kind, KindDocument] = field(default_factory=dict[Kind, KindDocument])

    def kind(self, kind: Kind) -> KindDocument:
        """Return the document of a kind that is held. Raises Refused(not_eligible) if it has none at all."""
        found = self.kinds.get(kind) or self.withdrawn.get(kind)
        if found is None:
            raise Refused(Refusal.NOT_ELIGIBLE, f"a {kind} has no document here")
        return found

    def offered(self, kind: Kind) -> KindDocument:
        """Return the document of a kind that may be issued. Raises Refused(not_eligible)."""
        if kind not in self.kinds:
            raise Refused(Refusal.NOT_ELIGIBLE, f"a {kind} is not issued here: it has no document")
        return self.kinds[kind]

    def serves(self, kind: KindDocument, purpose: str) -> bool:
        """Tell whether a kind may be used for a purpose (domain rules R08, R20)."""
        known = self.bank.purposes.get(purpose)
        return known is not None and known.area in kind.scope
