"""Erasures over HTTP: one asks, another approves."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.domain.customer import PersonalDataErased
from sealbook.domain.presets import preset_policies
from tests.adapters.http.served import TELLER, Holding, Served, bearer, served
from tests.commands import Script
from tests.conftest import WORKING_KEYS

ONE, OTHER = bearer("administrator", subject="admin-1"), bearer("administrator", subject="admin-2")


@pytest.fixture
def running(ledger_dsn: str, tmp_path: Path) -> Iterator[Served]:
    """A service whose keys are its own: an erasure stays in them."""
    with served(ledger_dsn, MemoryKeys(WORKING_KEYS), folder=tmp_path) as service:
        service.execute(*(Script(1_000 + number).adopt_policy(each) for number, each in enumerate(preset_policies())))
        yield service
        assert service.failures == []


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def asked(running: Served, alice: Holding, *, by: str = ONE) -> str:
    answer = running.post(f"/v1/customers/{alice.customer}/erasures", {"basis": "request 12"}, by=by)
    assert answer.status_code == 202
    approval: str = answer.json()["approval"]
    return approval


def gone(running: Served, alice: Holding) -> None:
    """Let the customer be gone for longer than anything has to be kept."""
    running.done(f"/v1/customers/{alice.customer}/close", by=TELLER)
    running.clock.advance(days=8 * 366)


def test_an_erasure_takes_two_and_names_both(running: Served, alice: Holding) -> None:
    gone(running, alice)
    approval = {"approval": asked(running, alice)}
    assert refused(running.post("/v1/erasures", approval, by=ONE)) == (403, "forbidden")
    key = uuid4()
    first, again = (running.post("/v1/erasures", approval, by=OTHER, key=key) for _ in range(2))

    assert first.status_code == 200, first.text
    assert again.content == first.content
    (erased,) = [
        each for each in running.store.read(after=0, limit=1_000) if isinstance(each.event, PersonalDataErased)
    ]
    assert isinstance(erased.event, PersonalDataErased)
    assert (erased.actor, erased.event.approved_by) == ("admin-1", "admin-2")


def test_an_approval_is_good_for_a_day_and_for_nothing_else(running: Served, alice: Holding) -> None:
    gone(running, alice)
    approval = asked(running, alice)
    for bad in (approval[:-4] + "AAAA", "AAAA", approval[::-1]):
        assert refused(running.post("/v1/erasures", {"approval": bad}, by=OTHER)) == (409, "approval")
    running.clock.now += timedelta(days=1)

    assert refused(running.post("/v1/erasures", {"approval": approval}, by=OTHER)) == (409, "approval")


def test_records_that_have_to_be_kept_are_kept(running: Served, alice: Holding) -> None:
    assert refused(running.post("/v1/erasures", {"approval": asked(running, alice)}, by=OTHER))[0] == 403
