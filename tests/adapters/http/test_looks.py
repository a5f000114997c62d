"""Looks: whoever of the staff sees a record is in it, with a reason, before they see it."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.gatherer import Busy
from sealbook.adapters.http.reads import Reads
from sealbook.adapters.writer.port import Answered
from sealbook.application.commands import Command
from sealbook.application.erasure import request_of
from sealbook.domain.customer import RecordViewed
from tests.adapters.http.served import ADMINISTRATOR, ANALYST, APP_BODY, AUDITOR, TELLER, Holding, Served
from tests.commands import Script

PATHS: tuple[tuple[str, Callable[[Holding], str]], ...] = (
    ("customer", lambda held: f"/v1/customers/{held.customer}"),
    ("holdings", lambda held: f"/v1/customers/{held.customer}/holdings"),
    ("customer history", lambda held: f"/v1/customers/{held.customer}/history"),
    ("device", lambda held: f"/v1/devices/{held.device}"),
    ("device history", lambda held: f"/v1/devices/{held.device}/history"),
    ("credential", lambda held: f"/v1/credentials/{held.credential}"),
    ("credential history", lambda held: f"/v1/credentials/{held.credential}/history"),
    ("renewal info", lambda held: f"/v1/credentials/{held.credential}/renewal-info"),
    ("slots", lambda held: f"/v1/lists/slots?customer={held.customer}"),
    ("links", lambda held: f"/v1/lists/links?of={held.credential}"),
)


def looks(running: Served, held: Holding) -> list[tuple[str, str, str]]:
    stream = running.store.stream(UUID(held.customer))
    return [(each.actor, each.event.what, each.event.reason) for each in stream if isinstance(each.event, RecordViewed)]


def test_every_look_is_recorded_with_its_reason(running: Served, alice: Holding) -> None:
    for what, path in PATHS:
        assert running.get(path(alice), by=AUDITOR, access_reason=f"for {what}").status_code == 200

    assert looks(running, alice) == [("auditor-1", what, f"for {what}") for what, _ in PATHS]


@pytest.mark.parametrize("reason", [None, " ", "x" * 201])
def test_without_a_reason_nothing_is_shown(running: Served, alice: Holding, reason: str | None) -> None:
    headers = {} if reason is None else {"access_reason": reason}
    for _, path in PATHS:
        answer = running.get(path(alice), by=AUDITOR, **headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "reason_required")

    assert looks(running, alice) == []


def test_an_app_that_looks_at_its_own_is_not_recorded(running: Served, alice: Holding) -> None:
    assert running.get(f"/v1/customers/{alice.customer}", by=alice.app).status_code == 200
    assert looks(running, alice) == []


def test_what_is_not_there_is_no_look(running: Served, alice: Holding) -> None:
    assert running.get("/v1/customers/nobody", by=TELLER, access_reason="r").status_code == 404
    assert looks(running, alice) == []


def test_a_look_that_finds_nothing_new_is_one_all_the_same(running: Served, alice: Holding) -> None:
    path = f"/v1/credentials/{alice.credential}"
    tag = running.get(path, by=TELLER, access_reason="r").headers["etag"]

    assert running.get(path, by=TELLER, access_reason="r", if_none_match=tag).status_code == 304
    assert len(looks(running, alice)) == 2


def test_the_etag_that_a_look_is_answered_with_counts(running: Served, alice: Holding) -> None:
    """The look itself moves the stream."""
    path = f"/v1/customers/{alice.customer}"
    tag = running.get(path, by=TELLER, access_reason="r").headers["etag"]
    command = running.call("POST", f"{path}/join-service", {"service": "tax"}, by=TELLER, headers={"if-match": tag})

    assert command.status_code != 412, command.text


def test_a_history_is_one_look_however_many_pages_it_has(running: Served, alice: Holding) -> None:
    path, following = f"/v1/customers/{alice.customer}/history", "?limit=1"
    for _ in range(4):
        answer = running.get(path + following, by=TELLER, access_reason="r")
        assert answer.status_code == 200
        following = answer.links["next"]["url"] if "next" in answer.links else following

    assert looks(running, alice) == [("teller-1", "customer history", "r")]


def test_where_a_look_cannot_be_recorded_nothing_is_shown(running: Served, alice: Holding) -> None:
    class Full:
        async def submit(self, _command: Command) -> Answered:
            raise Busy(1.0)

    reads = Reads(replace(running.service, writer=Full()))
    # Their routes stand before the others.
    running.api.router.routes[:0] = reads.router().routes
    answer = running.get(f"/v1/customers/{alice.customer}", by=TELLER, access_reason="r")

    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert alice.device not in answer.text


def test_a_phone_that_nobody_holds_has_nobody_to_record(running: Served) -> None:
    phone = {"key": "key of nobody", "model": "phone", "os_version": "15", "app": APP_BODY}
    device = running.done("/v1/devices", phone, by=TELLER)["id"]

    assert running.get(f"/v1/devices/{device}", by=TELLER, access_reason="r").status_code == 200


def test_of_who_is_erased_what_is_left_can_be_seen(running: Served, alice: Holding) -> None:
    customer = UUID(alice.customer)
    running.done(f"/v1/customers/{alice.customer}/close", {}, by=TELLER)
    running.clock.advance(days=365 * 20)
    wish = request_of(
        running.store, customer=customer, basis="request-1", approved_by="administrator-2", at=running.clock.now
    )
    running.execute(Script(77).command(wish))
    answer = running.get(f"/v1/customers/{alice.customer}", by=ADMINISTRATOR, access_reason="r")

    assert (answer.status_code, answer.json()["customer"]["erased"]) == (200, True)
    assert looks(running, alice) == []


def test_figures_without_persons_need_no_reason(running: Served, alice: Holding) -> None:
    for path in ("/v1/reports/counts", "/v1/lists/fees", "/v1/lists/policies"):
        assert running.get(path, by=ANALYST).status_code == 200

    assert running.get("/v1/lists/stuck", by=ANALYST).status_code == 403
    assert looks(running, alice) == []
