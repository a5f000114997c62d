"""`python -m benchmarks [NAME ...] [--json]`: run benchmarks and print their figures."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from benchmarks import (
    cost,
    grown,
    importing,
    memory,
    queries,
    rebuilding,
    recovery,
    report,
    sealing,
    service,
    uses,
    what_if,
)
from benchmarks.figure import Figure
from benchmarks.plan import Plan


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`plan` is what it does where nothing else is asked; `of` says what its size counts."""

    run: Callable[[Plan], Iterator[Figure]]
    plan: Plan
    of: str


BENCHMARKS = {
    "uses": Benchmark(uses.run, Plan(rounds=5, seconds=3, size=100_000), "credentials in use"),
    "cost": Benchmark(cost.run, Plan(rounds=5, seconds=3, size=10_000), "credentials in use"),
    "import": Benchmark(importing.run, Plan(rounds=5, seconds=0, size=200_000), "lines of each file"),
    "rebuild": Benchmark(rebuilding.run, Plan(rounds=5, seconds=0, size=300_000), "lines of the history"),
    "queries": Benchmark(queries.run, Plan(rounds=5, seconds=3, size=10_000), "events of the long history"),
    "grown": Benchmark(grown.run, Plan(rounds=5, seconds=10, size=1_000_000), "credentials, of 12 events each"),
    "report": Benchmark(report.run, Plan(rounds=3, seconds=0, size=1_000_000), "credentials, of 12 events each"),
    "seal": Benchmark(sealing.run, Plan(rounds=5, seconds=0, size=85_000), "credentials, of 12 events each"),
    "service": Benchmark(service.run, Plan(rounds=5, seconds=3, size=100_000), "holders of one-time codes"),
    "recovery": Benchmark(recovery.run, Plan(rounds=5, seconds=3, size=100_000), "holders of one-time codes"),
    "whatif": Benchmark(what_if.run, Plan(rounds=3, seconds=0, size=1_000_000), "chains of credentials"),
    "memory": Benchmark(memory.run, Plan(rounds=1, seconds=30, size=200_000), "credentials, and lines imported"),
}


def main() -> int:
    parser = _parser()
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}")
    for name in asked.names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        plan = Plan(
            rounds=asked.rounds or benchmark.plan.rounds,
            seconds=asked.seconds or benchmark.plan.seconds,
            size=asked.size or benchmark.plan.size,
        )
        for figure in benchmark.run(plan):
            print(json.dumps(figure.as_json()) if asked.json else figure.as_text(), flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    lines = [f"{'name':<10}{'rounds':>7}{'seconds':>9}{'size':>11}"]
    for name, benchmark in BENCHMARKS.items():
        plan = benchmark.plan
        lines.append(
            f"{name:<10}{plan.rounds:>7}{plan.seconds or '-':>9}{plan.size or '-':>11}  {benchmark.of}".rstrip()
        )
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Run benchmarks, all of them by default, and print their figures.",
        epilog="\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the list below")
    parser.add_argument("--rounds", type=_count, help="how many rounds, in turns with the rival")
    parser.add_argument("--seconds", type=_time, help="how long a round lasts, where time ends it")
    parser.add_argument("--size", type=_count, help="what it is done on; the list says what it counts")
    parser.add_argument("--json", action="store_true", help="JSON Lines, for programs")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("write a whole number from 1 on")
    return int(text)


def _time(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < inf:
        raise argparse.ArgumentTypeError("write a number of seconds above 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
