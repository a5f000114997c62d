"""The stages joined: which stream a command finds, and what time alone decides about it."""

from datetime import datetime, timedelta

import pytest

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.credential import (
    Application,
    ApplicationAbandoned,
    Command,
    Credential,
    Erase,
    Event,
    Move,
    ObserveExpiry,
    ReportLoss,
    RequireReset,
    Revoked,
    SendExpiryNotice,
    SetUnlockMethod,
    Suspend,
    UnlinkId,
    Unlock,
    Use,
    fold,
    settle,
)
from sealbook.domain.credential.standing import begun, check_changeable, pending
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import HolderKind, Kind, Step, UnlockMethod
from tests.domain.applications import PHONE_VERIFIED
from tests.domain.examples import (
    BOOK,
    END,
    ID_1,
    ISSUE,
    LAST_INSTANT,
    PERSON,
    PHONE,
    SUMMER,
    USE_D,
    credential_after,
    expired,
    issued_under,
)
from tests.scenario import given

ISSUED = issued_under(USE_D)
OPEN = Application(
    customer=PERSON,
    kind=Kind.KB_MOBILE_CERTIFICATE,
    holder=HolderKind.PERSONAL,
    device=PHONE,
    policy=USE_D.ref,
    replaces=None,
    applied_at=ISSUE,
    open_until=ISSUE + timedelta(days=7),
    due=(Step.PHONE, Step.KEY),
    fee_krw=0,
    fee_version=1,
)

ONE_OF_EACH_STAGE: list[Command] = [
    Use(at=SUMMER),
    Unlock(at=SUMMER, evidence="7"),
    SetUnlockMethod(at=SUMMER, method=UnlockMethod.PIN),
    UnlinkId(at=SUMMER, bank_id=ID_1),
    Suspend(at=SUMMER),
    ReportLoss(at=SUMMER),
    RequireReset(at=SUMMER),
    Move(at=SUMMER, device=PHONE),
    SendExpiryNotice(at=SUMMER, lead="P30D"),
    ObserveExpiry(at=SUMMER),
    Erase(at=SUMMER, basis="retention over"),
]


@pytest.mark.parametrize("command", ONE_OF_EACH_STAGE, ids=lambda command: type(command).__name__)
def test_what_was_never_issued_takes_no_command(command: Command) -> None:
    given(policies=BOOK).when(command).then_refused(Refusal.NOT_ISSUED)


@pytest.mark.parametrize("command", ONE_OF_EACH_STAGE, ids=lambda command: type(command).__name__)
def test_no_command_speaks_of_a_moment_before_the_issue(command: Command) -> None:
    late = issued_under(USE_D, at=SUMMER + MICROSECOND)

    given(late, policies=BOOK).when(command).then_refused(Refusal.BACK_IN_TIME)


def test_a_command_may_speak_of_the_moment_of_the_issue() -> None:
    given(issued_under(USE_D, at=SUMMER), policies=BOOK).when(Unlock(at=SUMMER, evidence="7")).then()


@pytest.mark.parametrize(
    ("end", "word"),
    [(Revoked(at=SUMMER, reason=None), "revoked"), (expired(USE_D), "expired")],
    ids=["revoked", "expired"],
)
def test_a_refusal_says_how_the_credential_ended(end: Event, word: str) -> None:
    with pytest.raises(Refused, match=f"is {word} for good"):
        check_changeable(credential_after(ISSUED, end), END)


def test_no_step_of_an_application_follows_the_issue_in_a_history() -> None:
    with pytest.raises(Refused) as caught:
        fold([ISSUED, PHONE_VERIFIED])

    assert caught.value.code is Refusal.ALREADY_ISSUED


# --- What time alone decides.


@pytest.mark.parametrize(
    ("state", "until", "decided"),
    [
        pytest.param(None, END, (), id="nothing is begun"),
        pytest.param(credential_after(ISSUED), LAST_INSTANT, (), id="a credential before its end"),
        pytest.param(credential_after(ISSUED), END, (expired(USE_D),), id="a credential at its end"),
        pytest.param(OPEN, OPEN.open_until - MICROSECOND, (), id="an application that is open"),
    ],
)
def test_time_decides_about_whatever_is_begun(
    state: Application | Credential | None, until: datetime, decided: tuple[Event, ...]
) -> None:
    assert settle(state, BOOK, until) == decided


def test_time_ends_an_application_that_nobody_finishes() -> None:
    (ended,) = settle(OPEN, BOOK, OPEN.open_until)

    assert isinstance(ended, ApplicationAbandoned)
    assert ended.at == OPEN.open_until


@pytest.mark.parametrize("state", [OPEN, credential_after(ISSUED)], ids=["an application", "a credential"])
def test_what_is_begun_is_an_application_or_a_credential(state: Application | Credential) -> None:
    assert begun(state) is state


def test_before_the_first_event_no_application_is_open() -> None:
    with pytest.raises(Refused) as caught:
        pending(None)

    assert caught.value.code is Refusal.NOT_FOUND


def test_before_the_first_event_nothing_is_begun() -> None:
    with pytest.raises(Refused) as caught:
        begun(None)

    assert caught.value.code is Refusal.NOT_ISSUED
