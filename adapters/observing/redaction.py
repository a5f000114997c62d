"""What may stand in a log line. The rule is a list of what is allowed, not of what is forbidden.

A field of a known name passes if its value is of the kind that this name has. Everything else is replaced by its
type and length. In what passes as text, whatever looks like a secret or a person is hidden.
"""

import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sized
from datetime import datetime
from types import TracebackType
from typing import Any, cast
from uuid import UUID

from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable
from sealbook.domain.errors import Refused

HIDDEN = "<hidden>"
TEXT_LENGTH_MAX = 300
FRAMES_MAX = 12
CAUSES_MAX = 4
HARMLESS = (Refused, Unavailable, OutcomeUnknown, LedgerDamaged)
"""Errors of ours whose messages hold no personal data; of any other, the type alone is told."""
PACKAGE = "sealbook"
Fields = MutableMapping[str, Any]
Kind = Callable[[Any], object]
"""What is shown of a field's value."""

_SECRET = re.compile(
    r"""
    (?P<kept>
        \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b         # a stream, a command, a request
      | \b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9:.]+(?:Z|[+-][0-9:]+)?  # a moment; a day alone may be a birthday
    )
  | -----BEGIN\ [^-]*-----.*?(?:-----END\ [^-]*-----|\Z)               # PEM
  | \botpauth(?:-migration)?://\S*
  | (?-i:\bey[JK])[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*               # JWT, JWE
  | \bwhs(?:ec|k)_\S+ | \bwhpk_\S+
  | \bBearer\s+\S+
  | \b[\w+.-]+://[^\s/@]*:[^\s@]*@\S*                                  # a URL with a password in it
  | \b(?:\w*password|passwd|pwd|pin|secret|token|passphrase)\s*[=:]\s*(?:'(?:\\.|[^'])*'|"[^"]*"|\S+)
  | [^\s@<>'"(]+@[^\s@<>'")]+\.\w+                                     # an e-mail address
  | [A-Za-z0-9+/_-]{40,}={0,2}                                         # base64 and hex of 20 bytes and more
  | (?-i:\b[A-Z2-7]{16,}=*)                                            # base32: a seed
  | (?<![\w.])\+?[0-9][0-9\ -]{4,}[0-9](?!\w|\.[0-9])                  # a code, a number of a person, card or phone
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORD = re.compile(r"[a-z]{1,24}[0-9]{0,3}(?:[._:-](?:[a-z]{1,24}[0-9]{0,3}|[0-9]{1,3}))*")
"""Short words with few digits: no id, code or key is written so."""
_ROUTE = re.compile(r"(?:/(?:[a-z._-]{0,40}[0-9]{0,2}|\{[a-z_:]+\})(?::[a-z-]+)?)+")
_METHOD = re.compile(r"[A-Z]{3,7}")
_SMALL = 100_000
"""What is below has too few digits to be a code or somebody's number."""


def masked(text: str) -> str:
    """Return a text in which nothing is left that looks like a secret or a person, on one line and not long."""
    if len(text) > TEXT_LENGTH_MAX:
        # Cut before it is read through, with room for what stands across the cut.
        text = text[: 2 * TEXT_LENGTH_MAX]
    shown = _SECRET.sub(_hidden_unless_kept, text)
    return " ".join(shown.split())[:TEXT_LENGTH_MAX]


def _hidden_unless_kept(found: re.Match[str]) -> str:
    return found[0] if found.lastgroup == "kept" else HIDDEN


def concealed(value: object) -> object:
    """Return what may be told of any value: its type, and its length where it has one."""
    if value is None or isinstance(value, bool):
        return value
    name = type(value).__name__
    return f"<{name} {len(value)}>" if isinstance(value, Sized) else f"<{name}>"


def _matching(pattern: re.Pattern[str]) -> Kind:
    def kind(value: Any) -> object:  # noqa: ANN401 (whatever was given)
        return value if isinstance(value, str) and pattern.fullmatch(value) else concealed(value)

    return kind


word, route, method = _matching(_WORD), _matching(_ROUTE), _matching(_METHOD)


def number(value: Any) -> object:  # noqa: ANN401 (whatever was given)
    return value if type(value) is int or type(value) is float else concealed(value)


def identifier(value: Any) -> object:  # noqa: ANN401 (whatever was given)
    if isinstance(value, UUID):
        return str(value)
    return value if isinstance(value, str) and _UUID.fullmatch(value) else concealed(value)


def text(value: Any) -> object:  # noqa: ANN401 (whatever was given)
    if not isinstance(value, str):
        return concealed(value)
    # Most texts are a word, which needs no reading through.
    return value if _WORD.fullmatch(value) else masked(value)


def moment(value: Any) -> object:  # noqa: ANN401 (whatever was given)
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else concealed(value)


def arguments(value: Any) -> object:  # noqa: ANN401 (whatever was given)
    """Return of what a foreign line was made with the small numbers, and of the rest the types."""
    return [each if type(each) is int and abs(each) < _SMALL else concealed(each) for each in value]


FIELDS: Mapping[str, Kind] = {
    **dict.fromkeys(("at",), moment),
    **dict.fromkeys(("event", "where", "actor"), text),
    **dict.fromkeys(("level", "logger", "code", "channel", "worker", "projection", "endpoint", "signal", "why"), word),
    **dict.fromkeys(("request_id", "command_id", "stream", "credential", "customer", "device", "job"), identifier),
    **dict.fromkeys(("status", "duration_ms", "seconds", "retry_after_seconds", "position", "version"), number),
    **dict.fromkeys(("count", "size", "waiting", "attempt", "one_in", "process", "port", "exit_code"), number),
    "method": method,
    "route": route,
    "args": arguments,
}
"""The fields that pass, and what their values must be. docs/observing.md says what each means."""


def redact(_logger: object, _method: str, fields: Fields) -> Fields:
    """Return a line's fields as they may be written: what is not known is concealed, errors as `told` tells them."""
    error = _error(fields.pop("exc_info", None)) or _error(fields.get("error"))
    shown: dict[str, Any] = {
        name: kind(value) if (kind := FIELDS.get(name)) is not None else concealed(value)
        for name, value in fields.items()
    }
    if error is not None:
        shown["error"] = told(error)
    return shown


def told(error: BaseException, *, causes: int = CAUSES_MAX) -> dict[str, object]:
    """Return what may be told of an error: its type, our own frames, where it was raised, and the same of its cause.

    No message, unless the error is one of ours that hold no personal data; never a local variable.
    """
    kind = type(error)
    said: dict[str, object] = {"type": f"{kind.__module__}.{kind.__qualname__}"}
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        said["sqlstate"] = sqlstate
    if isinstance(error, HARMLESS):
        said["message"] = masked(str(error))
    frames, raised_in = _frames(error.__traceback__)
    if frames:
        said["frames"] = frames
    if raised_in is not None:
        said["raised_in"] = raised_in
    if causes and isinstance(error, BaseExceptionGroup):
        among = cast("tuple[BaseException, ...]", error.exceptions)  # pyright: ignore[reportUnknownMemberType]
        said["among"] = [told(each, causes=causes - 1) for each in among[:CAUSES_MAX]]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if causes and cause is not None:
        said["cause"] = told(cause, causes=causes - 1)
    return said


def _frames(trace: TracebackType | None) -> tuple[list[str], str | None]:
    """Return our own frames, the innermost last, and the foreign one in which the error was raised, if it was."""
    ours, place, is_ours = list[str](), None, True
    while trace is not None:
        frame = trace.tb_frame
        module = str(frame.f_globals.get("__name__", "?"))
        place = f"{module}:{trace.tb_lineno} {frame.f_code.co_name}"
        is_ours = module.split(".", 1)[0] == PACKAGE
        if is_ours:
            ours.append(place)
        trace = trace.tb_next
    return ours[-FRAMES_MAX:], None if is_ours else place


def _error(given: object) -> BaseException | None:
    """Return the error that a line was given, in any of the forms that logging knows."""
    if given is None:
        return None
    if isinstance(given, tuple):
        given = cast("tuple[object, ...]", given)[1]
    if given is True:
        given = sys.exc_info()[1]
    return given if isinstance(given, BaseException) else None
