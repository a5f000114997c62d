"""Log lines: one JSON object a line, on standard error. What may stand in one, `redaction` says.

What other packages log by the standard library comes out the same way. A log that cannot be written stops nothing:
it is no record, the ledger is.
"""

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from types import TracebackType
from typing import TextIO
from uuid import UUID

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from sealbook.adapters.observing.redaction import Fields, redact

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
SILENT = ("uvicorn.access",)
"""They would log paths, and a path holds names. Our own access lines have the route's template."""
THROUGH_ROOT = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
CONSTANT = frozenset(
    {
        "Waiting for application startup.",
        "Application startup complete.",
        "Waiting for application shutdown.",
        "Application shutdown complete.",
        "Application startup failed. Exiting.",
        "Exception in ASGI application",
        "Invalid HTTP request received.",
        "Shutting down",
        "Waiting for connections to close. (CTRL+C to force quit)",
        "Waiting for background tasks to complete. (CTRL+C to force quit)",
        "Exceeded concurrency limit.",
        "ASGI 'lifespan' protocol appears unsupported.",
    }
)
"""Texts of others that are written without arguments. Any other such text may have been put together from values."""
UNCAUGHT = "uncaught error"
_encode = msgspec.json.Encoder().encode


def configure(stream: TextIO, *, level: str = "info", clock: Callable[[], datetime]) -> None:
    """Send every log line of this process to a stream, as redacted JSON, from a level on, one of LEVELS.

    A second call replaces the first. uvicorn must be run with `log_config=None`, or it brings handlers of its own.
    """
    structlog.configure(
        processors=[_stamped(clock), redact, _rendered],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    # A defect in a log call would be printed with its values.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [_Foreign()]
    root.setLevel(LEVELS[level])
    for name in THROUGH_ROOT:
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.setLevel(logging.NOTSET)
        foreign.propagate = True
    for name in SILENT:
        logging.getLogger(name).disabled = True


def catch_uncaught() -> None:
    """Have what nobody catches, in any thread, told as a log line: Python would print messages and source lines."""

    def in_thread(args: threading.ExceptHookArgs) -> None:
        logger("python").critical(UNCAUGHT, error=args.exc_value)

    def in_main(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        logger("python").critical(UNCAUGHT, error=error)

    def in_finalizer(args: "sys.UnraisableHookArgs") -> None:
        logger("python").error(UNCAUGHT, error=args.exc_value)

    sys.excepthook, threading.excepthook, sys.unraisablehook = in_main, in_thread, in_finalizer


def logger(name: str) -> FilteringBoundLogger:
    """Return a logger; `name` is a module's `__name__` or a short word. Make it after `configure`.

    Call it as `log.info("what happened", position=7, error=error)`: the event is a constant text, values are fields.
    Fields whose names `redaction.FIELDS` does not know are told by type and length only.
    """
    made: FilteringBoundLogger = structlog.get_logger().bind(logger=name)
    return made


class AccessLog:
    """One line for each request that was answered, with the route's template: never its path or query.

    `one_in` says of hot routes that only each n-th line is written, 0 meaning none; each says so in its field `one_in`,
    so that counts can be reckoned. A server error is always written; a request that was shed is not one.
    """

    def __init__(self, *, one_in: Mapping[str, int] | None = None) -> None:
        self._log = logger("access")
        self._one_in = one_in or {}
        self._counts = {route: count() for route in self._one_in}

    def __call__(
        self, *, method: str, route: str | None, status: int, seconds: float, code: str | None, request_id: UUID | str
    ) -> None:
        """Write a line; `route` is None where no route was found, `code` the problem's code."""
        fields: dict[str, object] = {
            "method": method,
            "route": route or "/",
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "request_id": request_id,
        }
        if code is not None:
            fields["code"] = code
        one_in = self._one_in.get(route or "", 1)
        if one_in != 1 and (status < 500 or status == 503):
            if not one_in or next(self._counts[route or ""]) % one_in:
                return
            fields["one_in"] = one_in
        if status >= 500 and status != 503:
            self._log.error("request", **fields)
        else:
            self._log.info("request", **fields)


def utc_now() -> datetime:
    return datetime.now(UTC)


class _Lines:
    """What structlog calls at the end: one write a line, so that lines of several processes do not mix."""

    __slots__ = ("_stream",)

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(line)
            self._stream.flush()

    debug = info = warning = error = critical = log = msg


def _stamped(clock: Callable[[], datetime]) -> Callable[[object, str, Fields], Fields]:
    def stamp(_logger: object, method: str, fields: Fields) -> Fields:
        return {"at": clock(), "level": method, **fields}

    return stamp


def _rendered(_logger: object, _method: str, fields: Fields) -> str:
    return _encode(fields).decode() + "\n"


class _Foreign(logging.Handler):
    """Brings what others log into our form.

    A text that comes with arguments is a template, and is shown without them. Another may be made of values.
    """

    def emit(self, record: logging.LogRecord) -> None:
        template = str(record.msg).strip()
        known = bool(record.args) or template in CONSTANT
        error = record.exc_info[1] if record.exc_info else None
        level = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
        given = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
        structlog.get_logger().log(
            level,
            template if known else "a line of another package",
            logger=record.name.lower(),
            where=f"{record.module}:{record.lineno} {record.funcName}",
            **({"args": list(given)} if given else {}),
            **({"error": error} if error is not None else {}),
        )
