"""Other policies replayed over a snapshot of a whole bank: how fast, in how much memory, and how near to the truth."""

from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.plan import Plan


def run(plan: Plan) -> Iterator[Figure]:
    # Imported here: what it takes would weigh on every process of the other benchmarks, whose memory is measured.
    from benchmarks import what_if_figures

    yield from what_if_figures.run(plan)
