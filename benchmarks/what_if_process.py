"""`python -m benchmarks.what_if_process SNAPSHOT ENGINE POLICIES`: replay a snapshot in a process of its own.

Prints the most memory, in MiB, that the process held. Without policies it only opens the snapshot.
"""

import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.what_if_lives import Terms
from benchmarks.what_if_truth import question
from sealbook.adapters.replay.bitmap import BitmapEngine
from sealbook.adapters.replay.contract import Behavior, Engine, Mode, Partition
from sealbook.adapters.replay.csr import CsrEngine
from sealbook.adapters.replay.snapshot import Snapshot, opened

ENGINES = ("bitmap", "csr")
KIB_A_MIB = 1024
GRID = tuple(
    Terms(validity_months=validity, eligible_months=eligible, grace_days=grace)
    for grace, validity, eligible in product((0, 90), range(12, 61, 6), range(3, 19, 3))
)
"""What an analyst sweeps, `validity=P1Y:P5Y:P6M,eligible_after=P3M:P18M:P3M`, without grace and with: 108 policies."""
RETURN = Behavior(mode=Mode.RETURN)
Totals = tuple[int, ...]
"""Renewals, lock-outs, reissues, valid days, exposed days."""


def engine_named(name: str) -> Engine:
    return BitmapEngine() if name == "bitmap" else CsrEngine()


def totals(engine: Engine, partition: Partition, terms: Sequence[Terms]) -> list[Totals]:
    """Return what becomes of chains under each policy, all returning at once."""
    found = engine.replay(partition, [each.policy for each in terms], question(RETURN))
    return [
        tuple(
            int(counts.sum())
            for counts in (each.renewals, each.lockouts, each.reissues, each.valid_days, each.exposed_days)
        )
        for each in found
    ]


def replay(snapshot: Snapshot, engine: Engine, terms: Sequence[Terms]) -> list[Totals]:
    """Replay a whole snapshot from disk, a partition at a time on each processor."""

    def replayed(number: int) -> list[Totals]:
        # Opened anew: two threads cannot share a file. An engine may need the attempts of some chains, so they are
        # read for each, as a run does.
        own = opened(snapshot.path)
        return totals(engine, own.read(number, attempts=True, days=engine.name == "bitmap"), terms)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = np.array(list(pool.map(replayed, range(snapshot.partitions))))
    return [tuple(each) for each in found.sum(axis=0).tolist()]


def main() -> int:
    path, engine, policies = sys.argv[1:]
    snapshot = opened(Path(path))
    if terms := GRID[: int(policies)]:
        replay(snapshot, engine_named(engine), terms)
    (peak,) = re.findall(r"^VmHWM:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    print(int(peak) / KIB_A_MIB)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
