"""Moments in an address: as of when is asked, and by what the ledger knew then."""

import re
from datetime import datetime
from typing import Any

from starlette.requests import Request

from sealbook.adapters.http.problems import Fault, Problem

_YEAR = "(?:19(?:0[1-9]|[1-9][0-9])|2[0-3][0-9]{2})"
_LEAP_YEAR = "(?:(?:19|2[0-3])(?:0[48]|[13579][26]|[2468][048])|2000)"
_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_OFFSET = "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
MOMENT = f"^(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)T{_CLOCK}{_OFFSET}$"
"""ISO 8601 with offset. Whatever is of this form is a moment: the description of the interface says all there is."""
_OF_THIS_FORM = re.compile(MOMENT)
LENGTH_MAX = 40

AS_OF = "as_of"
KNOWN_AT = "known_at"
_ASKED = {
    AS_OF: "What was true then. A `+` is written `%2B` in an address. By default now.",
    KNOWN_AT: "By what the ledger knew then. By default by all that it knows.",
    "since": "Only what changed after then: a delta.",
}


def moment_parameter(name: str) -> dict[str, Any]:
    """Return how the interface describes a moment in the address."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": _ASKED[name],
        "schema": {"type": "string", "pattern": MOMENT},
        "example": "2024-03-15T10:00:00+09:00",
    }


def moment_asked(request: Request, name: str) -> datetime | None:
    """Return a moment of the address, None without one. Raises Problem(invalid_request), which repeats nothing."""
    text = asked_once(request, name)
    if text is None:
        return None
    if len(text) <= LENGTH_MAX and _OF_THIS_FORM.fullmatch(text):
        return datetime.fromisoformat(text)
    if len(text) <= LENGTH_MAX and _OF_THIS_FORM.fullmatch(text.replace(" ", "+")):
        raise Problem(Fault.INVALID_REQUEST, f"{name}: a + in an address means a blank; write the offset's + as %2B")
    raise Problem(
        Fault.INVALID_REQUEST, f"{name}: write ISO 8601 with offset, like 2024-03-15T01:00:00Z; a + is written %2B"
    )


def asked_once(request: Request, name: str) -> str | None:
    """Return a value of the address, None without one. Raises Problem(invalid_request) if it is said twice."""
    said = request.query_params.getlist(name)
    if len(said) > 1:
        raise Problem(Fault.INVALID_REQUEST, f"{name} is said more than once")
    return said[0] if said else None
