"""What the tests of the command line write into files."""

import json
from collections.abc import Mapping
from pathlib import Path

ISSUED_AT, USED_AT, ENDS_AT = "2024-03-15T10:00:00+09:00", "2025-07-01T08:30:00+09:00", "2027-07-02T00:00:00+09:00"

LIFE: tuple[Mapping[str, object], ...] = (
    {"at": ISSUED_AT, "credential": "C1", "fact": "issued", "customer": "Hong Gildong"},
    {"at": USED_AT, "credential": "C1", "fact": "used"},
    {"at": USED_AT, "credential": "C2", "fact": "issued", "customer": "P2"},
)


def write_json_lines(path: Path, *lines: Mapping[str, object]) -> Path:
    return write(path, "".join(json.dumps(dict(line)) + "\n" for line in lines))


def write_policy(path: Path, **fields: object) -> Path:
    """A policy of two years that the first use after a year renews, but for what is given."""
    policy = {"policy_id": "OWN", "validity": "P2Y", "renew_on": "use", "eligible_after": "P1Y", **fields}
    return write(path, json.dumps(policy))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
