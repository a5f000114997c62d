"""Commands over HTTP: what an app may not do, guards, repetitions."""

from uuid import uuid4

import httpx
import pytest

from tests.adapters.http.served import ATTESTATION, TELLER, Holding, Served, bearer

CALL_CENTER = bearer("call_center")


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


# --- What an app may not do


@pytest.mark.parametrize("said", [{}, {"reason": "fraud"}, {"reason": "loss_reported"}])
def test_an_app_does_not_lift_a_hold_of_the_staff(running: Served, alice: Holding, said: dict[str, str]) -> None:
    path = f"/v1/credentials/{alice.credential}"
    running.done(f"{path}/suspend", said, by=CALL_CENTER)

    assert refused(running.post(f"{path}/resume", by=alice.app)) == (403, "forbidden")
    running.done(f"{path}/resume", {"evidence": "branch-1"}, by=TELLER)


def test_a_holder_lifts_the_hold_that_it_asked_for(running: Served, alice: Holding) -> None:
    path = f"/v1/credentials/{alice.credential}"
    running.done(f"{path}/suspend", {"reason": "whatever it says"}, by=alice.app)

    assert running.done(f"{path}/resume", by=alice.app)["events"] == ["credential.resumed"]


def test_an_app_does_not_vouch_for_its_own_reset(running: Served, alice: Holding) -> None:
    path = f"/v1/credentials/{alice.credential}"
    running.done(f"{path}/require-reset", by=alice.app)
    said = {"evidence": "made up", "key_rolled": True, "attestation": ATTESTATION}

    assert refused(running.post(f"{path}/complete-reset", said, by=alice.app)) == (403, "forbidden")
    running.done(f"{path}/complete-reset", said, by=TELLER)


def test_one_subject_for_all_apps_gets_no_answer_of_another_customers(
    running: Served, alice: Holding, bob: Holding
) -> None:
    of_alice, of_bob = (bearer("app", customer=each.customer, subject="bank-app") for each in (alice, bob))
    key, path = uuid4(), f"/v1/credentials/{alice.credential}/suspend"
    assert running.post(path, by=of_alice, key=key).status_code == 200

    assert refused(running.post(path, by=of_bob, key=key)) == (422, "command_id_reused")
    assert refused(running.post(path, by=of_bob)) == (404, "not_found")


# --- Guards and repetitions


def test_a_repetition_is_answered_as_the_first_time_when_all_has_moved_on(running: Served, alice: Holding) -> None:
    key, path = uuid4(), f"/v1/credentials/{alice.credential}"
    first = running.post(f"{path}/suspend", by=alice.app, key=key)
    running.done(f"{path}/revoke", by=alice.app)
    again = running.post(f"{path}/suspend", by=alice.app, key=key)

    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)


def test_what_moved_since_it_was_read_is_left_alone(running: Served, alice: Holding) -> None:
    path = f"/v1/credentials/{alice.credential}"
    tag = running.get(path, by=alice.app).headers["etag"]
    running.done(f"{path}/suspend", by=alice.app)

    late = running.call("POST", f"{path}/revoke", {}, by=alice.app, headers={"if-match": tag})
    assert refused(late) == (412, "precondition_failed")
    tag = running.get(path, by=alice.app).headers["etag"]
    assert running.call("POST", f"{path}/revoke", {}, by=alice.app, headers={"if-match": tag}).status_code == 200


@pytest.mark.parametrize(
    "key", ["", "7", "018f3c6e-0000-8000-8000-000000000000", "00000000-0000-0000-0000-000000000000"]
)
def test_a_command_needs_an_id_that_a_client_may_choose(running: Served, alice: Holding, key: str) -> None:
    path = f"/v1/credentials/{alice.credential}/suspend"
    answer = running.call("POST", path, {}, by=alice.app, headers={"idempotency-key": key})

    assert refused(answer) == (400, "idempotency_key")


def test_nothing_that_was_sent_comes_back_in_a_problem(running: Served, alice: Holding) -> None:
    for body in ({"secret-member-4711": 1}, {"reason": ["secret-value-4711"]}, {"reason": "x" * 500}):
        answer = running.post(f"/v1/credentials/{alice.credential}/suspend", body, by=alice.app)
        assert refused(answer) == (422, "invalid_request")
        assert "4711" not in answer.text
        assert "xxx" not in answer.text


def test_a_device_is_addressed_by_its_key(running: Served) -> None:
    key = "MCowBQYDK2VwAyEA/+8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    phone = {"key": key, "model": "phone", "os_version": "15", "app": {"version": "6.2.0", "store": "google_play"}}
    made = running.done("/v1/devices", phone, by=TELLER)

    shown = key.replace("/", "_").replace("+", "-").rstrip("=")
    assert running.done(f"/v1/devices/{shown}/update-os", {"version": "16"}, by=TELLER)["id"] == made["id"]
