"""What a bank asks of the whole record, on both axes of time, with the bank's own names."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.bank_questions import (
    Asked,
    ask_fees,
    ask_holdings,
    ask_liability,
    ask_links,
    ask_notices,
    ask_policies,
    ask_revocations,
    ask_slots,
    ask_stuck,
    ask_unlawful,
)
from sealbook.application.requests import LinkId, OnDevice, ReplaceDevice, ReportLoss, UnlinkId
from sealbook.application.timers import next_due
from sealbook.domain.credential import (
    Application,
    ConsentToRenewal,
    Credential,
    Resume,
    SendExpiryNotice,
    SendRenewalNotice,
    Suspend,
    Use,
)
from sealbook.domain.device import ObserveLockScreen
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import Kind, LockScreen, Step
from sealbook.projections.holdings import Advice, holdings
from sealbook.projections.lawful_renewals import Basis, Lack
from sealbook.projections.liability import Liability
from sealbook.projections.revocations import Code
from sealbook.projections.validity import ValidityState
from tests.application.branch import (
    ALICE,
    BOB,
    COMPANY,
    HELD,
    NEW_PHONE,
    NEXT,
    OTHER_PHONE,
    PHONE,
    Branch,
    apply,
    employ,
    issue,
    on,
    opened,
    verify_phone,
)
from tests.commands import A_YEAR_LATER, FEBRUARY, JANUARY, MARCH

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
NAME_OF_ALICE = f"number of {ALICE}"
LEARNED = datetime(2030, 1, 1, tzinfo=UTC)


def asked(branch: Branch, as_of: datetime = MARCH, *, known_at: datetime | None = None) -> Asked:
    return Asked(store=branch.store, kinds=branch.kinds, as_of=as_of, known_at=known_at)


def link(bank_id: str, *, owner: UUID = ALICE, at: datetime = MARCH) -> LinkId:
    return LinkId(at=at, credential=HELD, bank_id=bank_id, owner=owner, purpose="transfer", unlocked_at=at)


class Clock:
    now = LEARNED

    def __call__(self) -> datetime:
        return self.now


# --- Both axes, names


def test_an_answer_holds_what_was_known_and_what_was_so() -> None:
    clock = Clock()
    branch = opened(MemoryEventStore(clock=clock))
    branch.told(issue())
    clock.now = LEARNED + DAY
    branch.told(on(Suspend(at=FEBRUARY + DAY)))

    def state(as_of: datetime, known_at: datetime | None) -> list[ValidityState]:
        found = ask_holdings(asked(branch, as_of, known_at=known_at), NAME_OF_ALICE)
        return [each.state for each in found.rows]

    assert state(FEBRUARY, None) == [ValidityState.ACTIVE]
    assert state(FEBRUARY + DAY, None) == [ValidityState.SUSPENDED]
    assert state(FEBRUARY + DAY, LEARNED + SECOND) == [ValidityState.ACTIVE]
    assert state(FEBRUARY - SECOND, None) == state(FEBRUARY, LEARNED - SECOND) == []
    held, known = ({each.code for each in ask_revocations(asked(branch, known_at=at)).rows} for at in (None, LEARNED))
    assert (held, known) == ({Code.CERTIFICATE_HOLD}, set())


def test_streams_are_told_by_the_banks_own_names_where_it_has_any(branch: Branch) -> None:
    branch.told(issue(), link("id-1"))
    (found,) = ask_links(asked(branch)).rows

    assert ask_links(asked(branch)).names == {ALICE: NAME_OF_ALICE}
    assert ask_holdings(asked(branch), str(ALICE)).names == {ALICE: NAME_OF_ALICE, PHONE: f"key of {PHONE}"}
    assert (found.credential, found.owner) == (HELD, ALICE)


# --- Customers


def test_what_a_customer_holds_is_the_same_from_its_own_streams_as_from_the_whole_log(branch: Branch) -> None:
    branch.told(issue(kind=Kind.FINANCIAL_CERTIFICATE, policy_id="F3"), apply(NEXT, device=PHONE))
    branch.told(issue(UUID(int=99), person=BOB, device=OTHER_PHONE))
    branch.told(OnDevice(device=NEW_PHONE, command=ObserveLockScreen(at=FEBRUARY, lock_screen=LockScreen.WEAK)))
    branch.told(ReplaceDevice(at=MARCH, old=PHONE, new=NEW_PHONE, evidence="branch-1"))
    everything = asked(branch)
    found = ask_holdings(everything, NAME_OF_ALICE).rows

    assert list(found) == holdings(everything.states(), ALICE, policies=everything.policies(), kinds=everything.kinds)
    assert [(each.credential, each.device) for each in found] == [(HELD, NEW_PHONE), (NEXT, PHONE)]
    assert Advice.SET_LOCK_SCREEN in [each.advice for each in found[0].advisories]


@pytest.mark.parametrize("name", ["nobody", str(PHONE), str(HELD), str(UUID(int=404))])
def test_only_a_customer_holds_something(branch: Branch, name: str) -> None:
    branch.told(issue())
    for ask in (ask_holdings, ask_slots):
        with pytest.raises(Refused) as refused:
            ask(asked(branch), name)
        assert refused.value.code is Refusal.NOT_FOUND


def test_device_slots_are_told_of_all_or_of_one(branch: Branch) -> None:
    branch.told(issue(), issue(NEXT, person=BOB, device=OTHER_PHONE))

    assert [(each.customer, each.used, each.allowed) for each in ask_slots(asked(branch)).rows] == [
        (ALICE, 1, 1),
        (BOB, 1, 1),
    ]
    (found,) = ask_slots(asked(branch), NAME_OF_ALICE).rows
    assert found.devices == (PHONE,)


def test_links_are_told_of_all_or_of_one(branch: Branch) -> None:
    branch.told(issue(), *employ(ALICE), link("id-1"), issue(NEXT, person=BOB, device=OTHER_PHONE))

    for name in (None, NAME_OF_ALICE, str(HELD)):
        assert [each.to for each in ask_links(asked(branch), name).rows] == ["id-1"]
    for name in (str(BOB), str(NEXT), str(COMPANY)):
        assert ask_links(asked(branch), name).rows == []
    with pytest.raises(Refused):
        ask_links(asked(branch), str(PHONE))
    branch.told(UnlinkId(at=MARCH, credential=HELD, bank_id="id-1"))
    assert ask_links(asked(branch)).rows == []


# --- Applications, notices, fees


def test_an_open_application_is_told_with_the_step_that_it_waits_at(branch: Branch) -> None:
    branch.told(apply(), verify_phone())
    (found,) = ask_stuck(asked(branch, FEBRUARY)).rows

    assert (found.application, found.waits_at, found.attempts_left) == (HELD, Step.ID_DOCUMENT, 5)
    assert ask_stuck(asked(branch, FEBRUARY + 7 * DAY)).rows == []


def test_the_notices_that_are_due_are_those_that_the_timers_send(branch: Branch) -> None:
    branch.told(issue(), issue(NEXT, person=BOB, device=OTHER_PHONE, policy_id="X"))
    policies = asked(branch).policies()
    for days in range(0, 740, 5):
        now = FEBRUARY + days * DAY
        due = {each.credential: (each.due_at, each.lead) for each in ask_notices(asked(branch, now)).rows}

        sent: dict[UUID, tuple[datetime, str]] = {}
        for stream, state in asked(branch, now).states().by_stream.items():
            if isinstance(state, Application | Credential):
                timer = next_due(state, until=now, now=now, policies=policies, kinds=branch.kinds)
                if timer is not None and isinstance(timer.command, SendExpiryNotice):
                    sent[stream] = (timer.at, timer.command.lead)
        assert due == sent


def test_a_notice_that_was_sent_is_told(branch: Branch) -> None:
    at = FEBRUARY + 720 * DAY
    branch.told(issue(), on(SendExpiryNotice(at=at, lead="P30D")))

    assert [(each.sent_at, each.lead) for each in ask_notices(asked(branch, at)).rows] == [(at, "P30D")]


def test_fees_are_summed_up_by_kind(branch: Branch) -> None:
    branch.issue_by_steps(apply(kind=Kind.JOINT_UNIVERSAL))
    branch.issue_by_steps(apply(NEXT))

    assert [(each.kind, each.charged, each.waived, each.sum_krw) for each in ask_fees(asked(branch)).rows] == [
        (Kind.JOINT_UNIVERSAL, 1, 0, 4_400),
        (Kind.KB_MOBILE_CERTIFICATE, 0, 1, 0),
    ]


# --- Law


def test_a_report_that_reaches_back_finds_the_uses_that_the_bank_answers_for(branch: Branch) -> None:
    branch.told(issue(), on(Use(at=MARCH, device=PHONE)), on(Use(at=MARCH + DAY, device=PHONE)))
    branch.told(ReportLoss(at=MARCH + SECOND, lost=PHONE, lost_at=MARCH))

    assert [(each.used_at, each.liability) for each in ask_liability(asked(branch, MARCH + DAY)).rows] == [
        (MARCH, Liability.BEFORE_REPORT),
        (MARCH + DAY, Liability.BANK),
    ]


def test_without_a_loss_nobody_is_liable(branch: Branch) -> None:
    branch.told(issue(), on(Use(at=MARCH, device=PHONE)))

    assert ask_liability(asked(branch)).rows == []


def test_the_policies_of_the_ledger_are_told(branch: Branch) -> None:
    assert sorted(str(each.policy) for each in ask_policies(asked(branch)).rows) == ["D@1", "F3@1", "J1@1", "X@1"]
    assert ask_policies(asked(branch, JANUARY - SECOND)).rows == []


def test_renewals_without_a_basis_are_told_and_all_with_theirs_when_asked(branch: Branch) -> None:
    branch.told(issue(), on(Use(at=A_YEAR_LATER, device=PHONE)))
    branch.told(issue(NEXT, person=BOB, device=OTHER_PHONE))
    branch.told(
        on(SendRenewalNotice(at=MARCH, planned_at=A_YEAR_LATER), NEXT),
        on(ConsentToRenewal(at=MARCH, evidence="consent-1"), NEXT),
        on(Use(at=A_YEAR_LATER, device=OTHER_PHONE), NEXT),
    )
    now = asked(branch, A_YEAR_LATER)

    assert [(each.credential, each.lacks) for each in ask_unlawful(now).rows] == [(HELD, Lack.NO_NOTICE)]
    assert [(each.credential, each.basis) for each in ask_unlawful(now, all_renewals=True).rows] == [
        (HELD, None),
        (NEXT, Basis.CONSENT),
    ]


def test_a_revocation_list_is_told_whole_or_as_a_delta(branch: Branch) -> None:
    branch.told(issue(), on(Suspend(at=MARCH)), on(Resume(at=MARCH + DAY)))

    assert [each.code for each in ask_revocations(asked(branch)).rows] == [Code.CERTIFICATE_HOLD]
    assert ask_revocations(asked(branch, MARCH + DAY)).rows == []
    delta = ask_revocations(asked(branch, MARCH + DAY), since=MARCH).rows
    assert [each.code for each in delta] == [Code.REMOVE_FROM_CRL]
