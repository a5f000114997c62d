"""The seal: events a second into tiles, what it costs a writer, a full verification, the proof of one history."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from benchmarks.callers import Place
from benchmarks.figure import Figure
from benchmarks.filling import EVENTS_A_HOLDING, SALT_BYTES, filled
from benchmarks.ledger import bench
from benchmarks.plan import Plan
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.seal.desk import SealDesk, file_signer
from sealbook.adapters.seal.folder import SealFolder
from sealbook.adapters.seal.leaves import NO_LEAF
from sealbook.adapters.seal.merkle import root_of
from sealbook.adapters.seal.rows import LedgerRows, StoredRow, leaf_of

T = TypeVar("T")
VERIFY = Path(__file__).resolve().parents[1] / "verify"
ROWS_MEASURED = 100_000
HISTORIES = 50
HASHING = "the same leaves and their tree, from memory"
COMMITTED = "SHA-256 of the same bytes"
READ = "reading its rows"


def run(plan: Plan) -> Iterator[Figure]:
    taken = defaultdict[str, list[float]](list)
    with bench() as server, server.store("seal") as store, tempfile.TemporaryDirectory() as folder:
        held = filled(Place(dsn=server.dsn("seal"), keys=store.keys), plan.size)
        for number in range(plan.rounds):
            desk = _desk(store, Path(folder) / f"seal-{number}")
            _seal(desk, taken)
            _cost_a_writer(store, taken)
            _histories(desk, [each.bytes for each in held[:: max(1, len(held) // HISTORIES)]], taken)
            _verified(desk, Path(folder) / "events", taken)
            shutil.rmtree(desk.folder.path)
    millions = f"{plan.size * EVENTS_A_HOLDING / 1e6:.1f} million events"
    yield _figure("from PostgreSQL to fsynced tiles", "events/s", taken, "sealed", HASHING, "hashed")
    yield _figure("map of heads", "streams/s", taken, "mapped", HASHING, "hashed")
    yield _figure("salt and MAC", "us of CPU", taken, "salt and MAC", COMMITTED, "committed")
    yield _figure("export of one history", "ms", taken, "history", READ, "read")
    yield _figure(f"full verification, {millions}", "s", taken, "verified", "sha256sum of the same dump", "summed")


def _desk(store: PostgresEventStore, folder: Path) -> SealDesk:
    rows = LedgerRows(store.connection)
    return SealDesk(folder=SealFolder(folder), store=store, rows=rows, keys=store.keys, signer=file_signer(folder))


def _seal(desk: SealDesk, taken: dict[str, list[float]]) -> None:
    with desk.sealer() as sealer:
        seconds, sealed = _timed(lambda: desk.seal(sealer))
        taken["sealed"].append(sealed.events / seconds)
        seconds, streams = _timed(lambda: desk.map_heads(sealer, at=datetime.now(UTC)))
        taken["mapped"].append(streams / seconds)
    rows = desk.rows.after(0, ROWS_MEASURED)
    seconds, _ = _timed(lambda: _hashed(rows))
    taken["hashed"].append(len(rows) / seconds)


def _hashed(rows: Sequence[StoredRow]) -> bytes:
    return root_of([leaf_of(row, previous=NO_LEAF).hash for row in rows])


def _cost_a_writer(store: PostgresEventStore, taken: dict[str, list[float]]) -> None:
    rows = LedgerRows(store.connection).after(0, ROWS_MEASURED)
    mac = store.keys.mac

    def made() -> None:
        salts = os.urandom(SALT_BYTES * len(rows))
        for number, row in enumerate(rows):
            salt = salts[SALT_BYTES * number : SALT_BYTES * (number + 1)]
            mac(book=0, stream=row.stream, version=row.version, salt=salt, body=row.body)

    def committed() -> None:
        for row in rows:
            sha256(row.salt + row.body).digest()

    for name, work in (("salt and MAC", made), ("committed", committed)):
        begun = time.process_time()
        work()
        taken[name].append((time.process_time() - begun) / len(rows) * 1e6)


def _histories(desk: SealDesk, streams: Sequence[bytes], taken: dict[str, list[float]]) -> None:
    seconds, _ = _timed(lambda: [desk.prover().history(each) for each in streams])
    taken["history"].append(seconds / len(streams) * 1e3)
    seconds, _ = _timed(lambda: [desk.rows.of_stream(each) for each in streams])
    taken["read"].append(seconds / len(streams) * 1e3)


def _verified(desk: SealDesk, dump: Path, taken: dict[str, list[float]]) -> None:
    with dump.open("wb") as file:
        desk.prover().dump(file, lambda _position: None)
    words = [sys.executable, "-m", "sealbook_verify", "full", str(desk.folder.path), str(dump)]
    words += ["--policy", str(desk.folder.path / "policy")]
    taken["verified"].append(_timed(lambda: _ran(words))[0])
    taken["summed"].append(_timed(lambda: _ran(["sha256sum", str(dump)]))[0])


def _ran(words: Sequence[str]) -> None:
    subprocess.run(words, env={**os.environ, "PYTHONPATH": str(VERIFY)}, stdout=subprocess.DEVNULL, check=True)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def _figure(case: str, unit: str, taken: dict[str, list[float]], name: str, against: str, rival: str) -> Figure:
    return Figure(
        bench="seal",
        case=case,
        unit=unit,
        rounds=tuple(taken[name]),
        against=against,
        against_rounds=tuple(taken[rival]),
    )
