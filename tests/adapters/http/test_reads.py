"""Reads over HTTP: the answers of the questions, at a moment on both axes, as the interface describes them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
import pytest

from sealbook.adapters.http.reads import ASK_AGAIN_SECONDS_MAX, ASK_AGAIN_SECONDS_MIN, ask_again_seconds
from sealbook.projections.renewal_window import RenewalWindow
from tests.adapters.http.served import ADMINISTRATOR, ATTESTATION, TELLER, Holding, Served, bearer

OTHER_TELLER = bearer("teller", subject="teller-2")


def described(running: Served, template: str, answer: httpx.Response) -> dict[str, Any]:
    """Return a good answer, which is of the shape that the interface describes."""
    assert answer.status_code == 200, answer.text
    document = running.api.openapi()
    schema = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    told: dict[str, Any] = answer.json()
    jsonschema_rs.validator_for({**schema, "components": document["components"]}).validate(told)
    return told


def events(told: dict[str, Any]) -> list[str]:
    return [each["event"] for each in told["entries"]]


@pytest.mark.parametrize("thing", ["customer", "device", "credential"])
def test_a_thing_is_told_by_id_and_by_name(running: Served, alice: Holding, thing: str) -> None:
    name = {"customer": alice.customer_name, "device": alice.device_key, "credential": alice.credential_name}[thing]
    template = f"/v1/{thing}s/{{id}}"
    by_id, by_name = (
        described(running, template, running.get(f"/v1/{thing}s/{quote(each)}", by=alice.app))
        for each in (getattr(alice, thing), name)
    )

    assert by_id.pop("asked") == by_id["id"] == getattr(alice, thing)
    assert by_name.pop("asked") == name
    assert by_id == by_name


def test_a_credential_is_told_with_the_three_answers(running: Served, alice: Holding) -> None:
    told = described(running, "/v1/credentials/{id}", running.get(f"/v1/credentials/{alice.credential}", by=alice.app))

    assert (told["validity"]["state"], told["expiry"]["period"], told["eligibility"]["status"]) == (
        *("active", 1),
        "not_yet",
    )
    assert (told["customer"], told["kind"]) == (alice.customer, "mobile_otp")


def test_as_of_and_known_at_are_two_axes(running: Served, alice: Holding) -> None:
    path, early = f"/v1/credentials/{alice.credential}", "2001-01-01T00:00:00Z"
    late = quote((running.clock.now + timedelta(days=1_000)).isoformat())

    def state(query: str) -> str:
        return str(running.get(f"{path}?{query}", by=alice.app).json()["validity"]["state"])

    assert [state(f"as_of={late}"), state(f"as_of={early}"), state(f"known_at={early}")] == [
        *("expired", "not_issued"),
        "not_issued",
    ]
    assert running.get(f"/v1/customers/{alice.customer}?as_of={early}", by=alice.app).status_code == 404
    assert running.get(f"{path}/history?as_of={early}", by=alice.app).json()["entries"] == []


def test_a_bad_moment_is_told_without_repeating_it(running: Served, alice: Holding) -> None:
    for said, word in (
        ("2024-03-15T10:00:00+09:00", "%2B"),
        ("2024-03-15T10:00:00", "offset"),
        ("2024-02-30T10:00:00Z", "ISO 8601"),
        ("2023-02-29T10:00:00Z", "ISO 8601"),
        ("yesterday-secret", "ISO 8601"),
        ("", "ISO 8601"),
        ("9999-01-01T00:00:00Z", "ISO 8601"),
        ("2024-03-15T10:00:00Z%0A", "ISO 8601"),
        ("2024-03-15T10:00:00Z&as_of=2024-03-15T10:00:00Z", "more than once"),
    ):
        answer = running.get(f"/v1/credentials/{alice.credential}?as_of={said}", by=alice.app)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), said
        assert word in answer.json()["detail"]
        assert "secret" not in answer.text


def test_every_moment_of_the_form_is_taken(running: Served, alice: Holding) -> None:
    for said in ("2024-02-29T23:59:59.123456Z", "2000-02-29T00:00Z", "2399-12-31T23:59:59%2B23:59"):
        assert running.get(f"/v1/credentials/{alice.credential}?as_of={said}", by=alice.app).status_code == 200


# --- ETags


@pytest.mark.parametrize("thing", ["customer", "device", "credential"])
def test_what_has_not_changed_is_not_sent_again(running: Served, alice: Holding, thing: str) -> None:
    path = f"/v1/{thing}s/{getattr(alice, thing)}"
    tag = running.get(path, by=alice.app).headers["etag"]
    again = running.get(path, by=alice.app, if_none_match=f'"0", {tag}')

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_what_has_moved_is_sent_again(running: Served, alice: Holding) -> None:
    path = f"/v1/credentials/{alice.credential}"
    tag = running.get(path, by=alice.app).headers["etag"]
    running.done(f"{path}/suspend", {"reason": "r"}, by=alice.app)
    answer = running.get(path, by=alice.app, if_none_match=tag)

    assert (answer.status_code, answer.json()["validity"]["state"]) == (200, "suspended")
    assert running.call("POST", f"{path}/resume", {}, by=alice.app, headers={"if-match": tag}).status_code == 412


def test_what_the_clock_has_ended_is_sent_again(running: Served, alice: Holding) -> None:
    """Nothing was recorded, so the version is the same; the answer at hand is wrong all the same."""
    path = f"/v1/credentials/{alice.credential}"
    tag = running.get(path, by=alice.app).headers["etag"]
    running.clock.advance(days=1_000)
    answer = running.get(path, by=alice.app, if_none_match=tag)

    assert (answer.status_code, answer.headers["etag"], answer.json()["validity"]["state"]) == (200, tag, "expired")


def test_a_day_alone_changes_nothing(running: Served, alice: Holding) -> None:
    path = f"/v1/credentials/{alice.credential}"
    tag = running.get(path, by=alice.app).headers["etag"]
    running.clock.advance(days=1)

    assert running.get(path, by=alice.app, if_none_match=tag).status_code == 304


# --- Histories, page by page


def pages(running: Served, path: str, *, by: str, **headers: str) -> Iterator[dict[str, Any]]:
    following: str | None = path
    while following is not None:
        answer = running.get(following, by=by, **headers)
        assert answer.status_code == 200, answer.text
        yield answer.json()
        link = answer.links.get("next")
        following = None if link is None else path.partition("?")[0] + link["url"]


@pytest.mark.parametrize("thing", ["customer", "device", "credential"])
def test_the_pages_of_a_history_are_the_history(running: Served, alice: Holding, thing: str) -> None:
    path = f"/v1/{thing}s/{getattr(alice, thing)}/history"
    whole = described(running, f"/v1/{thing}s/{{id}}/history", running.get(path, by=alice.app))["entries"]
    for limit in (1, 2, 3, 500):
        paged = list(pages(running, f"{path}?limit={limit}", by=alice.app))
        assert [entry for page in paged for entry in page["entries"]] == whole
        assert all(len(page["entries"]) <= limit for page in paged)


def test_whoever_goes_on_comes_to_an_end(running: Served, alice: Holding) -> None:
    """What is recorded while the pages are read is in none of them."""
    path = f"/v1/credentials/{alice.credential}"
    told: list[str] = []
    for page in pages(running, f"{path}/history?limit=1", by=alice.app):
        told += events(page)
        running.done(f"{path}/suspend", {"reason": "r"}, by=TELLER)
        running.done(f"{path}/resume", {"evidence": "e-1"}, by=TELLER)

    assert told == ["credential.issued", "credential.key_attested", "credential.secret_set"]


@pytest.mark.parametrize("change", ["another caller", "another thing", "another query", "a bit of it", "no cursor"])
def test_a_cursor_counts_for_its_query_and_caller_alone(
    running: Served, alice: Holding, bob: Holding, change: str
) -> None:
    path = f"/v1/customers/{alice.customer}/history"
    first = running.get(f"{path}?limit=1", by=TELLER, access_reason="r")
    cursor = first.links["next"]["url"].partition("cursor=")[2]
    by, query = TELLER, ""
    match change:
        case "another caller":
            by = OTHER_TELLER
        case "another thing":
            path = f"/v1/customers/{bob.customer}/history"
        case "another query":
            query = "&as_of=2030-01-01T00:00:00Z"
        case "a bit of it":
            cursor = cursor[:-1] + ("A" if cursor[-1] != "A" else "Q")
        case _:
            cursor = "%ff"
    answer = running.get(f"{path}?cursor={cursor}{query}", by=by, access_reason="r")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_page_has_1_to_500_rows(running: Served, alice: Holding) -> None:
    for limit in ("0", "501", "-1", "1.5", "", "ten", "²", "9" * 5_000):
        answer = running.get(f"/v1/customers/{alice.customer}/history?limit={limit}", by=alice.app)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), limit


# --- What an app is told


def test_an_app_is_not_told_of_looks_and_cases(running: Served, alice: Holding) -> None:
    path = f"/v1/customers/{alice.customer}"
    running.done(f"{path}/place-legal-hold", {"case": "case-1"}, by=ADMINISTRATOR)
    assert running.get(path, by=TELLER, access_reason="suspicion of fraud").json()["customer"]["legal_hold"] is True
    for_staff = running.get(f"{path}/history", by=TELLER, access_reason="r")
    to_app = running.get(f"{path}/history", by=alice.app)

    assert running.get(path, by=alice.app).json()["customer"]["legal_hold"] is None
    assert {"customer.record_viewed", "customer.legal_hold_placed"} <= set(events(for_staff.json()))
    assert not {"customer.record_viewed", "customer.legal_hold_placed"} & set(events(to_app.json()))
    assert "fraud" not in to_app.text


def test_of_a_phone_from_somebody_else_an_app_sees_its_own_time(running: Served, alice: Holding, bob: Holding) -> None:
    """Bob gets the phone that was Alice's: what it was before is not his to see."""
    running.done(f"/v1/credentials/{alice.credential}/revoke", {"reason": "r"}, by=TELLER)
    before = quote(running.clock.now.isoformat())
    running.clock.advance(seconds=60)
    if running.get(f"/v1/devices/{alice.device}", by=TELLER, access_reason="r").json()["device"]["customer"]:
        running.done(f"/v1/devices/{alice.device}/release", {}, by=TELLER)
    running.clock.advance(seconds=60)
    running.done(f"/v1/credentials/{bob.credential}/revoke", {"reason": "r"}, by=TELLER)
    running.done(f"/v1/devices/{bob.device}/release", {}, by=TELLER)
    wish = {"customer": bob.customer, "kind": "mobile_otp", "device": alice.device, "policy_id": "D"}
    running.done("/v1/credentials", {**wish, "evidence": "e-1", "attestation": ATTESTATION}, by=TELLER)
    path = f"/v1/devices/{alice.device}"
    seen = [running.get(path + more, by=bob.app) for more in ("", "/history", f"?as_of={before}")]

    assert [each.status_code for each in seen] == [200, 200, 404]
    assert events(seen[1].json()) == ["device.bound"]
    assert not any(alice.customer in each.text for each in seen)
    assert running.get(path, by=alice.app).status_code == 404


def test_holdings_are_told_with_the_banks_names(running: Served, alice: Holding) -> None:
    told = described(
        running, "/v1/customers/{id}/holdings", running.get(f"/v1/customers/{alice.customer}/holdings", by=alice.app)
    )

    assert [each["credential"] for each in told["holdings"]] == [alice.credential]
    assert told["names"] == {alice.credential: alice.credential_name, alice.device: alice.device_key}


def test_a_name_that_is_anothers_id_leads_to_no_other(running: Served, alice: Holding) -> None:
    """Somebody was given Alice's id for a number: who is asked for by the id is Alice all the same."""
    wish = {"name": alice.customer, "subkind": "individual", "identity": "identity of carol"}
    running.done("/v1/customers", wish, by=TELLER)
    told = running.get(f"/v1/customers/{alice.customer}/holdings", by=alice.app).json()

    assert (told["id"], len(told["holdings"])) == (alice.customer, 1)


# --- When to renew


def test_renewal_info_says_when_and_how_soon_to_ask_again(running: Served, alice: Holding) -> None:
    path, template = f"/v1/credentials/{alice.credential}/renewal-info", "/v1/credentials/{id}/renewal-info"
    answer = running.get(path, by=alice.app)
    told = described(running, template, answer)
    window = {name: datetime.fromisoformat(each) for name, each in told["suggested_window"].items()}

    assert running.clock.now < window["start"] < window["end"]
    assert answer.headers["retry-after"] == str(ASK_AGAIN_SECONDS_MAX)
    assert told["explanation_url"].startswith("https://")
    running.clock.now = window["start"]
    assert running.get(path, by=alice.app).json()["eligibility"]["status"] == "awaiting_use"
    running.clock.now = window["end"]
    assert described(running, template, running.get(path, by=alice.app))["suggested_window"] is None


@pytest.mark.parametrize(
    ("ahead_seconds", "expected"),
    [
        ((30, 10**8), ASK_AGAIN_SECONDS_MIN),
        ((600, 10**8), 600),
        ((10**7, 10**8), ASK_AGAIN_SECONDS_MAX),
        ((-600, 700), 700),
        ((-700, -600), ASK_AGAIN_SECONDS_MAX),
    ],
)
def test_it_is_asked_again_when_something_changes(ahead_seconds: tuple[int, int], expected: int) -> None:
    now = datetime.fromisoformat("2026-01-01T00:00:00+09:00")
    start, end = (now + timedelta(seconds=each) for each in ahead_seconds)

    assert ask_again_seconds(RenewalWindow(start=start, end=end), now) == expected
    assert ask_again_seconds(None, now) == ASK_AGAIN_SECONDS_MAX


def test_an_application_is_a_credential_that_is_not_issued(running: Served, alice: Holding) -> None:
    wish = {"customer": alice.customer, "kind": "kb_mobile_certificate", "device": alice.device, "policy_id": "D"}
    applied = running.done("/v1/applications", wish, by=TELLER)["id"]
    told = described(running, "/v1/credentials/{id}", running.get(f"/v1/credentials/{applied}", by=alice.app))
    info = running.get(f"/v1/credentials/{applied}/renewal-info", by=alice.app).json()

    assert (told["validity"]["state"], told["expiry"], info["suggested_window"]) == ("applying", None, None)
