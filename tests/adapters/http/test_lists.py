"""Lists, reports, kinds and policies over HTTP."""

import asyncio
from threading import Event
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.listed import LISTS
from sealbook.adapters.http.lists import WAITING_MAX, Lane
from sealbook.adapters.http.problems import Fault, Problem
from tests.adapters.http.served import ADMINISTRATOR, ANALYST, AUDITOR, TELLER, Holding, Served
from tests.adapters.http.test_reads import described, pages

LATER = "2031-01-01T00:00:00Z"


def test_every_list_is_of_the_shape_that_is_described(running: Served, alice: Holding, bob: Holding) -> None:
    running.done(f"/v1/credentials/{alice.credential}/suspend", {"reason": "r"}, by=TELLER)
    running.done(f"/v1/customers/{bob.customer}/report-loss", {}, by=TELLER)
    wish = {"customer": alice.customer, "kind": "kb_mobile_certificate", "device": alice.device}
    running.done("/v1/applications", wish, by=TELLER)
    filled = set[str]()
    for listed in LISTS:
        answer = running.get(listed.path, by=AUDITOR, access_reason="audit-1")
        if described(running, listed.path, answer)["rows"]:
            filled.add(listed.path.rpartition("/")[2])

    assert filled >= {"slots", "stuck", "policies", "revocations"}
    counts = described(running, "/v1/reports/counts", running.get("/v1/reports/counts", by=ANALYST))
    assert counts["credentials"]["suspended"] == 2


def test_a_list_is_narrowed(running: Served, alice: Holding, bob: Holding) -> None:
    def slots(query: str) -> list[str]:
        answer = running.get(f"/v1/lists/slots{query}", by=AUDITOR, access_reason="audit-1")
        return [each["customer"] for each in answer.json()["rows"]]

    assert slots("") == [alice.customer, bob.customer]
    assert slots("?customer=bob") == [bob.customer]
    assert slots("?as_of=2001-01-01T00:00:00Z") == slots("?known_at=2001-01-01T00:00:00Z") == []
    for bad in ("/unlawful-renewals?all=yes", "/revocations?since=then", "/slots?limit=0", "/slots?cursor=x"):
        assert running.get(f"/v1/lists{bad}", by=AUDITOR, access_reason="audit-1").status_code == 422
    assert running.get("/v1/lists/slots?customer=nobody", by=AUDITOR, access_reason="audit-1").status_code == 404


def test_the_pages_of_a_list_are_the_list(running: Served, alice: Holding, bob: Holding) -> None:
    """Though it grows meanwhile: every page answers about the moments of the first."""
    paged = list[str]()
    for place, page in enumerate(pages(running, "/v1/lists/slots?limit=1", by=AUDITOR, access_reason="audit-1")):
        paged += [each["customer"] for each in page["rows"]]
        assert set(page["names"]) == {alice.customer, alice.device} or place
        new = {"name": f"new {place}", "subkind": "individual", "identity": f"identity {place}"}
        running.done("/v1/customers", new, by=TELLER)

    assert paged == [alice.customer, bob.customer]


def test_one_list_at_a_time_and_a_few_that_wait(running: Served) -> None:
    begun, go_on = Event(), Event()

    def slow(_store: PostgresEventStore) -> str:
        begun.set()
        go_on.wait()
        return "done"

    async def many() -> tuple[list[str], Problem]:
        lane = Lane(running.service.readers)
        asked = [asyncio.create_task(lane.ask(slow)) for _ in range(WAITING_MAX + 1)]
        await asyncio.to_thread(begun.wait)
        with pytest.raises(Problem) as refused:
            await lane.ask(slow)
        # Who asks for a record is not held up.
        assert await running.service.readers.ask(lambda store: store.last_position())
        go_on.set()
        return await asyncio.gather(*asked), refused.value

    answers, refused = running.run(many())

    assert answers == ["done"] * (WAITING_MAX + 1)
    assert (refused.code, refused.headers) == (Fault.BUSY, {"Retry-After": "5"})


# --- Kinds and policies


def test_kinds_are_listed_by_purpose(running: Served, alice: Holding) -> None:
    listed = described(running, "/v1/kinds", running.get("/v1/kinds", by=alice.app))["kinds"]
    for purpose in running.service.kinds.bank.purposes:
        narrowed = running.get(f"/v1/kinds?purpose={purpose}", by=alice.app).json()["kinds"]
        assert narrowed == [each for each in listed if purpose in each["purposes"]]

    one = described(running, "/v1/kinds/{kind}", running.get("/v1/kinds/mobile_otp", by=ANALYST))
    assert one in listed
    assert running.get("/v1/kinds?purpose=secret-word", by=alice.app).status_code == 422
    assert "secret-word" not in running.get("/v1/kinds?purpose=secret-word", by=alice.app).text


def test_a_policy_is_announced_and_withdrawn(running: Served) -> None:
    document = described(running, "/v1/policies", running.get("/v1/policies", by=ANALYST))["policies"][0]["document"]
    dates = {"announced_at": running.clock.now.isoformat(), "effective_from": LATER}
    wish = {**document, "policy_id": "NEW", "version": 1, **dates}
    announced = running.post("/v1/policies/announce", wish, by=ADMINISTRATOR)
    withdrawn = running.post("/v1/policies/NEW/withdraw", {"version": 1}, by=ADMINISTRATOR)
    template = "/v1/policies/{policy_id}/history"
    told = described(running, template, running.get("/v1/policies/NEW/history", by=ANALYST))

    assert (announced.json()["policy"], announced.headers["etag"]) == ("NEW@1", '"1"')
    assert (withdrawn.json()["events"], withdrawn.headers["etag"]) == (["policy.withdrawn"], '"2"')
    assert [each["event"] for each in told["entries"]] == ["policy.announced", "policy.withdrawn"]
    paged = pages(running, "/v1/policies/NEW/history?limit=1", by=ANALYST)
    assert [entry for page in paged for entry in page["entries"]] == told["entries"]


def test_a_policy_command_is_guarded_like_any_other(running: Served) -> None:
    wish = {"policy_id": "NEW", "validity": "P2Y", "renew_on": "never"}
    key = UUID("0b8a3c9e-3f4b-4b0e-9c55-5b1c1d0f6f10")
    in_time = {"announced_at": running.clock.now.isoformat(), "effective_from": LATER}
    first, again, other = (
        running.post("/v1/policies/announce", {**wish, **in_time, **more}, by=ADMINISTRATOR, key=key)
        for more in ({}, {}, {"validity": "P3Y"})
    )

    assert running.post("/v1/policies/announce", wish, by=TELLER).status_code == 403
    unannounced = running.post("/v1/policies/announce", {**wish, "policy_id": "OTHER"}, by=ADMINISTRATOR)
    assert unannounced.json()["code"] == "policy_notice"
    assert running.post("/v1/policies/announce", {"validity": "secret"}, by=ADMINISTRATOR).status_code == 422
    assert "secret" not in running.post("/v1/policies/announce", {"validity": "secret"}, by=ADMINISTRATOR).text
    assert (first.json(), again.headers["idempotent-replayed"]) == (again.json(), "true")
    assert (other.status_code, other.json()["code"]) == (422, "command_id_reused")
    assert running.get("/v1/policies/NOBODY/history", by=ANALYST).status_code == 404
