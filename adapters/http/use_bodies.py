"""Bodies of uses: read by msgspec, for five thousand a second come."""

import re
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from sealbook.adapters.http.problems import Fault, Problem
from sealbook.domain.values import Network, UnlockMethod

BATCH_MAX = 500
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Channel = Literal["app", "web", "branch", "call_center", "automat"]
"""By which way a holder may come: none of the ledger's own words among them."""
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Encoded = Annotated[str, msgspec.Meta(min_length=1, max_length=400, pattern=r"^[A-Za-z0-9_-]+$")]


class Totp(msgspec.Struct, tag="totp", forbid_unknown_fields=True, frozen=True):
    """A one-time code (RFC 6238)."""

    code: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6,8}$")]

    def __repr__(self) -> str:
        return "Totp()"


class Signature(msgspec.Struct, tag="signature", forbid_unknown_fields=True, frozen=True):
    """A signature by the bound device's key over a challenge and its own counter; 0 where it keeps none."""

    challenge: Encoded
    signature: Encoded
    counter: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0

    def __repr__(self) -> str:
        return "Signature()"


class UseBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A use as it is told. `device` is the id or key of the phone, by default the bound one.

    `channel` is by which way the holder came, by default as the caller's scope says; an app comes by `app` or `web`.
    """

    proof: Totp | Signature
    device: Name | None = None
    purpose: Word | None = None
    channel: Channel | None = None
    unlock_method: UnlockMethod | None = None
    network: Network | None = None
    linked_id: Name | None = None
    relying_party: Name | None = None


class OneUse(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One use of a batch."""

    idempotency_key: UUID
    credential: Name
    use: UseBody


class BatchBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Uses that come together; each is answered for itself."""

    uses: Annotated[list[OneUse], msgspec.Meta(min_length=1, max_length=BATCH_MAX)]


_NUMBER = re.compile(r"\[[0-9]+\]")
_PLACE = re.compile(r" - at `\$\.([a-z_.]+|uses\[\.\.\.\][a-z_.]*)`$")
"""Where a body is wrong, in the model's own words. What comes before it may be what was sent."""


def invalid(error: Exception) -> Problem:
    """Return the problem of a body that is not of its form: where, and nothing of what was sent."""
    place = _PLACE.search(_NUMBER.sub("[...]", str(error)))
    return Problem(Fault.INVALID_REQUEST, more={"errors": [{"field": place[1] if place else "", "fault": "invalid"}]})
