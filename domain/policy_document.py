"""Policy documents: every reading of the renewal rules as one validated object (domain 4.3)."""

import hashlib
import json
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StringConstraints,
    field_serializer,
    field_validator,
    model_validator,
)

from sealbook.domain.calendar import EARLIEST, LATEST, NO_TIME, Calendar, Period, shift_back, zone
from sealbook.domain.values import HolderKind, Kind, PolicyRef

NOTICE = Period(months=1, days=0)
"""Terms are announced a month before they take effect (Electronic Financial Transactions Act 24(3))."""
LOOK_BACK_USES_MAX = 16
"""A look-back counts among the latest uses that a state keeps, so it cannot ask for more of them."""


def _period(value: object) -> object:
    if value is None or isinstance(value, Period):
        return value
    if not isinstance(value, str):
        raise ValueError("a period is written as text, like P2Y")  # noqa: TRY004
    return Period.parse(value)


def _written(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("a moment is written as text, like 2026-01-01T00:00:00+09:00")  # noqa: TRY004
    return value


def _utc(value: datetime) -> datetime:
    if not EARLIEST.year < value.year < LATEST.year:
        raise ValueError(f"a moment lies in the years {EARLIEST.year + 1} to {LATEST.year - 1}")
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_utc)]
"""In UTC, so that one moment written with two offsets is one document with one digest."""
PeriodField = Annotated[Period, BeforeValidator(_period), PlainSerializer(str)]
Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=64)]
PolicyId = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Version = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Limit = Annotated[int, Field(strict=True, ge=0, le=10**6)]
Uses = Annotated[int, Field(strict=True, ge=1, le=10**6)]


class RenewalPolicy(BaseModel):
    """One version of the rules for validity and renewal. Frozen; unknown keys are refused.

    Announcing needs `announced_at` and `effective_from`; a what-if does not. `kinds` and
    `holders` limit whom the policy concerns; absent, it concerns all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    policy_id: PolicyId
    version: Version = 1
    announced_at: Moment | None = None
    effective_from: Moment | None = None
    law_forced: StrictBool = False
    kinds: frozenset[Kind] | None = Field(default=None, min_length=1)
    holders: frozenset[HolderKind] | None = Field(default=None, min_length=1)
    applies_to: Literal["new", "keep", "recompute", "restart"] = "new"
    validity: PeriodField | None
    renew_on: Literal["use", "expiry", "request", "never"]
    eligible_after: PeriodField | None = None
    usage_since: Literal["eligible", "period"] | PeriodField = "eligible"
    min_uses: Uses = 1
    channels: frozenset[Name] = Field(default=frozenset({"app"}), min_length=1)
    purposes: frozenset[Name] | None = Field(default=None, min_length=1)
    extend_from: Literal["decision", "expiry"] = "decision"
    renewal_validity: PeriodField | None = None
    max_renewals: Limit | None = None
    grace: PeriodField = NO_TIME
    request_window: PeriodField | None = None
    notice_lead: PeriodField | None = None
    objection: PeriodField | None = None
    consent: Literal["none", "implied_notice", "explicit"] = "none"
    calendar: Calendar = Calendar.END_OF_DAY
    zone: Name = "Asia/Seoul"
    reissue_validity: Literal["fresh", "keep"] = "fresh"

    @field_validator("usage_since", mode="before")
    @classmethod
    def _look_back(cls, value: object) -> object:
        # Without this, the message for a bad period would speak of each member of the union.
        return value if value in ("eligible", "period") else _period(value)

    @field_validator("validity", "renewal_validity")
    @classmethod
    def _not_zero(cls, value: Period | None) -> Period | None:
        if value is not None and value.is_zero:
            raise ValueError("a validity of no time is refused: use null for a credential that never expires")
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            zone(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not a zone of the IANA time zone database, like Asia/Seoul") from error
        return value

    @field_serializer("kinds", "holders", "channels", "purposes")
    def _sorted(self, values: frozenset[str] | None) -> list[str] | None:
        return None if values is None else sorted(values)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.renew_on in ("use", "expiry") and (self.validity is None or self.eligible_after is None):
            raise ValueError(f"renew_on {self.renew_on!r} needs a validity and an eligible_after (P0D is allowed)")
        if self.renew_on == "request" and self.request_window is None:
            raise ValueError("renew_on 'request' needs a request_window, like P30D")
        if isinstance(self.usage_since, Period) and self.min_uses > LOOK_BACK_USES_MAX:
            raise ValueError(f"with a look-back in usage_since, min_uses is at most {LOOK_BACK_USES_MAX}")
        return self

    @property
    def ref(self) -> PolicyRef:
        return PolicyRef(policy_id=self.policy_id, version=self.version)

    @property
    def validity_of_renewal(self) -> Period | None:
        return self.renewal_validity or self.validity

    @cached_property
    def document(self) -> str:
        """The canonical JSON: every field, sorted keys, no white space."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical document, in hexadecimal: what a report cites as the policy."""
        return hashlib.sha256(self.document.encode()).hexdigest()

    @property
    def announced_in_time(self) -> bool:
        """Tell whether the announcement came a month before the effect, or a law forced it."""
        if self.announced_at is None or self.effective_from is None:
            return False
        notice_ends = shift_back(self.effective_from, NOTICE, zone_name=self.zone)
        return self.law_forced or self.announced_at <= notice_ends

    def concerns(self, *, kind: Kind, holder: HolderKind) -> bool:
        return (self.kinds is None or kind in self.kinds) and (self.holders is None or holder in self.holders)

    def in_force_at(self, moment: datetime) -> bool:
        """Tell whether the policy has taken effect; one without a date always has."""
        return self.effective_from is None or self.effective_from <= moment
