"""Attacks under the cover of the law: what is erased, or destroyed when its time is over, and what is not.

Each test is named by what the attacker does, and says what that yields.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sealbook.application.commands import Request
from sealbook.application.erasure import erase
from sealbook.application.ledger import execute
from sealbook.application.requests import CloseCustomer, OnCredential
from sealbook.domain.credential import Revoke
from sealbook.domain.ledger import LEDGER_STREAM
from tests.adapters.seal.sealing import mapped, sealed
from tests.commands import A_YEAR_LATER, Script
from tests.system.attacking import BAD_INPUT, CANNOT_TELL, DISPROVED, PROVEN, Auditor, Bank, careless_dump
from tests.system.handing_over import (
    DROPPED,
    DROPS,
    EVENTS,
    HELD,
    Bundle,
    Handed,
    close,
    closed,
    drop,
    encode,
)

STREAM_DROPPED = 8
"""Where the body of ledger.records_dropped has the stream."""
LONG_AFTER = datetime(2040, 1, 1, tzinfo=UTC)


def test_a_body_is_closed_without_a_reason(handed: Handed) -> None:
    """Yields nothing in a history's middle. At its end it stands for what was recorded later: counted, and said."""

    def close_one(bundle: Bundle) -> None:
        close(bundle[EVENTS][4])

    def close_last(bundle: Bundle) -> None:
        close(bundle[EVENTS][-1])

    last = handed.history(close_last, older=True)

    assert handed.history(close_one).found == (DISPROVED, "withheld", handed.row(6).position)
    assert (last.code, last.facts["withheld"]) == (PROVEN, 1)
    assert last.facts["timeline"][-1]["note"].startswith("withheld: ")


@pytest.mark.parametrize("place", [2, 3], ids=["kind", "commitment"])
def test_a_closed_body_is_told_otherwise(handed: Handed, place: int) -> None:
    """Yields nothing: what it was is settled, whoever may read it still."""

    def tell(bundle: Bundle) -> None:
        close(bundle[EVENTS][-1])
        bundle[EVENTS][-1][place] = 3 if place == 2 else bytes(32)

    assert handed.history(tell, older=True).found[:2] == (DISPROVED, "map")


def test_bodies_are_destroyed_by_law(handed: Handed) -> None:
    """Yields what the law wants: the bodies are gone, their types, times and places are proven, and who approved it."""

    def destroy(bundle: Bundle) -> None:
        bundle[DROPS] = [handed.drops[0]]
        for event in bundle[EVENTS][:DROPPED]:
            close(event)

    before, said, full = handed.unchanged(), handed.history(destroy), handed.full(1, 2, 3)

    assert (said.code, said.facts["destroyed"], said.facts["shown"]) == (
        PROVEN,
        DROPPED,
        before.facts["shown"] - DROPPED,
    )
    places = [[(each["position"], each["recorded_at"]) for each in one.facts["timeline"]] for one in (before, said)]
    assert places[0] == places[1]
    assert "act 22, approved by officer-7" in said.facts["timeline"][0]["note"]
    assert (full.code, full.facts["destroyed"]) == (PROVEN, DROPPED)


@pytest.mark.parametrize(
    ("cover", "found"),
    [
        ("none", (DISPROVED, "withheld")),
        ("of fewer events", (DISPROVED, "withheld")),
        ("invented", (DISPROVED, "inclusion")),
        ("of another stream", (BAD_INPUT, None)),
    ],
)
def test_a_body_is_destroyed_with_a_cover_that_does_not_reach(
    handed: Handed, cover: str, found: tuple[int, str | None]
) -> None:
    """Yields nothing: only an event of the ledger, in the log, about that stream and that version, is a reason."""

    def destroy(bundle: Bundle) -> None:
        version, previous, event, proof = handed.drops[0]
        body = msgspec.msgpack.decode(event[3])
        invented = [version, previous, [*event[:3], encode([*body[:9], 100, *body[10:]])], proof]
        drops = {"of fewer events": handed.drops[0], "invented": invented, "of another stream": handed.drops[1]}
        bundle[DROPS] = [drops[cover]] if cover in drops else []
        close(bundle[EVENTS][DROPPED])

    assert handed.history(destroy).found[:2] == found


def test_a_body_is_destroyed_in_the_ledger(handed: Handed) -> None:
    """Yields nothing: a full verification names the first body for which there is no reason."""
    position = handed.row(DROPPED + 1).position
    fourth = handed.row(DROPPED + 1)
    lied = {fourth.position: closed(fourth)[:1] + bytes(32)}

    assert handed.full(DROPPED + 1).found == (DISPROVED, "records_dropped", position)
    assert handed.full(1, 2, 3, 4).found == (DISPROVED, "records_dropped", position)
    said = handed.auditor.full(handed.folder, careless_dump(handed.rows, destroyed=lied))
    assert said.found == (DISPROVED, "tile", position)


def test_a_map_is_destroyed(bank: Bank, auditor: Auditor) -> None:
    """Yields nothing, even with all keys: a false map that could be destroyed would leave no trace of the fraud."""
    mapped(bank.desk)
    told = bank.rows()[-1]
    reason = drop(bank, Script(seed=8), HELD, told.version)
    bank.rewrite(reason, key_stolen=True, place=STREAM_DROPPED, said=LEDGER_STREAM.bytes)
    sealed(bank.desk)
    dump = careless_dump(bank.rows(), destroyed={told.position: closed(told)})

    assert auditor.full(bank.folder, dump).found == (DISPROVED, "records_dropped", told.position)


def test_a_body_is_destroyed_before_its_reason_is_sealed(bank: Bank, auditor: Auditor) -> None:
    """Yields a verdict that nothing can be told: the reason could be taken back."""
    sealed(bank.desk)
    last = bank.rows()[-1]
    drop(bank, Script(seed=8), UUID(bytes=last.stream), last.version)
    dump = careless_dump(bank.rows(), destroyed={last.position: closed(last)})

    assert auditor.full(bank.folder, dump).code == CANNOT_TELL


def test_a_person_is_erased_and_the_record_is_to_change_with_it(bank: Bank, auditor: Auditor) -> None:
    """Yields nothing: what was recorded stays, byte for byte, and that somebody was erased is one event more."""
    script = Script(seed=7)
    person, phone, held = script.new_id(), script.new_id(), script.new_id()
    issued = script.issue(held, customer=person, device=phone)
    execute(bank.store, [script.enroll(person), script.register(phone), issued, script.use(held, device=phone)])
    ended: list[Request] = [
        OnCredential(credential=held, command=Revoke(at=A_YEAR_LATER)),
        CloseCustomer(at=A_YEAR_LATER, customer=person),
    ]
    assert all(each.accepted for each in execute(bank.store, [script.command(each) for each in ended]))
    mapped(bank.desk)
    before, note, shown = bank.rows(), bank.note, timeline(bank, auditor, held)

    erase(
        bank.store,
        bank.keys,
        customer=person,
        basis="act-21",
        approved_by="officer-7",
        at=LONG_AFTER,
        command_id=script.new_id(),
    )
    mapped(bank.desk)

    after, ended_with = timeline(bank, auditor, held), timeline(bank, auditor, person)[-1]
    assert bank.rows()[: len(before)] == before
    assert auditor.growth(note, bank.note, bank.desk.prover().growth(len(before))).code == PROVEN
    assert after[: len(shown)] == shown
    assert [each["event"] for each in after[len(shown) :]] == ["credential.personal_data_erased"]
    assert ended_with["event"] == "customer.personal_data_erased"
    assert {"act-21", "officer-7"} <= set(ended_with["fields"].values())
    assert auditor.whole(bank).code == PROVEN


def timeline(bank: Bank, auditor: Auditor, stream: UUID) -> list[dict[str, Any]]:
    said = auditor.history(bank.desk.prover().history(stream.bytes).content, stream)
    assert said.code == PROVEN
    events: list[dict[str, Any]] = said.facts["timeline"]
    return events
