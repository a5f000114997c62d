"""An import by several processes over a real database: what it makes, what stops it, and what is left of it."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.child_process import Message
from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.eventstore.reach import reach_of
from sealbook.adapters.importing import shared
from sealbook.adapters.importing.shared import SHARED_FROM_LINES, SHARES, import_shared
from sealbook.adapters.importing.task import ImportTask
from sealbook.adapters.importing.worker import Worker
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.application.importing import Advanced, ImportResult, LineError, OtherOptions, Row
from sealbook.application.ports import EventStore, Unavailable
from sealbook.domain.values import Kind
from tests.conftest import KeptKeys

CUSTOMERS = 30
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
Line = dict[str, str]


@pytest.fixture
def postgres_store(ledger_dsn: str, kept_keys: KeptKeys) -> Iterator[PostgresEventStore]:
    """Over keys that another process can have too."""
    with kept_keys.of_ledger(str(conninfo_to_dict(ledger_dsn)["dbname"])) as place:
        keys = Keyring(Keystore(place), FileRoot(kept_keys.key_file))
        store = PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom)
        yield store
        store.close()
        keys.close()


def lives(*, uses: int = 10) -> list[Line]:
    rows = [{"at": at(number), "credential": f"C{number}", "fact": "issued"} for number in range(CUSTOMERS)]
    rows += [
        {"at": at(CUSTOMERS + n), "credential": f"C{n % CUSTOMERS}", "fact": "used"} for n in range(uses * CUSTOMERS)
    ]
    return rows


def at(hours: int) -> str:
    return (BEGIN + timedelta(hours=hours)).isoformat()


def task(path: Path, *rows: Line | str, kind: Kind = Kind.KB_MOBILE_CERTIFICATE) -> ImportTask:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return ImportTask(
        path=path, uses=False, policy=None, kind=kind, reissue=False, now=datetime(2030, 1, 1, tzinfo=UTC)
    )


def unheard(done: int, total: int | None = None) -> None:
    """Nobody watches."""


def run(
    store: PostgresEventStore,
    asked: ImportTask,
    *,
    skip: Callable[[Row, str], None] | None = None,
    advanced: Advanced = unheard,
) -> ImportResult:
    return import_shared(asked, reach_of(store), content=asked.file().content, skip=skip, advanced=advanced)


def alone(store: EventStore, asked: ImportTask) -> ImportResult:
    return asked.job(store, asked.file(), skip=None, advanced=unheard).run()


def test_two_processes_make_of_a_file_what_one_makes(
    postgres_store: PostgresEventStore, memory_store: MemoryEventStore, tmp_path: Path
) -> None:
    asked = task(tmp_path / "facts.jsonl", *lives())
    told: list[tuple[int, int | None]] = []

    def advanced(done: int, total: int | None = None) -> None:
        told.append((done, total))

    result = run(postgres_store, asked, advanced=advanced)

    assert result == alone(memory_store, asked)
    assert result.lines == len(lives())
    assert postgres_store.last_position() == memory_store.last_position()
    assert told[-1] == (len(lives()), len(lives()))
    again = run(postgres_store, asked)
    assert (again.lines, again.resumed_at > 0) == (0, True)


def test_of_several_bad_lines_the_first_is_told_and_nothing_is_written(
    postgres_store: PostgresEventStore, tmp_path: Path
) -> None:
    rows: list[Line | str] = [*lives()]
    rows[40:40] = [{"at": at(2), "credential": f"unknown {n}", "fact": "used"} for n in range(8)]
    rows[200:200] = ["no JSON"]

    with pytest.raises(LineError) as told:
        run(postgres_store, task(tmp_path / "facts.jsonl", *rows))

    assert told.value.number == 41
    assert postgres_store.last_position() == 0


def test_bad_lines_of_every_share_are_set_aside(postgres_store: PostgresEventStore, tmp_path: Path) -> None:
    bad = [{"at": at(2), "credential": f"unknown {n}", "fact": "used"} for n in range(8)]
    aside: dict[int, bytes] = {}

    def skip(row: Row, _reason: str) -> None:
        aside[row.number] = row.text

    result = run(postgres_store, task(tmp_path / "facts.jsonl", *lives(), *bad), skip=skip)

    assert (result.lines, result.skipped) == (len(lives()), len(bad))
    first = len(lives()) + 1
    assert aside == {first + n: json.dumps(row).encode() + b"\n" for n, row in enumerate(bad)}


def test_other_options_are_refused(postgres_store: PostgresEventStore, tmp_path: Path) -> None:
    run(postgres_store, task(tmp_path / "facts.jsonl", *lives()))

    with pytest.raises(OtherOptions):
        run(postgres_store, task(tmp_path / "facts.jsonl", *lives(), kind=Kind.MOBILE_OTP))


def test_a_process_that_is_killed_stops_the_import_which_then_goes_on(
    postgres_store: PostgresEventStore,
    memory_store: MemoryEventStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Several batches a share, so that something is in when one is killed.
    asked = task(tmp_path / "facts.jsonl", *lives(uses=700))
    begun: list[Worker] = []

    class Noted(Worker):
        def tell(self, message: Message) -> None:
            super().tell(message)
            if self not in begun:
                begun.append(self)

    def kill_one(_done: int, total: int | None = None) -> None:
        if total is not None:
            os.kill(begun[1].process.pid, signal.SIGKILL)

    monkeypatch.setattr(shared, "Worker", Noted)
    with pytest.raises(Unavailable, match=r"ended too early \(signal 9\).*run the command again"):
        run(postgres_store, asked, advanced=cast("Advanced", kill_one))

    assert len(begun) == SHARES
    assert all(worker.process.poll() is not None for worker in begun)
    monkeypatch.undo()
    assert run(postgres_store, asked).lines < 701 * CUSTOMERS
    alone(memory_store, asked)
    assert postgres_store.last_position() == memory_store.last_position()


def test_where_a_file_is_shared_does_not_depend_on_the_machine() -> None:
    # An import that was begun by two processes is known by two names; one process would begin it anew.
    assert (SHARES, SHARED_FROM_LINES) == (2, 20_000)
