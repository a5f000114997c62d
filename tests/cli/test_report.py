"""Counts as of many moments, against those of a second implementation of the rules."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.cli.terminal import sealbook
from tests.cli.written import write
from tests.oracle import PRESETS, Answer, replay

DAY = timedelta(days=1)
BEGIN = datetime(2018, 1, 1, tzinfo=UTC)
MOMENTS = [datetime(year, month, 1, tzinfo=UTC) for year in range(2018, 2027, 2) for month in (1, 9)]


def attempts(seed: int) -> dict[str, list[datetime]]:
    """A few dozen people, who come often, seldom, or not for years."""
    random = Random(seed)
    found: dict[str, list[datetime]] = {}
    for number in range(40):
        at, times = BEGIN + random.random() * 900 * DAY, list[datetime]()
        for _ in range(random.randint(1, 12)):
            times.append(at.replace(microsecond=0))
            at += random.choice((3, 60, 400, 800)) * random.random() * DAY
        found[f"A{number:02}"] = times
    return found


ATTEMPTS = attempts(20)


def answer_of(times: list[datetime], as_of: datetime) -> Answer:
    facts: list[dict[str, Any]] = [{"at": times[0], "fact": "issued"}, *({"at": at, "fact": "used"} for at in times)]
    return replay([fact for fact in facts if fact["at"] <= as_of] or facts[:1], PRESETS["D"], as_of, {})


@pytest.fixture
def imported(ledger: str, folder: Path) -> str:
    rows = sorted((at, customer) for customer, times in ATTEMPTS.items() for at in times)
    write(
        folder / "uses.csv",
        "customer,used_at\n" + "".join(f"{customer},{int(at.timestamp())}\n" for at, customer in rows),
    )
    assert sealbook("import", "--format", "uses", "uses.csv").code == 0
    return ledger


@pytest.mark.parametrize(
    "read_models", [lambda: None, lambda: sealbook("project")], ids=["from the log", "from tables"]
)
@pytest.mark.usefixtures("imported")
def test_counts_as_of_any_moment_are_those_of_the_oracle(read_models: Callable[[], object]) -> None:
    read_models()
    for as_of in [*MOMENTS, datetime(2029, 1, 1, tzinfo=UTC)]:
        answers = [answer_of(times, as_of) for times in ATTEMPTS.values()]
        states = Counter(each["state"] for each in answers)
        refused = sum(len(each["refused"]) for each in answers)
        attempted = sum(at <= as_of for times in ATTEMPTS.values() for at in times)

        said = sealbook("report", "--json", "--as-of", as_of.isoformat()).answer

        assert Counter[str](said["credentials"]) == Counter({each: states[each] for each in said["credentials"]})
        assert sum(said["credentials"].values()) == len(ATTEMPTS) - states["not_issued"]
        events = Counter[str](said["events"])
        assert events["credential.issued"] == len(ATTEMPTS) - states["not_issued"]
        assert events["credential.use_refused"] == refused
        assert events["credential.used"] == attempted - refused
        assert events["credential.auto_renewed"] == sum(len(each["renewed_at"]) for each in answers)
        waiting = [each for each in answers if each["state"] == "active" and each["auto_renewal"] == "awaiting_use"]
        assert said["eligible_for_renewal"] == len(waiting)


@pytest.mark.usefixtures("imported")
def test_one_credential_is_shown_as_the_oracle_has_it() -> None:
    for customer in ("A00", "A07", "A31"):
        for as_of in MOMENTS:
            expected = answer_of(ATTEMPTS[customer], as_of)

            said = sealbook("show", customer, "--json", "--as-of", as_of.isoformat()).answer

            assert (said["validity"]["state"], said["eligibility"]["status"]) == (
                expected["state"],
                expected["auto_renewal"],
            )
            if expected["expires_at"] is not None:
                assert datetime.fromisoformat(said["validity"]["expires_at"]) == expected["expires_at"]
