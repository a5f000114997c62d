"""What-if jobs over HTTP: asked for once, looked at, cancelled. Who carries them out is another test's."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from sealbook.adapters.jobs.rows import Jobs, State
from sealbook.adapters.jobs.what_if import answered
from sealbook.domain.presets import preset_policies
from tests.adapters.http.served import ADMINISTRATOR, ANALYST, AUDITOR, TELLER, Served, bearer

PATH = "/v1/what-if-jobs"
KEY = UUID("a3d0b9f6-3f4b-4b0e-9c55-5b1c1d0f6f10")
SHORT = {"policy_id": "SHORT", "validity": "P1Y", "renew_on": "never"}
WISH = {"policies": ["D", SHORT], "as_of": "2026-04-01T00:00:00Z"}


@pytest.fixture
def job(running: Served) -> str:
    """A job that waits."""
    answer = running.post(PATH, WISH, by=ANALYST, key=KEY)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def carry_out(running: Served) -> object:
    """Carry out the job that waits, in this process; return what it came to."""
    jobs = Jobs(running.store.connection)
    taken = jobs.take(at=running.clock())
    assert taken is not None
    result = answered(running.store, taken.request, advanced=lambda _far: None)
    jobs.end(taken.id, State.DONE, at=running.clock(), result=result)
    return result


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_job_is_put_into_the_queue_and_its_place_told(running: Served) -> None:
    answer = running.post(PATH, WISH, by=ANALYST, key=KEY)

    told = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"{PATH}/{KEY}")
    assert (told["id"], told["state"], told["created_by"]) == (str(KEY), "queued", "analyst-1")
    assert running.get(f"{PATH}/{KEY}", by=AUDITOR).json() == told
    assert running.get(PATH, by=ANALYST).json() == {"jobs": [told]}


def test_a_repetition_is_the_same_job_and_anything_else_under_its_key_is_refused(running: Served, job: str) -> None:
    again = running.post(PATH, WISH, by=ANALYST, key=KEY)

    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (job, "true")
    other = running.post(PATH, {"policies": ["D"]}, by=ANALYST, key=KEY)
    another = running.post(PATH, WISH, by=bearer("analyst", subject="analyst-2"), key=KEY)
    assert code(other) == code(another) == (422, "command_id_reused")


@pytest.mark.usefixtures("alice")
def test_the_result_is_there_when_it_is_done(running: Served, job: str) -> None:
    assert code(running.get(f"{PATH}/{job}/result", by=ANALYST)) == (409, "job_not_done")

    result = carry_out(running)

    told = running.get(f"{PATH}/{job}/result", by=ANALYST).json()
    assert told == result
    assert [each["policy"] for each in told["policies"]] == ["D", "SHORT"]
    assert told["factual"]["credentials"] == 1
    assert running.get(f"{PATH}/{job}", by=ANALYST).json()["state"] == "done"


def test_a_version_of_the_ledger_goes_before_a_preset(running: Served) -> None:
    running.done(PATH, {"policies": ["D@1", "XC"]}, by=ANALYST)

    taken = Jobs(running.store.connection).take(at=running.clock())

    assert taken is not None
    assert [each["policy_id"] for each in taken.request["policies"]] == ["D", "XC"]
    assert taken.request["policies"][0]["validity"] == str(preset_policies()["D"].validity)


def test_a_job_that_waits_is_cancelled_at_once_and_one_that_is_done_stays(running: Served, job: str) -> None:
    cancelled = running.call("DELETE", f"{PATH}/{job}", by=ANALYST)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")

    done = running.done(PATH, WISH, by=ANALYST)["id"]
    carry_out(running)
    assert running.call("DELETE", f"{PATH}/{done}", by=ANALYST).json()["state"] == "done"


def test_a_job_that_runs_is_asked_to_end(running: Served, job: str) -> None:
    jobs = Jobs(running.store.connection)
    jobs.take(at=running.clock())
    assert jobs.advance(UUID(job), {"phase": "reading", "done": 1, "of": 2})

    told = running.call("DELETE", f"{PATH}/{job}", by=ANALYST).json()

    assert (told["state"], told["cancel_requested"]) == ("running", True)
    assert told["progress"] == {"phase": "reading", "done": 1, "of": 2}
    assert not jobs.advance(UUID(job), None)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"policies": []}, (422, "invalid_request")),
        ({}, (422, "invalid_request")),
        ({"policies": ["D"], "each": True}, (422, "invalid_request")),
        ({"policies": ["D"], "mode": "keep"}, (422, "invalid_request")),
        ({"policies": ["D", "D", "D"]}, (422, "invalid_request")),
        ({"policies": ["../keys.json"]}, (422, "invalid_request")),
        ({"policies": [{"policy_id": "Z"}]}, (422, "invalid_request")),
        ({"policies": ["D"], "as_of": 7}, (422, "invalid_request")),
        ({"policies": ["D"] * 21}, (422, "invalid_request")),
        ({"policies": ["D@9"]}, (404, "not_found")),
        ({"policies": ["nobody-knows"]}, (404, "not_found")),
    ],
)
def test_what_cannot_be_asked_is_refused(running: Served, wish: object, expected: tuple[int, str]) -> None:
    answer = running.post(PATH, wish, by=ANALYST)

    assert code(answer) == expected
    assert "nobody-knows" not in answer.text
    assert running.get(PATH, by=ANALYST).json() == {"jobs": []}


def test_what_is_not_there_is_not_found(running: Served) -> None:
    for method, path in (("GET", ""), ("GET", "/result"), ("DELETE", "")):
        assert code(running.call(method, f"{PATH}/{uuid4()}{path}", by=ANALYST)) == (404, "address_not_found")


def test_analysts_ask_and_auditors_look(running: Served, job: str) -> None:
    for by in (TELLER, ADMINISTRATOR):
        assert code(running.get(f"{PATH}/{job}", by=by)) == (403, "forbidden")
    for by in (TELLER, ADMINISTRATOR, AUDITOR):
        assert code(running.post(PATH, WISH, by=by)) == (403, "forbidden")
        assert code(running.call("DELETE", f"{PATH}/{job}", by=by)) == (403, "forbidden")
