"""How fast other policies are replayed over a snapshot on disk, decoding included, and how near to the truth.

Each engine beside what one would take instead, in turns: the eventsourcing library's aggregates, and DuckDB.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure
from benchmarks.plain_replay import DuckDb, PlainLibrary
from benchmarks.plan import Plan
from benchmarks.synthetic_bank import Bank
from benchmarks.what_if_lives import Terms
from benchmarks.what_if_process import ENGINES, GRID, engine_named, replay, totals
from benchmarks.what_if_snapshot import write_snapshot
from benchmarks.what_if_truth import IN_FORCE, judged
from sealbook.adapters.replay.contract import Engine, Partition
from sealbook.adapters.replay.plan import Asked
from sealbook.adapters.replay.running import Run
from sealbook.adapters.replay.selecting import taken
from sealbook.adapters.replay.snapshot import Snapshot, opened

FEW, MANY = 70, 950
"""Uses a chain over five years: of a customer now and then, and of one every other day."""
LIBRARY_CHAINS, DUCKDB_CHAINS, START_CHAINS = 1_000, 50_000, 1_000
TRUTH_SHARE, TRUTH_CHAINS_MIN = 0.4, 2_000
"""What is judged by the truth has this share of the chains; without a lock-out there is nothing to judge."""
RIVAL_TERMS = (IN_FORCE, Terms(validity_months=12, eligible_months=6))
UNIT = "chain-policies/s"
LIBRARY, DUCKDB = "the eventsourcing library's aggregates", "DuckDB list_reduce"
Rates = defaultdict[str, list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    few: Path
    many: Path
    start: Path

    @classmethod
    def written(cls, folder: Path, *, chains: int) -> "Snapshots":
        """Write snapshots: one of so many chains, one of as many uses by fewer chains, and a small one."""
        made = cls(few=folder / "few.parquet", many=folder / "many.parquet", start=folder / "start.parquet")
        write_snapshot(made.few, Bank(chains=chains, uses_a_chain=FEW, seed=0), IN_FORCE)
        of_many = max(1, chains * FEW // MANY)
        write_snapshot(made.many, Bank(chains=of_many, uses_a_chain=MANY, seed=0), IN_FORCE)
        write_snapshot(made.start, Bank(chains=min(chains, START_CHAINS), uses_a_chain=FEW, seed=0), IN_FORCE)
        return made


def run(plan: Plan) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        snapshots = Snapshots.written(Path(folder), chains=plan.size)
        yield from _speed(snapshots, rounds=plan.rounds)
        yield from _memory(snapshots, rounds=plan.rounds)
        yield from _starts(snapshots, Path(folder), rounds=plan.rounds)
    yield from _truth(max(TRUTH_CHAINS_MIN, int(plan.size * TRUTH_SHARE)), rounds=plan.rounds)


def _speed(snapshots: Snapshots, *, rounds: int) -> Iterator[Figure]:
    few, many, small = opened(snapshots.few), opened(snapshots.many), opened(snapshots.start)
    engines = [engine_named(name) for name in ENGINES]
    rivals = _Rivals(few)
    for engine in engines:
        # The first replay compiles.
        _rate_of_run(small, engine)
        rivals.check(engine)
    rates = Rates(list)
    for _ in range(rounds):
        for name, rate in rivals.rates():
            rates[name].append(rate)
        for engine in engines:
            rates[f"{engine.name}, {FEW}"].append(_rate(few, engine))
            rates[f"{engine.name}, {MANY}"].append(_rate(many, engine))
            rates[f"run, {engine.name}"].append(_rate_of_run(few, engine))
    for name in ENGINES:
        case = f"{name} engine, {len(GRID)} policies"
        for against in (LIBRARY, DUCKDB):
            yield _figure(f"{case}, {FEW} uses a chain", UNIT, rates[f"{name}, {FEW}"], against, rates[against])
        against = "the engine alone"
        yield _figure(
            f"{case}, a run with all its figures", UNIT, rates[f"run, {name}"], against, rates[f"{name}, {FEW}"]
        )
        against = f"it with {FEW} uses a chain"
        yield _figure(f"{case}, {MANY} uses a chain", UNIT, rates[f"{name}, {MANY}"], against, rates[f"{name}, {FEW}"])


def _rate(snapshot: Snapshot, engine: Engine) -> float:
    begun = time.perf_counter()
    replay(snapshot, engine, GRID)
    return snapshot.chains * len(GRID) / (time.perf_counter() - begun)


def _rate_of_run(snapshot: Snapshot, engine: Engine) -> float:
    """Replay with groups, months, bounds and the self-check, as an analyst does."""
    asked = Asked(policies={each.label: each.policy for each in GRID}, engine=engine.name)
    begun = time.perf_counter()
    Run(snapshot, asked, version="").report()
    return snapshot.chains * len(GRID) / (time.perf_counter() - begun)


class _Rivals:
    """The rivals, each with some chains of a snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._logs = {LIBRARY: _first(snapshot, LIBRARY_CHAINS), DUCKDB: _first(snapshot, DUCKDB_CHAINS)}
        self._rivals: dict[str, PlainLibrary | DuckDb] = {
            LIBRARY: PlainLibrary(self._logs[LIBRARY]),
            DUCKDB: DuckDb(self._logs[DUCKDB]),
        }

    def check(self, engine: Engine) -> None:
        """Raise RuntimeError unless all come to the same as an engine does."""
        for name, rival in self._rivals.items():
            found = [rival.replay(terms) for terms in RIVAL_TERMS]
            if found != (expected := totals(engine, self._logs[name], RIVAL_TERMS)):
                raise RuntimeError(f"{name} came to {found}, the {engine.name} engine to {expected}")

    def rates(self) -> Iterator[tuple[str, float]]:
        for name, rival in self._rivals.items():
            begun = time.perf_counter()
            for terms in RIVAL_TERMS:
                rival.replay(terms)
            yield name, self._logs[name].chains * len(RIVAL_TERMS) / (time.perf_counter() - begun)


def _first(snapshot: Snapshot, chains: int) -> Partition:
    """Return so many chains, or those of the first partition if that has fewer."""
    whole = snapshot.read(0, attempts=True, days=True)
    return taken(whole, np.arange(min(chains, whole.chains)))


def _memory(snapshots: Snapshots, *, rounds: int) -> Iterator[Figure]:
    peaks = Rates(list)
    for _ in range(rounds):
        peaks["opened"].append(_process(snapshots.many, ENGINES[0], policies=0).peak_mib)
        for engine in ENGINES:
            peaks[engine].append(_process(snapshots.many, engine, policies=len(GRID)).peak_mib)
    for engine in ENGINES:
        case = f"{engine} engine, memory, {MANY} uses a chain"
        yield _figure(case, "MiB", peaks[engine], "opening the snapshot", peaks["opened"])


def _starts(snapshots: Snapshots, folder: Path, *, rounds: int) -> Iterator[Figure]:
    # The bitmap engine alone: it compiles the kernels of both.
    seconds = Rates(list)
    for number in range(rounds):
        kept = folder / f"kept-{number}"
        for start in ("first", "later"):
            seconds[start].append(_process(snapshots.start, "bitmap", policies=1, kept=kept).seconds)
        seconds["opened"].append(_process(snapshots.start, "bitmap", policies=0).seconds)
    for start in ("first", "later"):
        case = f"bitmap engine, 1 policy, the {start} start to its end"
        yield _figure(case, "s", seconds[start], "opening the snapshot", seconds["opened"])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    seconds: float
    peak_mib: float


def _process(snapshot: Path, engine: str, *, policies: int, kept: Path | None = None) -> _Process:
    """Replay in a process of its own, which keeps its machine code in a folder; the first time there is none yet."""
    command = [sys.executable, "-m", "benchmarks.what_if_process", str(snapshot), engine, str(policies)]
    environment = os.environ | ({} if kept is None else {"NUMBA_CACHE_DIR": str(kept)})
    begun = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return _Process(seconds=time.perf_counter() - begun, peak_mib=float(done.stdout))


def _truth(chains: int, *, rounds: int) -> Iterator[Figure]:
    # Chance has no part in a replay: one seed of the bank is a round.
    found = [judged(Bank(chains=chains, uses_a_chain=FEW, seed=seed)) for seed in range(rounds)]
    for of_policy in zip(*found, strict=True):
        for metric in ("lockouts", "renewals"):
            yield _figure(
                f"{of_policy[0].label}: {metric}, as fitted, {chains:,} chains",
                "in all",
                [each.said[metric].shown for each in of_policy],
                "the truth",
                [each.truth[metric] for each in of_policy],
            )


def _figure(case: str, unit: str, rounds: Sequence[float], against: str, against_rounds: Sequence[float]) -> Figure:
    return Figure(
        bench="whatif",
        case=case,
        unit=unit,
        rounds=tuple(rounds),
        against=against,
        against_rounds=tuple(against_rounds),
    )
