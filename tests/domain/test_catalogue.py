"""The catalogue: a permanent name for every event, and each event to its own aggregate."""

import re
from dataclasses import MISSING, fields
from typing import get_args
from uuid import UUID

import pytest

from sealbook.domain import credential, customer, device, ledger, policy
from sealbook.domain.catalogue import EVENT_TYPES, Aggregate, Event, event_name, evolve, refusal_of
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import HolderSubkind, Step
from tests.domain.examples import ISSUE, PERSON, USE_D, credential_after, issued_under, refused, used

ENROLLED = customer.Enrolled(at=ISSUE, subkind=HolderSubkind.INDIVIDUAL, provenance=None)
APP = device.App(version="6.2.10", store="google_play")
REGISTERED = device.DeviceRegistered(at=ISSUE, model="SM-S921N", os_version="16", app=APP)
ANNOUNCED = policy.Announced(at=ISSUE, document=USE_D)
ISSUED = issued_under(USE_D)
MAPPED = ledger.HeadsMapped(at=ISSUE, tree_size=5, streams=2, root="ab" * 32)


def test_the_catalogue_holds_every_event_of_every_aggregate() -> None:
    members = {
        each
        for union in (customer.Event, device.Event, credential.Event, policy.Event, ledger.Event)
        for each in get_args(union)
    }

    assert EVENT_TYPES.keys() == members


def test_names_are_unique_and_made_of_an_aggregate_and_a_fact() -> None:
    names = [(each.name, each.version) for each in EVENT_TYPES.values()]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name, _ in names)


def test_a_name_begins_with_the_aggregate_of_its_event() -> None:
    for event_class, event_type in EVENT_TYPES.items():
        assert f".domain.{event_type.name.partition('.')[0]}" in event_class.__module__


@pytest.mark.parametrize("event_class", EVENT_TYPES, ids=lambda each: each.__name__)
def test_an_event_says_when_it_was_so_and_leaves_nothing_to_a_default(event_class: type[Event]) -> None:
    declared = fields(event_class)

    assert declared[0].name == "at"
    assert all(each.default is MISSING and each.default_factory is MISSING for each in declared)


def test_an_event_is_called_by_its_name() -> None:
    assert event_name(ISSUED) == "credential.issued"
    assert EVENT_TYPES[type(ISSUED)].version == 1


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (ENROLLED, customer.Customer(subkind=HolderSubkind.INDIVIDUAL)),
        (REGISTERED, device.Device(app=APP, os_version="16")),
        (ISSUED, credential_after(ISSUED)),
        (ANNOUNCED, policy.fold([ANNOUNCED])),
        (MAPPED, ledger.fold([MAPPED])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_moves_the_aggregate_that_it_speaks_of(event: Event, state: Aggregate) -> None:
    assert evolve(None, event) == state


@pytest.mark.parametrize(
    ("first", "second"),
    [(ENROLLED, REGISTERED), (REGISTERED, ISSUED), (ISSUED, ANNOUNCED), (ANNOUNCED, MAPPED), (MAPPED, ENROLLED)],
    ids=lambda event: type(event).__name__,
)
def test_a_stream_holds_the_events_of_one_aggregate(first: Event, second: Event) -> None:
    with pytest.raises(TypeError, match="in a stream of"):
        evolve(evolve(None, first), second)


def test_a_second_event_is_applied_to_what_the_first_left() -> None:
    taken = customer.DeviceSlotTaken(at=ISSUE, device=UUID(int=7))

    assert evolve(evolve(None, ENROLLED), taken) == customer.fold([ENROLLED, taken])


def test_a_history_of_a_customer_or_a_device_may_be_folded_in_parts() -> None:
    restricted = customer.CustomerRestricted(at=ISSUE, reason="court")
    bound = device.DeviceBound(at=ISSUE, customer=PERSON)

    assert customer.fold([restricted], customer.fold([ENROLLED])) == customer.fold([ENROLLED, restricted])
    assert device.fold([bound], device.fold([REGISTERED])) == device.fold([REGISTERED, bound])


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param(refused(ISSUE, Refusal.LOCKED), Refusal.LOCKED, id="a use"),
        pytest.param(refused(ISSUE, Refusal.REPORTED), None, id="a use that was refused elsewhere"),
        pytest.param(
            credential.StepFailed(at=ISSUE, step=Step.PHONE, reason=Refusal.MISMATCH, attempt=1),
            Refusal.MISMATCH,
            id="a step",
        ),
        pytest.param(used(ISSUE), None, id="a use that passed"),
    ],
)
def test_a_refusal_that_is_recorded_says_why(event: Event, reason: Refusal | None) -> None:
    assert refusal_of(event) is reason


def test_a_refusal_has_a_code_and_says_what_to_do() -> None:
    refused = Refused(Refusal.WINDOW, "ask again in March")

    assert (refused.code, refused.message) == (Refusal.WINDOW, "ask again in March")
    assert str(refused) == "ask again in March [window]"


def test_codes_are_unique_and_permanent() -> None:
    # A code stands in stored events and in what callers have written: adding is free, renaming is not.
    assert {code.value for code in Refusal} >= {
        "already_final",
        "already_held",
        "already_issued",
        "app_outdated",
        "application_ended",
        "applying",
        "attestation",
        "back_in_time",
        "bad_proof",
        "code_expired",
        "command_id_forgotten",
        "command_id_reused",
        "customer_state",
        "device_slot",
        "device_state",
        "device_taken",
        "doc_type",
        "duplicate",
        "evidence",
        "expired",
        "fee_unpaid",
        "four_eyes",
        "integrity",
        "last_admin",
        "last_method",
        "legal_hold",
        "link_limit",
        "linked_elsewhere",
        "lock_screen",
        "locked",
        "mismatch",
        "name_mismatch",
        "network",
        "no_policy",
        "not_eligible",
        "not_found",
        "not_issued",
        "not_linked",
        "not_own_name",
        "open_fee",
        "permanent",
        "policy_notice",
        "policy_version",
        "renewals_exhausted",
        "replay",
        "reported",
        "reset_required",
        "retention",
        "revoked",
        "role",
        "scope",
        "step_order",
        "suspended",
        "too_late",
        "too_many_attempts",
        "unknown_request",
        "unlock_method",
        "version",
        "window",
        "wrong_device",
    }
