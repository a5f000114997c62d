"""A sealer that is killed at any step, and run again, has written what an undisturbed one writes, byte for byte."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.seal.folder import SealFolder
from sealbook.adapters.seal.stream_heads import StreamHeads
from tests.adapters.seal.sealing import desk_of, live, published, sealed
from tests.cli.terminal import REPOSITORY

BATCH = 16
# A process that seals by small batches and is killed, by itself, at the n-th step that touches the disk or the table.
# What it says at last is how many such steps there were.
KILLED_AT_STEP = """
import mmap, os, signal, sys
from pathlib import Path
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.seal import stream_heads
from tests.adapters.seal.sealing import ORIGIN, desk_of
from tests.conftest import KEYS
dsn, folder, last, batch = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
steps = 0
def step(before):
    def counted(*given, **named):
        global steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return before(*given, **named)
    return counted
os.fsync = step(os.fsync)
Path.rename = step(Path.rename)
Path.open = step(Path.open)
class Slot(type(stream_heads._SLOT)):
    pack_into = step(type(stream_heads._SLOT).pack_into)
stream_heads._SLOT = Slot(stream_heads._SLOT.format)
store = PostgresEventStore.connect(dsn, keys=KEYS, randomness=os.urandom)
with desk_of(store, folder).sealer(ORIGIN) as sealer:
    while sealer.checkpoint.size < desk_of(store, folder).rows.end():
        assert sealer.seal(limit=batch) is None
print(steps)
"""


def run(dsn: str, folder: Path, *, killed_at: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", KILLED_AT_STEP, dsn, str(folder), str(killed_at), str(BATCH)]
    return subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def steps(ledger_dsn: str, postgres_store: PostgresEventStore, tmp_path: Path) -> int:
    """A ledger to seal, sealed once without a fault into `undisturbed`; how many steps that took."""
    live(postgres_store, credentials=3)
    ran = run(ledger_dsn, tmp_path / "undisturbed", killed_at=0)
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


def test_killed_at_any_step_and_run_again_it_writes_the_same(ledger_dsn: str, tmp_path: Path, steps: int) -> None:
    undisturbed = published(tmp_path / "undisturbed")
    assert steps > 40

    for step in range(1, steps, 5):
        folder = tmp_path / f"killed at {step}"
        killed = run(ledger_dsn, folder, killed_at=step)
        assert killed.returncode == -9, (step, killed.stderr)
        again = run(ledger_dsn, folder, killed_at=0)

        assert again.returncode == 0, (step, again.stderr)
        assert published_whole(folder) == undisturbed, step
        assert heads(folder) == heads(tmp_path / "undisturbed"), step


def test_killed_again_and_again_it_comes_to_the_same_end(ledger_dsn: str, tmp_path: Path, steps: int) -> None:
    folder, killed = tmp_path / "often", 0
    assert steps > 40
    for step in (25, 12, 18, 30, 9, 22, 40, 15) * 3:
        ran = run(ledger_dsn, folder, killed_at=step)
        if ran.returncode == 0:
            break
        assert ran.returncode == -9, ran.stderr
        killed += 1

    assert killed > 1
    last = run(ledger_dsn, folder, killed_at=0)
    assert last.returncode == 0, last.stderr
    assert published_whole(folder) == published(tmp_path / "undisturbed")
    assert heads(folder) == heads(tmp_path / "undisturbed")


def test_what_was_killed_is_as_if_it_had_been_sealed_at_once(
    postgres_store: PostgresEventStore, tmp_path: Path, steps: int
) -> None:
    at_once = sealed(desk_of(postgres_store, tmp_path / "at once"))

    note = SealFolder(tmp_path / "undisturbed").checkpoint()

    assert steps
    assert note is not None
    assert note.text == at_once.checkpoint.text


def published_whole(folder: Path) -> dict[str, bytes]:
    """What is published, without what was begun and has no name yet."""
    return {name: data for name, data in published(folder).items() if not Path(name).name.startswith(".")}


def heads(folder: Path) -> tuple[int, dict[bytes, object]]:
    table = StreamHeads(SealFolder(folder).heads_path)
    found = table.applied, dict[bytes, object](table)
    table.close()
    return found
