"""`python -m benchmarks [NAME ...] [--json]`: run benchmarks and print their figures."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator

from benchmarks import importing, rebuilding, size, uses
from benchmarks.figure import Figure

BENCHMARKS: dict[str, Callable[[int], Iterator[Figure]]] = {
    "uses": uses.run,
    "import": importing.run,
    "rebuild": rebuilding.run,
    "size": size.run,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="how many rounds, in turns with the ceiling")
    parser.add_argument("--json", action="store_true", help="JSON Lines, for programs")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}")
    for name in asked.names or BENCHMARKS:
        for figure in BENCHMARKS[name](asked.rounds):
            print(json.dumps(figure.as_json()) if asked.json else figure.as_text(), flush=True)
    return 0


sys.exit(main())
