"""Looks: how things stand, what happened, what is on the bank's lists."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, Unpack

import msgspec

from sealbook.adapters.client.calls import Answer, Call, Ref, Seen, as_told, decoded, look, thing
from sealbook.adapters.client.holders import CREDENTIALS, CUSTOMERS, DEVICES
from sealbook.adapters.client.results import (
    Counts,
    Credential,
    Customer,
    Device,
    Entry,
    Holdings,
    Page,
    RenewalInfo,
)

T = TypeVar("T")
Row = Mapping[str, Any]
_NEXT = re.compile(r'<(\?[^<>]*)>; *rel="next"')


def customer(customer: Ref, **seen: Unpack[Seen]) -> Call[Customer]:
    return look(thing(CUSTOMERS, customer), seen, read=as_told(Customer))


def holdings(customer: Ref, **seen: Unpack[Seen]) -> Call[Holdings]:
    """Tell what a customer holds and applied for, and what it should see to."""
    return look(thing(CUSTOMERS, customer, "holdings"), seen, read=as_told(Holdings))


def device(device: Ref, **seen: Unpack[Seen]) -> Call[Device]:
    return look(thing(DEVICES, device), seen, read=as_told(Device))


def credential(credential: Ref, **seen: Unpack[Seen]) -> Call[Credential]:
    """Tell how a credential stands, and why."""
    return look(thing(CREDENTIALS, credential), seen, read=as_told(Credential))


def renewal_info(credential: Ref, **seen: Unpack[Seen]) -> Call[RenewalInfo]:
    """Tell when a credential is best renewed, and what is still missing."""
    return look(thing(CREDENTIALS, credential, "renewal-info"), seen, read=_renewal_info)


def counts(**seen: Unpack[Seen]) -> Call[Counts]:
    """Count credentials by state and kind, and events by type."""
    return look("/v1/reports/counts", seen, read=as_told(Counts))


# --- Page by page


class _Entries(msgspec.Struct, frozen=True):
    entries: tuple[Entry, ...]


class _Rows(msgspec.Struct, frozen=True):
    rows: tuple[Row, ...]


def credential_history(credential: Ref, *, limit: int | None = None, **seen: Unpack[Seen]) -> Call[Page[Entry]]:
    """Tell what happened to a credential, oldest first. `limit` is how many events one answer holds."""
    return _history(CREDENTIALS, credential, limit, seen)


def customer_history(customer: Ref, *, limit: int | None = None, **seen: Unpack[Seen]) -> Call[Page[Entry]]:
    return _history(CUSTOMERS, customer, limit, seen)


def device_history(device: Ref, *, limit: int | None = None, **seen: Unpack[Seen]) -> Call[Page[Entry]]:
    return _history(DEVICES, device, limit, seen)


def policy_history(policy_id: str, *, limit: int | None = None, **seen: Unpack[Seen]) -> Call[Page[Entry]]:
    return _history("policies", policy_id, limit, seen)


def rows(
    name: str, *, limit: int | None = None, narrowed: Mapping[str, object] | None = None, **seen: Unpack[Seen]
) -> Call[Page[Row]]:
    """Tell a list over all customers by its name: stuck, notices, fees, liability, revocations, slots ...

    `narrowed` holds what the list can be narrowed by, as the description of the interface says.
    """
    return look(
        f"/v1/lists/{name}",
        seen,
        read=_page(_Rows, lambda found: found.rows),
        asked={**(narrowed or {}), "limit": limit},
    )


def following(call: Call[Page[T]], page: Page[T]) -> Call[Page[T]] | None:
    """Return the call for the page after this one, None at the end."""
    if page.following is None:
        return None
    return replace(call, path=call.path.partition("?")[0] + page.following)


def _history(of: str, ref: Ref, limit: int | None, seen: Seen) -> Call[Page[Entry]]:
    return look(
        thing(of, ref, "history"), seen, read=_page(_Entries, lambda found: found.entries), asked={"limit": limit}
    )


F = TypeVar("F")


def _page(answer: type[F], of: Callable[[F], tuple[T, ...]]) -> Callable[[Answer], Page[T]]:
    def read(told: Answer) -> Page[T]:
        link = _NEXT.match(told.headers.get("link", ""))
        return Page(rows=of(decoded(answer, told.content)), following=None if link is None else link[1])

    return read


def _renewal_info(answer: Answer) -> RenewalInfo:
    seconds = answer.headers.get("retry-after", "")
    told = decoded(RenewalInfo, answer.content)
    return msgspec.structs.replace(told, retry_after_seconds=int(seconds) if seconds.isdigit() else None)
