"""What is exported is proven by the verifier, which shares no code with what exports it."""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.seal.desk import SealDesk
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.domain.ledger import LEDGER_STREAM
from sealbook_verify.cli import main
from tests.adapters.seal.sealing import CREDENTIALS, credential, live, mapped, sealed

Verdict = Callable[..., tuple[int, dict[str, Any]]]
HELD = credential(0)
PROVEN, DISPROVED, BAD_INPUT, CANNOT_TELL = 0, 1, 2, 3


@pytest.fixture
def verdict(desk: SealDesk, tmp_path: Path) -> Verdict:
    """Write what was exported to files, verify it under the folder's own policy; the exit code and what was said."""

    def ask(verb: str, *contents: bytes | str | Path, more: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
        paths = list[str]()
        for number, content in enumerate(contents):
            path = content if isinstance(content, Path) else tmp_path / f"exported-{number}"
            if not isinstance(content, Path):
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            paths.append(str(path))
        said = StringIO()
        with redirect_stdout(said):
            code = main([verb, *paths, "--policy", str(desk.folder.path / "policy"), "--json", *more])
        return code, cast("dict[str, Any]", json.loads(said.getvalue()))

    return ask


def test_a_history_is_proven_whole(desk: SealDesk, verdict: Verdict) -> None:
    mapped(desk)
    bundle = desk.prover().history(HELD.bytes)

    code, said = verdict("history", bundle.content, more=("--stream", str(HELD)))

    assert (code, bundle.events) == (PROVEN, len(desk.rows.of_stream(HELD.bytes)))
    assert str(bundle.events) in said["says"]


@pytest.mark.parametrize("number", range(CREDENTIALS))
def test_so_is_that_of_every_stream(desk: SealDesk, verdict: Verdict, number: int) -> None:
    mapped(desk)

    assert verdict("history", desk.prover().history(credential(number).bytes).content)[0] == PROVEN


def test_what_came_after_the_map_is_proven_to_be_there(
    desk: SealDesk, postgres_store: PostgresEventStore, verdict: Verdict
) -> None:
    mapped(desk)
    live(postgres_store, seed=1)
    mapped(desk)
    sealed(desk)

    bundle = desk.prover().history(LEDGER_STREAM.bytes)

    assert bundle.events == 2
    assert verdict("history", bundle.content)[0] == PROVEN


def test_what_the_ledger_learned_later_stays_closed(desk: SealDesk, verdict: Verdict) -> None:
    mapped(desk)
    rows = desk.rows.of_stream(HELD.bytes)
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=rows[0].recorded_us)

    bundle = desk.prover().history(HELD.bytes, known_at=moment)
    code, _ = verdict("history", bundle.content)

    events = msgspec.msgpack.decode(bundle.content)[3]
    closed = [isinstance(event[2], int) for event in events]
    assert (code, closed) == (PROVEN, [row.recorded_us > rows[0].recorded_us for row in rows])
    assert all(row.body not in bundle.content for row in rows if row.recorded_us > rows[0].recorded_us)


@pytest.mark.parametrize("missing", [UUID(int=0), UUID(int=2**128 - 1), UUID(int=0xC << 64 | 3 << 8), uuid4()])
def test_that_a_stream_does_not_exist_is_proven(desk: SealDesk, verdict: Verdict, missing: UUID) -> None:
    mapped(desk)

    code, said = verdict("history", desk.prover().history(missing.bytes).content, more=("--stream", str(missing)))

    assert (code, "no " in said["says"]) == (PROVEN, True)


def test_each_event_is_proven_to_be_in_the_log(desk: SealDesk, verdict: Verdict) -> None:
    size = sealed(desk).checkpoint.size

    for position in range(1, size + 1):
        assert verdict("entry", desk.prover().entry(position))[0] == PROVEN


def test_growth_is_proven_from_every_older_checkpoint(
    desk: SealDesk, postgres_store: PostgresEventStore, verdict: Verdict
) -> None:
    notes = list[str]()
    for seed in range(1, 4):
        sealed(desk)
        notes.append(str(desk.folder.checkpoint()))
        live(postgres_store, seed=seed, credentials=1)
    size = sealed(desk).checkpoint.size
    newest = str(desk.folder.checkpoint())

    for note in [*notes, newest]:
        old = int(note.splitlines()[1])
        assert verdict("growth", note, newest, desk.prover().growth(old))[0] == PROVEN
    with pytest.raises(Unavailable, match="no older one"):
        desk.prover().growth(size + 1)


def test_a_full_verification_makes_everything_anew(
    desk: SealDesk, postgres_store: PostgresEventStore, verdict: Verdict, tmp_path: Path
) -> None:
    mapped(desk)
    live(postgres_store, seed=1)
    mapped(desk)
    with (tmp_path / "events").open("wb") as file:
        count = desk.prover().dump(file, lambda _position: None)

    code, _ = verdict("full", desk.folder.path, tmp_path / "events")

    assert (code, count) == (PROVEN, desk.rows.end())


# --- What cannot be exported


def test_nothing_is_exported_before_it_is_sealed(desk: SealDesk) -> None:
    with pytest.raises(Unavailable, match="nothing is sealed yet"):
        desk.prover()
    size = sealed(desk).checkpoint.size
    with pytest.raises(Unavailable, match="the checkpoint covers no map of heads"):
        desk.prover().history(HELD.bytes)
    with pytest.raises(Unavailable, match=f"position {size + 1} is not sealed"):
        desk.prover().entry(size + 1)


def test_a_history_that_was_altered_since_is_not_exported(desk: SealDesk, ledger_dsn: str) -> None:
    mapped(desk)
    position = desk.rows.of_stream(HELD.bytes)[3].position
    with psycopg.connect(ledger_dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE sealbook.events SET body = sha256(body) WHERE position = %s", [position])

    with pytest.raises(LedgerDamaged, match=f"position {position} is not what was sealed there"):
        desk.prover().history(HELD.bytes)


def test_with_a_witness_many_maps_behind_histories_are_still_exported(desk: SealDesk, verdict: Verdict) -> None:
    mapped(desk)
    note = desk.folder.checkpoint()
    assert note is not None
    desk.folder.put_witnessed(note)
    for _ in range(5):
        mapped(desk)

    assert verdict("history", desk.prover().history(HELD.bytes).content)[0] == PROVEN
    assert len(list((desk.folder.path / "maps").iterdir())) == 4
