"""A history of attempts for benchmarks: seeded, so that every run imports the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

CUSTOMERS = 1_000
LINES = 20_000
BEGIN = datetime(2018, 1, 1, tzinfo=UTC)


def write_uses(path: Path) -> int:
    """Write a uses file; return its number of lines."""
    random = Random(1)
    moments = sorted(BEGIN + timedelta(minutes=random.randrange(60 * 24 * 365 * 6)) for _ in range(LINES))
    lines = [f"U{random.randrange(CUSTOMERS):05},{int(at.timestamp())}" for at in moments]
    path.write_text("customer,used_at\n" + "\n".join(lines) + "\n", encoding="ascii")
    return LINES
