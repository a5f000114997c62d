"""Results, as the service tells them. Members that a newer service adds are passed over.

States, events and codes are text: a newer service may know more of them.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

T = TypeVar("T")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What every result is: a value that does not change."""


class Done(Result, frozen=True, kw_only=True):
    """A command was carried out, and that is durable.

    `position` is that of the last event that it left, None if it left none: it was so already. `version` is that of
    the stream after it. `id` is what was created or commanded. `repeated` says that this is the first answer again.
    """

    position: int | None
    version: int | None
    events: tuple[str, ...]
    id: UUID | None = None
    repeated: bool = False


class Used(Done, frozen=True, kw_only=True):
    """A use may pass; `credential` is as it was asked for, `id` is its id."""

    credential: str
    accepted: bool = True


class Secret(Done, frozen=True, kw_only=True):
    """A seed counts. `provisioning_uri` is shown once, in the first answer: a repeated one has None."""

    provisioning_uri: str | None = None

    def __repr__(self) -> str:
        return f"Secret(id={self.id!r}, position={self.position!r}, repeated={self.repeated!r})"


class Challenge(Result, frozen=True, kw_only=True):
    """What a device is to sign for one use, until it expires; `credential` is the id of the one that is used."""

    credential: UUID
    challenge: str
    expires_at: datetime


class Approval(Result, frozen=True, kw_only=True):
    """What one administrator hands to another, who approves the erasure until it expires."""

    approval: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Approval(expires_at={self.expires_at!r})"


# --- Looks


class About(Result, frozen=True, kw_only=True):
    """What every look begins with: what was asked, its id, and the moments on both axes."""

    asked: str
    id: UUID
    as_of: datetime
    known_at: datetime


class Validity(Result, frozen=True, kw_only=True):
    """`refusal` is what a use from the bound device would be told; `expires_at` is exclusive."""

    state: str
    suspended: bool
    locked: bool
    reset_required: bool
    lapsed: bool
    revoked: bool
    valid_from: datetime | None
    expires_at: datetime | None
    last_valid_day: date | None
    refusal: str | None
    policy: str | None


class Expiry(Result, frozen=True, kw_only=True):
    expires_at: datetime | None
    last_valid_day: date | None
    days_left: int | None


class Eligibility(Result, frozen=True, kw_only=True):
    """Whether a credential renews by itself, and what is still missing."""

    status: str
    reason: str | None
    blocked_by: tuple[str, ...]
    eligible_from: datetime | None
    will_renew_at: datetime | None
    qualifying_uses: int


class Credential(About, frozen=True, kw_only=True):
    version: int
    customer: UUID
    kind: str
    validity: Validity
    expiry: Expiry | None
    eligibility: Eligibility


class Customer(About, frozen=True, kw_only=True):
    """`customer` holds the members that the description of the interface gives."""

    version: int
    customer: Mapping[str, Any]


class Device(About, frozen=True, kw_only=True):
    """`device` holds the members that the description of the interface gives."""

    version: int
    device: Mapping[str, Any]


class Holdings(About, frozen=True, kw_only=True):
    """What a customer holds; `names` are the bank's own for the ids in it."""

    holdings: tuple[Mapping[str, Any], ...]
    names: Mapping[str, str]


class Window(Result, frozen=True, kw_only=True):
    start: datetime
    end: datetime


class RenewalInfo(About, frozen=True, kw_only=True):
    """When the app is best used. A window that has passed means at once; None, that nothing the holder does renews.

    `retry_after_seconds` is when to ask again.
    """

    suggested_window: Window | None
    explanation_url: str
    eligibility: Eligibility
    retry_after_seconds: int | None = None


class Entry(Result, frozen=True, kw_only=True):
    """An event of a history, with the state before and after it. `fields` is what the event says."""

    position: int
    version: int
    event: str
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    channel: str
    caused_by: int | None
    fields: Mapping[str, Any]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Page(Result, Generic[T], frozen=True, kw_only=True):
    """A part of a long answer; `following` is the query of the next, None at the end."""

    rows: tuple[T, ...]
    following: str | None


class Counts(Result, frozen=True, kw_only=True):
    """Credentials by state, the same by kind, and events by type."""

    as_of: datetime
    known_at: datetime
    credentials: Mapping[str, int]
    kinds: Mapping[str, Mapping[str, int]]
    events: Mapping[str, int]
    expiring_soon: int
    eligible_for_renewal: int


class Event(Result, frozen=True, kw_only=True):
    """An event of the tail: `position` is its place in the ledger, `stream` what it happened to."""

    position: int
    stream: UUID
    version: int
    event: str
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    channel: str
    fields: Mapping[str, Any]


# --- The office


class Webhook(Result, frozen=True, kw_only=True):
    id: UUID
    url: str
    events: tuple[str, ...]
    created_at: datetime
    created_by: str
    paused: bool
    paused_because: str | None
    position: int
    old_secret_until: datetime | None
    outstanding: int
    dead_letters: int


class WebhookSecret(Result, frozen=True, kw_only=True):
    """The secret that a webhook's messages are signed with, shown once."""

    id: UUID
    secret: str

    def __repr__(self) -> str:
        return f"WebhookSecret(id={self.id!r})"


class DeadLetter(Result, frozen=True, kw_only=True):
    position: int
    stream: UUID
    version: int
    event: str
    attempts: int
    first_tried_at: datetime
    why: str


# --- What-if


class Progress(Result, frozen=True, kw_only=True):
    phase: str
    done: int
    of: int


class Job(Result, frozen=True, kw_only=True):
    """A job as it stands: queued, running, done, failed or cancelled; `error` says why it failed."""

    id: UUID
    state: str
    progress: Progress | None
    error: str | None
    created_at: datetime
    created_by: str
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool


class Scenario(Result, frozen=True, kw_only=True):
    """What one policy would have come to; `digest` is the SHA-256 of its document."""

    policy: str
    digest: str
    credentials: Mapping[str, int]
    renewals: int
    lapses: int
    refused_uses: int
    changed: int


class WhatIf(Result, frozen=True, kw_only=True):
    """What the policies would have come to; `factual` says how well the recorded history is replayed."""

    as_of: datetime
    factual: Mapping[str, Any]
    policies: tuple[Scenario, ...]
