"""Log lines: what passes, what is concealed, and that what others log comes out the same way."""

import json
import logging
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.observing import logs
from sealbook.adapters.observing.redaction import FIELDS, HIDDEN, TEXT_LENGTH_MAX, masked
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.errors import Refusal, Refused

NOW = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
ID = UUID("018f3c6e-7b1a-7c22-9d10-5f0a6c1b2d3e")
SECRETS = {
    "a provisioning URI": "otpauth://totp/Bank:hong?secret=JBSWY3DPEHPK3PXP&issuer=Bank",
    "a seed": "JBSWY3DPEHPK3PXPJBSWY3DP",
    "a token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJob25nIn0.c2ln",
    "a header": "Bearer abc.def",
    "a webhook's secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "a key": "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----",
    "half a key": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEI",
    "base64": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
    "hex": "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
    "a code of six": "123456",
    "a code of eight": "12345678",
    "a person's number": "850101-1234567",
    "a phone": "+82 10-1234-5678",
    "a URL with a password": "postgresql://service:geheim@db/bank",
    "a DSN with a password": "password=geheim",
    "a DSN with a quoted password": "password='ge heim'",
    "an address": "hong@example.com",
    "a birthday": "1985-01-01",
}


class Lines:
    def __init__(self) -> None:
        self.stream = StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def one(self) -> dict[str, Any]:
        (line,) = self.all
        return line


@contextmanager
def unchanged_logging() -> Generator[None]:
    """What `configure` changes of the process is as before afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.raiseExceptions)
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    try:
        yield
    finally:
        root.handlers[:], level, logging.raiseExceptions = before
        root.setLevel(level)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        for name in logs.SILENT:
            logging.getLogger(name).disabled = False


@pytest.fixture
def lines() -> Iterator[Lines]:
    found = Lines()
    with unchanged_logging():
        logs.configure(found.stream, level="info", clock=lambda: NOW)
        yield found


def test_known_fields_pass(lines: Lines) -> None:
    logs.logger("sealbook.adapters.http").info(
        "request answered",
        request_id=ID,
        stream=str(ID),
        route="/v1/credentials/{id}/uses:batch",
        method="POST",
        status=403,
        code="bad_proof",
        duration_ms=1.25,
        position=123456789,
        actor="officer-7",
        worker="http_1",
        count=3,
    )

    assert lines.one == {
        "at": "2027-03-01T09:30:00.000+00:00",
        "level": "info",
        "logger": "sealbook.adapters.http",
        "event": "request answered",
        "request_id": str(ID),
        "stream": str(ID),
        "route": "/v1/credentials/{id}/uses:batch",
        "method": "POST",
        "status": 403,
        "code": "bad_proof",
        "duration_ms": 1.25,
        "position": 123456789,
        "actor": "officer-7",
        "worker": "http_1",
        "count": 3,
    }


def test_a_field_that_is_not_known_is_told_by_type_and_length(lines: Lines) -> None:
    logs.logger("x").info(
        "e", name="Hong Gildong", seed=b"0123456789", pin=123456, body={"a": "b"}, proof=["x", "y"], none=None, yes=True
    )

    assert {name: lines.one[name] for name in ("name", "seed", "pin", "body", "proof", "none", "yes")} == {
        "name": "<str 12>",
        "seed": "<bytes 10>",
        "pin": "<int>",
        "body": "<dict 1>",
        "proof": "<list 2>",
        "none": None,
        "yes": True,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("route", f"/v1/credentials/{ID}/uses"),
        ("route", "/v1/customers/850101-1234567"),
        ("code", "123456"),
        ("code", 123456),
        ("worker", "a94a8fe5ccb19ba61c4c0873d391e98"),
        ("channel", "Hong Gildong"),
        ("method", "GET /v1/customers/Hong"),
        ("status", "123456"),
        ("stream", "Hong Gildong"),
        ("position", "850101"),
        ("at", "850101"),
        ("event", b"123456"),
    ],
)
def test_a_known_field_of_another_kind_is_concealed(lines: Lines, field: str, value: object) -> None:
    event = value if field == "event" else "e"
    logs.logger("x").info(event, **({} if field == "event" else {field: value}))  # type: ignore[arg-type]  # on purpose

    assert str(lines.one[field]).startswith("<")
    assert str(value) not in lines.text


@pytest.mark.parametrize("what", SECRETS)
@pytest.mark.parametrize("field", ["event", "actor", "where"])
def test_what_looks_like_a_secret_is_hidden_in_what_passes(lines: Lines, field: str, what: str) -> None:
    text = f"before {SECRETS[what]} after"
    logs.logger("x").info(text if field == "event" else "e", **({} if field == "event" else {field: text}))

    secret = SECRETS[what].removeprefix("Bearer ").removeprefix("password=")
    assert secret.split("\n")[-1] not in lines.text
    assert secret.split("\n")[0].strip("-") not in lines.text
    assert HIDDEN in lines.one[field]
    assert lines.one[field].startswith("before ")


def test_an_id_and_a_moment_are_no_secrets() -> None:
    text = f"stream {ID} at 2027-03-01T09:30:00+09:00 is position 12345 of resynchronization"
    assert masked(text) == text


def test_a_long_text_is_cut_and_stays_one_line() -> None:
    assert len(masked("word " * 10_000)) == TEXT_LENGTH_MAX
    assert masked("a\r\nb\x00\tc") == "a b\x00 c"


def test_a_secret_that_stands_across_the_cut_is_hidden() -> None:
    shown = masked("x " * (TEXT_LENGTH_MAX // 2 - 4) + "whsec_" + "geheim" * 100)
    assert "geheim" not in shown


def test_each_line_is_one_write_of_one_line(lines: Lines) -> None:
    logs.logger("x").info("first\nsecond")
    assert lines.text.count("\n") == 1


# --- Errors


def raised(error: Exception) -> Exception:
    """The error, with a traceback."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def test_an_error_is_told_without_its_message(lines: Lines) -> None:
    seed = "geheim"
    try:
        try:
            int(f"not {seed}")
        except ValueError as cause:
            raise KeyError(seed) from cause
    except KeyError:
        logs.logger("x").exception("failed")

    error = lines.one["error"]
    assert (error["type"], error["cause"]["type"]) == ("builtins.KeyError", "builtins.ValueError")
    assert "message" not in error
    assert "geheim" not in lines.text


def test_our_own_frames_are_told_and_where_it_was_raised(lines: Lines) -> None:
    error = raised_inside()
    logs.logger("x").error("failed", error=error)

    told = lines.one["error"]
    assert told["frames"][-1].startswith("sealbook.adapters.eventstore.postgres:")
    assert told["frames"][-1].endswith(" connected")
    assert told["type"] == "sealbook.application.ports.Unavailable"
    assert told["cause"]["raised_in"].startswith("psycopg.")


def raised_inside() -> BaseException:
    from sealbook.adapters.eventstore.postgres import connected

    with pytest.raises(Unavailable) as caught:
        connected("host=/nowhere-at-all dbname=bank password=geheim")
    return caught.value


def test_what_the_database_said_is_told_by_its_code(lines: Lines) -> None:
    logs.logger("x").error("failed", error=psycopg.errors.UniqueViolation("Key (name)=(Hong Gildong) already exists"))

    assert lines.one["error"] == {"type": "psycopg.errors.UniqueViolation", "sqlstate": "23505"}


@pytest.mark.parametrize(
    "error", [Refused(Refusal.REPLAY, "said"), Unavailable("said"), LedgerDamaged("said at password=geheim")]
)
def test_our_own_errors_say_what_they_say(lines: Lines, error: Exception) -> None:
    logs.logger("x").error("failed", error=error)

    assert lines.one["error"]["message"].startswith("said")
    assert "geheim" not in lines.text


def test_errors_of_a_group_are_told_each(lines: Lines) -> None:
    logs.logger("x").error("failed", error=ExceptionGroup("geheim", [ValueError("geheim"), Unavailable("said")]))

    told = lines.one["error"]
    assert [each["type"] for each in told["among"]] == ["builtins.ValueError", "sealbook.application.ports.Unavailable"]
    assert "geheim" not in lines.text


def test_what_is_no_error_is_concealed(lines: Lines) -> None:
    logs.logger("x").error("failed", error="geheim", exc_info=True)

    assert lines.one["error"] == "<str 6>"


def test_what_nobody_catches_is_told_as_a_line(lines: Lines) -> None:
    logs.catch_uncaught()
    error = raised(ValueError("geheim"))

    sys.excepthook(ValueError, error, None)
    thread = threading.Thread(target=lambda: int("geheim"))
    thread.start()
    thread.join()
    sys.unraisablehook(_Unraisable(error))  # type: ignore[arg-type]  # a plain object stands for the interpreter's

    assert [(line["event"], line["error"]["type"]) for line in lines.all] == [
        (logs.UNCAUGHT, "builtins.ValueError")
    ] * 3
    assert "geheim" not in lines.text


class _Unraisable:
    def __init__(self, error: BaseException) -> None:
        self.exc_value, self.exc_type, self.exc_traceback, self.err_msg, self.object = error, type(error), None, "", 1


# --- What others log


def test_a_foreign_template_passes_and_its_values_do_not(lines: Lines) -> None:
    logging.getLogger("psycopg.pool").warning("error connecting in %r: %s (%d)", "pool-1", "password=geheim", 54321)

    line = lines.one
    assert (line["event"], line["level"], line["logger"]) == (
        "error connecting in %r: %s (%d)",
        "warning",
        "psycopg.pool",
    )
    assert line["args"] == ["<str 6>", "<str 15>", 54321]
    assert line["where"].startswith("test_logs:")
    assert "geheim" not in lines.text


def test_a_foreign_text_without_arguments_may_hold_values(lines: Lines) -> None:
    logging.getLogger("asyncio").error("Task exception was never retrieved: geheim", exc_info=raised(ValueError("x")))
    logging.getLogger("asyncio").error("Application startup complete.")

    first, second = lines.all
    assert (first["event"], first["error"]["type"]) == ("a line of another package", "builtins.ValueError")
    assert second["event"] == "Application startup complete."
    assert "geheim" not in lines.text


def test_foreign_arguments_by_name_are_concealed(lines: Lines) -> None:
    logging.getLogger("x").warning("%(who)s failed", {"who": "geheim"})
    assert lines.one["args"] == ["<str 6>"]


def test_the_log_of_paths_is_off(lines: Lines) -> None:
    logging.getLogger("uvicorn.access").info('%s - "%s"', "127.0.0.1", "GET /v1/customers/Hong")
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 4321)

    assert [line["event"] for line in lines.all] == ["Started server process [%d]"]


def test_a_level_below_is_not_written(lines: Lines) -> None:
    logs.configure(lines.stream, level="warning", clock=lambda: NOW)
    logs.logger("x").info("e")
    logging.getLogger("y").info("e %d", 1)
    logs.AccessLog()(method="GET", route="/livez", status=200, seconds=0.1, code=None, request_id=ID)
    assert lines.text == ""


def test_a_log_that_cannot_be_written_stops_nothing(lines: Lines) -> None:
    lines.stream.close()
    logs.logger("x").info("e")


# --- Access lines


def test_an_access_line_has_the_template_and_no_path(lines: Lines) -> None:
    logs.AccessLog()(
        method="POST", route="/v1/credentials/{id}/uses", status=409, seconds=0.00123, code="replay", request_id=ID
    )
    logs.AccessLog()(method="GET", route=None, status=404, seconds=0.001, code=None, request_id=str(ID))

    first, second = lines.all
    assert {name: first[name] for name in ("event", "method", "route", "status", "duration_ms", "code")} == {
        "event": "request",
        "method": "POST",
        "route": "/v1/credentials/{id}/uses",
        "status": 409,
        "duration_ms": 1.23,
        "code": "replay",
    }
    assert (second["route"], "code" in second) == ("/", False)


@pytest.mark.parametrize(("one_in", "status", "written"), [(1, 200, 10), (5, 200, 2), (0, 200, 0), (5, 503, 2)])
def test_a_hot_route_is_sampled(lines: Lines, one_in: int, status: int, written: int) -> None:
    log = logs.AccessLog(one_in={"/hot": one_in})
    for _ in range(10):
        log(method="POST", route="/hot", status=status, seconds=0.1, code=None, request_id=ID)

    assert len(lines.all) == written
    assert all(line.get("one_in", 1) == one_in for line in lines.all)


def test_a_server_error_is_always_written(lines: Lines) -> None:
    log = logs.AccessLog(one_in={"/hot": 0})
    log(method="POST", route="/hot", status=500, seconds=0.1, code="internal", request_id=ID)
    assert lines.one["level"] == "error"


def test_every_field_that_passes_is_in_the_document() -> None:
    from tests.test_docs import ROOT, rows

    text = (ROOT / "docs" / "observing.md").read_text(encoding="utf-8")
    described = [name for row in rows(text, "field") for name in row.words("field")]
    assert sorted(described) == sorted([*FIELDS, "error"])
