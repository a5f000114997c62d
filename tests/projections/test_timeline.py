"""What happened, and what did each event change?"""

from uuid import UUID

import pytest

from sealbook.domain.catalogue import Event
from sealbook.domain.credential import (
    AutoRenewed,
    Expired,
    ExpiryObserved,
    PolicySwitched,
    RenewalObjectionLodged,
    Resumed,
    Revoked,
    Suspended,
)
from sealbook.domain.customer import CredentialClosed, CredentialOpened, DeviceSlotReleased, DeviceSlotTaken, Enrolled
from sealbook.domain.device import App, DeviceBound, DeviceRegistered, DeviceReleased, ReleaseReason
from sealbook.domain.errors import Refusal
from sealbook.domain.policy import Adopted, Announced, Withdrawn
from sealbook.domain.values import HolderKind, HolderSubkind, Kind, RenewalCause, SwitchMode
from sealbook.projections.timeline import Entry, timeline
from tests.domain.examples import (
    AUTUMN_2025,
    CLOCK_X,
    ELIGIBLE,
    END,
    ISSUE,
    PERSON,
    PHONE,
    SUMMER,
    USE_D,
    WINTER_2026,
    by_renewal,
    issued_under,
    kst,
    refused,
    used,
)
from tests.projections.records import log

Changes = dict[str, object]
ISSUED = issued_under(USE_D, device=PHONE)
COUNTED = used(SUMMER)


def last_of(*history: Event) -> tuple[Changes, Changes]:
    entry = timeline(log(*history))[-1]
    return entry.before, entry.after


def test_without_events_nothing_happened() -> None:
    assert timeline([]) == []


def test_every_event_has_an_entry_in_order() -> None:
    recorded = log(ISSUED, COUNTED, refused(SUMMER, Refusal.REPORTED, channel="web"))

    assert [entry.recorded for entry in timeline(recorded)] == recorded


def test_an_issue_begins_from_nothing() -> None:
    before, after = last_of(ISSUED)

    assert before == {}
    assert after == {
        "customer": PERSON,
        "kind": Kind.KB_MOBILE_CERTIFICATE,
        "holder": HolderKind.PERSONAL,
        "issued_at": ISSUE,
        "policy": USE_D.ref,
        "policy_since": ISSUE,
        "term.bounds.base": ISSUE,
        "term.bounds.anchor": ISSUE,
        "term.bounds.expires_at": END,
        "term.bounds.eligible_from": ELIGIBLE,
        "term.bounds.calendar": "end_of_day",
        "term.bounds.by_renewal": False,
        "term.uses.count": 0,
        "term.uses.since_eligible": 0,
        "term.uses.recent": (),
        "term.renewals": 0,
        "term.objected": False,
        "term.notices": (),
        "term.consented": False,
        "term.fee_paid": False,
        "device": PHONE,
        "suspended": False,
        "stolen": False,
        "reset_required": False,
        "secret_generation": 0,
        "revoked": False,
        "erased": False,
        "lockout.failures": 0,
        "lockout.locked": False,
        "lockout.for_good": False,
        "last_proof.drift_steps": 0,
        "unlock_methods.chosen": (),
        "unlock_methods.failures": (),
        "links.ids": (),
        "links.services": (),
    }


@pytest.mark.parametrize(
    ("history", "before", "after"),
    [
        pytest.param(
            [COUNTED],
            {"term.uses.count": 0, "term.uses.first": None, "term.uses.recent": ()},
            {"term.uses.count": 1, "term.uses.first": SUMMER, "term.uses.recent": (SUMMER,)},
            id="a use that counts",
        ),
        pytest.param(
            [Suspended(at=SUMMER, reason="lost")],
            {"suspended": False, "suspended_at": None, "suspended_for": None},
            {"suspended": True, "suspended_at": SUMMER, "suspended_for": "lost"},
            id="suspended",
        ),
        pytest.param(
            [Suspended(at=SUMMER, reason="lost"), Resumed(at=SUMMER, evidence=None)],
            {
                "suspended": True,
                "suspended_at": SUMMER,
                "suspended_for": "lost",
                "held_from": None,
                "held_until": None,
            },
            {
                "suspended": False,
                "suspended_at": None,
                "suspended_for": None,
                "held_from": SUMMER,
                "held_until": SUMMER,
            },
            id="resumed",
        ),
        pytest.param(
            [Revoked(at=SUMMER, reason=None)],
            {"revoked": False, "revoked_at": None},
            {"revoked": True, "revoked_at": SUMMER},
            id="revoked",
        ),
        pytest.param(
            [RenewalObjectionLodged(at=SUMMER)], {"term.objected": False}, {"term.objected": True}, id="objected to"
        ),
        pytest.param(
            [Expired(at=END, policy=USE_D.ref, grace_until=END)],
            {"lapsed_at": None, "grace_until": None},
            {"lapsed_at": END, "grace_until": END},
            id="expired",
        ),
        pytest.param([ExpiryObserved(at=SUMMER)], {}, {}, id="seen elsewhere"),
        pytest.param(
            [
                PolicySwitched(
                    at=SUMMER, policy=CLOCK_X.ref, mode=SwitchMode.KEEP, automatic=False, bounds=ISSUED.bounds
                )
            ],
            {"policy": USE_D.ref, "policy_since": ISSUE},
            {"policy": CLOCK_X.ref, "policy_since": SUMMER},
            id="switched",
        ),
    ],
)
def test_an_entry_tells_what_moved_in_a_credential(history: list[Event], before: Changes, after: Changes) -> None:
    assert last_of(ISSUED, *history) == (before, after)


def test_a_renewal_tells_the_period_before_and_after() -> None:
    bounds = by_renewal(kst("2027-10-02"), kst("2026-10-02"), base=AUTUMN_2025)
    before, after = last_of(
        ISSUED, AutoRenewed(at=AUTUMN_2025, policy=USE_D.ref, cause=RenewalCause.USE, bounds=bounds)
    )

    assert (before["term.bounds.expires_at"], after["term.bounds.expires_at"]) == (END, kst("2027-10-02"))
    assert (before["term.renewals"], after["term.renewals"]) == (0, 1)
    assert before.keys() == after.keys()


ENROLLED = Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
CERTIFICATE, HELD = UUID(int=11), (UUID(int=11), Kind.KB_MOBILE_CERTIFICATE)
OPENED = CredentialOpened(at=ISSUE, credential=CERTIFICATE, kind=Kind.KB_MOBILE_CERTIFICATE)
TAKEN = DeviceSlotTaken(at=ISSUE, device=PHONE)


@pytest.mark.parametrize(
    ("history", "before", "after"),
    [
        pytest.param(
            [ENROLLED],
            {},
            {
                "subkind": HolderSubkind.INDIVIDUAL,
                "open_credentials": (),
                "latest_credentials": (),
                "credentials_opened": 0,
                "devices": (),
                "linked_ids": (),
                "services": (),
                "users": (),
                "proposals": (),
                "restricted": False,
                "legal_holds": (),
                "erased": False,
            },
            id="enrolled",
        ),
        pytest.param(
            [ENROLLED, OPENED],
            {"open_credentials": (), "latest_credentials": (), "credentials_opened": 0},
            {"open_credentials": (HELD,), "latest_credentials": (HELD,), "credentials_opened": 1},
            id="a credential opened",
        ),
        pytest.param(
            [ENROLLED, OPENED, CredentialClosed(at=SUMMER, credential=CERTIFICATE)],
            {"open_credentials": (HELD,)},
            {"open_credentials": ()},
            id="a credential closed",
        ),
        pytest.param([ENROLLED, TAKEN], {"devices": ()}, {"devices": (PHONE,)}, id="a device slot taken"),
        pytest.param(
            [ENROLLED, TAKEN, DeviceSlotReleased(at=SUMMER, device=PHONE)],
            {"devices": (PHONE,)},
            {"devices": ()},
            id="a device slot released",
        ),
    ],
)
def test_an_entry_tells_what_moved_in_a_customer(history: list[Event], before: Changes, after: Changes) -> None:
    assert last_of(*history) == (before, after)


APP = App(version="6.2.0", store="google_play")
REGISTERED, BOUND = (
    DeviceRegistered(at=ISSUE, model="SM-S921N", os_version="15", app=APP),
    DeviceBound(at=ISSUE, customer=PERSON),
)
AS_REGISTERED: Changes = {
    "app.version": "6.2.0",
    "app.store": "google_play",
    "os_version": "15",
    "suspended": False,
    "stolen": False,
    "retired": False,
}


@pytest.mark.parametrize(
    ("history", "before", "after"),
    [
        pytest.param([REGISTERED], {}, AS_REGISTERED, id="registered"),
        pytest.param([REGISTERED, BOUND], {"customer": None}, {"customer": PERSON}, id="bound"),
        pytest.param(
            [REGISTERED, BOUND, DeviceReleased(at=SUMMER, customer=PERSON, reason=ReleaseReason.RETURNED)],
            {"customer": PERSON},
            {"customer": None},
            id="released",
        ),
    ],
)
def test_an_entry_tells_what_moved_in_a_device(history: list[Event], before: Changes, after: Changes) -> None:
    assert last_of(*history) == (before, after)


ANNOUNCED = Announced(at=ISSUE, document=USE_D)
NONE: frozenset[int] = frozenset()


@pytest.mark.parametrize(
    ("history", "before", "after"),
    [
        pytest.param(
            [ANNOUNCED],
            {},
            {"versions": (USE_D,), "announced": frozenset({1}), "withdrawn": NONE},
            id="announced",
        ),
        pytest.param(
            [Adopted(at=WINTER_2026, document=USE_D)],
            {},
            {"versions": (USE_D,), "announced": NONE, "withdrawn": NONE},
            id="adopted",
        ),
        pytest.param(
            [ANNOUNCED, Withdrawn(at=SUMMER, version=1)],
            {"withdrawn": NONE},
            {"withdrawn": frozenset({1})},
            id="withdrawn",
        ),
    ],
)
def test_an_entry_tells_what_moved_in_a_policy(history: list[Event], before: Changes, after: Changes) -> None:
    assert last_of(*history) == (before, after)


def test_an_entry_is_a_value() -> None:
    recorded = log(REGISTERED)

    assert timeline(recorded) == [Entry(recorded=recorded[0], before={}, after=AS_REGISTERED)]
