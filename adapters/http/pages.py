"""Pages: long answers in parts. A cursor says where the next part begins, and nobody but the service can make one.

A cursor counts for the same query by the same caller alone. It holds the end that the first page saw: what comes
later is in no later page, so that whoever goes on comes to an end.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from sealbook.adapters.http.access import Caller
from sealbook.adapters.http.moments import asked_once
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.projections.timeline import Entry

PURPOSE = "cursors"
"""Of which key of the service cursors are signed with."""
ROWS_MAX = 500
ROWS = 100
MAC_BYTES = 16
_CURSOR_LENGTH_MAX = 400
_CURSOR, _LIMIT = "cursor", "limit"
_LEFT_OUT = (_CURSOR, _LIMIT)

LIMIT: dict[str, Any] = {
    "name": _LIMIT,
    "in": "query",
    "required": False,
    "description": "How many rows a page has at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": ROWS},
}
CURSOR: dict[str, Any] = {
    "name": _CURSOR,
    "in": "query",
    "required": False,
    "description": "Where the page before ended: take it from that page's header Link.",
    "schema": {"type": "string"},
}
LINK: dict[str, Any] = {
    "Link": {"description": '`<...>; rel="next"`, if there are more rows.', "schema": {"type": "string"}}
}


class Place(msgspec.Struct, array_like=True, frozen=True):
    """Where a page begins: after a version or a row, up to one that the first page saw, at the first page's moments."""

    after: int = 0
    until: int | None = None
    as_of: datetime | None = None
    known_at: datetime | None = None


BEGINNING = Place()
_decode = msgspec.msgpack.Decoder(Place).decode


class Cursors:
    """Makes and reads cursors under a key of the service, of 32 bytes, which every process has."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def place_asked(self, request: Request, caller: Caller) -> Place | None:
        """Return where to begin, None without a cursor. Raises Problem(invalid_request) for one that does not count."""
        text = asked_once(request, _CURSOR)
        if text is None:
            return None
        sealed = _from_base64url(text) if len(text) <= _CURSOR_LENGTH_MAX else b""
        mac, content = sealed[:MAC_BYTES], sealed[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(content, request, caller)):
            raise Problem(
                Fault.INVALID_REQUEST, "this cursor was not given for this query to this caller: begin without one"
            )
        return _decode(content)

    def link(self, place: Place | None, request: Request, caller: Caller) -> Mapping[str, str]:
        """Return the header that leads to the page that begins at a place; none if there is no such page."""
        if place is None:
            return {}
        content = msgspec.msgpack.encode(place)
        sealed = self._mac(content, request, caller) + content
        cursor = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        kept = [(name, said) for name, said in request.query_params.multi_items() if name != _CURSOR]
        # Relative to the address that was asked: nothing of the path is repeated.
        return {"Link": f'<?{urlencode([*kept, (_CURSOR, cursor)])}>; rel="next"'}

    def _mac(self, content: bytes, request: Request, caller: Caller) -> bytes:
        query = sorted(pair for pair in request.query_params.multi_items() if pair[0] not in _LEFT_OUT)
        bound = (request.scope["path"], query, caller.subject, caller.customer)
        # Its own length stands before each part, so no two parts run into each other.
        covered = msgspec.msgpack.encode((bound, content))
        return hmac.digest(self._key, covered, hashlib.sha256)[:MAC_BYTES]


def limit_asked(request: Request) -> int:
    """Return how many rows a page is to have. Raises Problem(invalid_request)."""
    text = asked_once(request, _LIMIT)
    if text is None:
        return ROWS
    if text.isascii() and text.isdigit() and len(text) <= len(str(ROWS_MAX)) and 1 <= int(text) <= ROWS_MAX:
        return int(text)
    raise Problem(Fault.INVALID_REQUEST, f"limit is a number from 1 to {ROWS_MAX}")


def page_of(entries: Sequence[Entry], place: Place, limit: int) -> tuple[Sequence[Entry], Place | None]:
    """Return the entries of a page, and where the next one begins."""
    until = place.until or (entries[-1].recorded.version if entries else 0)
    left = [each for each in entries if place.after < each.recorded.version <= until]
    page = left[:limit]
    return page, Place(after=page[-1].recorded.version, until=until) if len(left) > limit else None


def _from_base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
