"""ask: each question, for people and for programs, about a small bank."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sealbook.adapters.cli.session import Place
from sealbook.application.commands import Request
from sealbook.application.ledger import execute
from sealbook.application.requests import LinkId, LinkService, OnDevice, ReportLoss, VerifyPhone
from sealbook.domain.credential import SendExpiryNotice, SetUnlockMethod, Use
from sealbook.domain.device import ObserveLockScreen
from sealbook.domain.values import LockScreen, Service, UnlockMethod
from sealbook.settings import Settings
from sealbook.wiring import Wiring
from tests.application.branch import (
    ALICE,
    BOB,
    HELD,
    NEW_PHONE,
    NEXT,
    PHONE,
    apply,
    enroll,
    identity_of,
    issue,
    on,
    register,
)
from tests.cli.terminal import sealbook
from tests.commands import A_YEAR_LATER, FEBRUARY, Script

AT = A_YEAR_LATER + timedelta(days=30)
AS_OF = ["--as-of", AT.isoformat()]
ALICES, BOBS = f"number of {ALICE}", f"number of {BOB}"
QUESTIONS = {
    "holdings": ["holdings", ALICES],
    "slots": ["slots"],
    "links": ["links"],
    "stuck": ["stuck"],
    "notices": ["notices"],
    "fees": ["fees"],
    "liability": ["liability"],
    "policies": ["policies"],
    "unlawful": ["unlawful"],
    "revocations": ["revocations"],
}


def told() -> Iterator[Request]:
    """Alice holds a certificate, which renewed and was lost; Bob's application is held up."""
    yield from (enroll(ALICE), enroll(BOB), register(PHONE), register(NEW_PHONE))
    yield OnDevice(device=PHONE, command=ObserveLockScreen(at=FEBRUARY, lock_screen=LockScreen.WEAK))
    yield issue()
    yield on(SetUnlockMethod(at=FEBRUARY, method=UnlockMethod.PIN))
    yield LinkId(at=FEBRUARY, credential=HELD, bank_id="id-1", owner=ALICE, purpose="transfer", unlocked_at=FEBRUARY)
    yield LinkService(at=FEBRUARY, credential=HELD, service=Service.PERSONAL_BANKING)
    yield on(Use(at=A_YEAR_LATER, device=PHONE))
    yield on(SendExpiryNotice(at=A_YEAR_LATER, lead="P30D"))
    yield on(Use(at=AT, device=PHONE, purpose="transfer"))
    yield apply(NEXT, person=BOB, device=NEW_PHONE, at=AT)
    yield VerifyPhone(at=AT, credential=NEXT, identity=identity_of(ALICE), provider="KT", evidence="phone-1")
    yield ReportLoss(at=AT, lost=PHONE, lost_at=AT - timedelta(hours=1))


@pytest.fixture
def bank(ledger: str) -> str:
    script = Script()
    with Wiring(Settings()).open(Place()) as opened:
        execute(opened.store, [script.adopt_policy()])
        for request in told():
            execute(opened.store, [script.command(request)])
    return ledger


def rows(*typed: str) -> list[dict[str, Any]]:
    said = sealbook("ask", *typed, "--json", *AS_OF)
    assert (said.code, said.err) == (0, "")
    return said.rows


def row(*typed: str) -> dict[str, Any]:
    (found,) = rows(*typed)
    return found


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_person_is_answered_with_a_table(question: str) -> None:
    said = sealbook("ask", *QUESTIONS[question], *AS_OF)

    assert (said.code, said.err) == (0, "")
    assert len(said.out.splitlines()) > 1


@pytest.mark.usefixtures("bank")
@pytest.mark.parametrize("question", QUESTIONS)
def test_before_everything_there_is_nothing_to_tell(question: str) -> None:
    typed = ["ask", *QUESTIONS[question], "--as-of", "2020-01-01T00:00:00+09:00"]

    assert sealbook(*typed).out == "Nothing as of 2020-01-01T00:00:00+09:00.\n"
    assert sealbook(*typed, "--json").out == ""
    assert sealbook(*typed[:-2], "--known-at", "2020-01-01T00:00:00+09:00", "--json").out == ""


@pytest.mark.usefixtures("bank")
def test_what_a_customer_holds_is_told_with_names() -> None:
    held = row("holdings", ALICES)

    assert (held["credential"], held["device"], held["state"]) == (str(HELD), f"key of {PHONE}", "suspended")
    assert held["ids"] == [{"bank_id": "id-1", "owner": ALICES, "purpose": "transfer"}]
    assert (held["services"], held["unlock_methods"]) == (["personal_banking"], ["pin"])
    assert [advisory["en"] for advisory in held["advisories"]] == ["Set a strong lock screen"]


@pytest.mark.usefixtures("bank")
def test_a_person_reads_advice_ids_and_times_without_their_details() -> None:
    held = sealbook("ask", "holdings", ALICES, *AS_OF).out
    uses = sealbook("ask", "liability", *AS_OF).out

    assert "id-1" in held
    assert "owner" not in held
    assert AT.date().isoformat() in uses


@pytest.mark.usefixtures("bank")
def test_slots_and_links_are_told_of_all_or_of_one() -> None:
    assert [each["customer"] for each in rows("slots")] == [ALICES]
    assert [each["used"] for each in rows("slots", BOBS)] == [0]
    assert [each["to"] for each in rows("links")] == ["id-1", "personal_banking"]
    assert rows("links", str(HELD)) == rows("links", ALICES) == rows("links")
    assert rows("links", BOBS) == []


@pytest.mark.usefixtures("bank")
def test_a_stuck_application_is_told_with_its_step() -> None:
    found = row("stuck")

    assert (found["application"], found["customer"]) == (str(NEXT), BOBS)
    assert (found["waits_at"], found["failures"], found["hours_left"]) == ("phone", 1, 168)


@pytest.mark.usefixtures("bank")
def test_notices_fees_and_policies_are_told() -> None:
    assert [each["lead"] for each in rows("notices")] == ["P30D"]
    assert [(each["kind"], each["waived"], each["sum_krw"]) for each in rows("fees")] == [
        ("kb_mobile_certificate", 1, 0)
    ]
    assert [(each["policy"], each["standing"]) for each in rows("policies")] == [("D@1", "in_force")]


@pytest.mark.usefixtures("bank")
def test_uses_after_a_loss_are_told_with_who_answers_for_them() -> None:
    found = row("liability")

    assert (found["credential"], found["liability"], found["purpose"]) == (str(HELD), "bank", "transfer")


@pytest.mark.usefixtures("bank")
def test_renewals_are_judged() -> None:
    assert [each["lacks"] for each in rows("unlawful")] == ["no_notice"]
    assert rows("unlawful", "--all") == rows("unlawful")


@pytest.mark.usefixtures("bank")
def test_a_revocation_list_and_its_delta_are_told() -> None:
    found = row("revocations")

    assert (found["code"], found["name"], found["reason"]) == (6, "certificateHold", "loss_reported")
    assert rows("revocations", "--since", AT.isoformat()) == []
    assert rows("revocations", "--since", A_YEAR_LATER.isoformat()) == [found]


# --- What cannot be answered


@pytest.mark.parametrize(
    "typed",
    [
        ["slots", "--as-of", "noon"],
        ["fees", "--known-at", "2024-03-15T10:00:00"],
        ["revocations", "--since", "yesterday"],
        ["holdings"],
        ["everything"],
        [],
    ],
)
@pytest.mark.usefixtures("ledger")
def test_wrong_usage_is_told_in_a_line(typed: list[str]) -> None:
    sealbook("ask", *typed).failed(2)


@pytest.mark.parametrize("question", ["holdings", "slots", "links"])
@pytest.mark.usefixtures("ledger")
def test_who_is_not_known_is_not_found(question: str) -> None:
    sealbook("ask", question, "nobody").failed(1, "not_found")


def test_without_a_ledger_there_is_nothing_to_ask() -> None:
    sealbook("ask", "stuck").failed(2, "no ledger")
