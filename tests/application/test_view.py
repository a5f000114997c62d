"""What a batch of decisions sees of policies: found once, noted of each command, never staler than the batch."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from sealbook.application.names import Name, NameKind
from sealbook.application.ports import Head
from sealbook.application.view import View
from sealbook.domain import policy
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy import Policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_kinds, preset_policies

AT = datetime(2024, 3, 10, tzinfo=UTC)
FIRST = preset_policies()["D"]
SECOND = RenewalPolicy.model_validate({**FIRST.model_dump(), "version": 2})
NAME, STREAM = Name(NameKind.POLICY, "D"), UUID(int=1)


def adopted(document: RenewalPolicy) -> policy.Adopted:
    return policy.Adopted(at=AT, document=document)


def view_of_one(*, named: bool = True) -> View:
    held = Head(version=1, state=Policy(versions=(FIRST,)))
    return View(heads={STREAM: held}, names={NAME: STREAM if named else None}, kinds=preset_kinds())


def test_each_command_that_asks_for_a_policy_has_read_it() -> None:
    view = view_of_one()

    for _ in range(3):
        decided = view.begin()
        assert view.policies.policy(FIRST.ref) == FIRST
        assert (decided.read, decided.asked) == ({STREAM}, {NAME})
        view.accept()


def test_what_one_command_has_read_is_not_another_s() -> None:
    view = view_of_one()
    first = view.begin()
    view.policies.policy(FIRST.ref)
    first.read.add(UUID(int=9))

    second = view.begin()
    view.policies.policy(FIRST.ref)

    assert second.read == {STREAM}


def test_a_command_sees_at_once_what_it_does_to_a_policy_that_was_asked_for() -> None:
    view = view_of_one()
    view.begin()
    view.policies.policy(FIRST.ref)

    view.apply(STREAM, [adopted(SECOND)])

    assert view.policies.policy(SECOND.ref) == SECOND


def test_the_next_command_sees_what_an_accepted_one_did_to_a_policy() -> None:
    view = view_of_one()
    view.begin()
    view.policies.policy(FIRST.ref)
    view.apply(STREAM, [adopted(SECOND)])
    view.accept()

    decided = view.begin()

    assert view.policies.policy(SECOND.ref) == SECOND
    assert decided.read == {STREAM}


@pytest.mark.parametrize("asked_before", [True, False])
def test_what_a_refused_command_did_to_a_policy_is_seen_by_nobody(asked_before: bool) -> None:
    view = view_of_one()
    view.begin()
    if asked_before:
        view.policies.policy(FIRST.ref)
    view.apply(STREAM, [adopted(SECOND)])
    view.policies.policy(SECOND.ref)

    # The command was refused: it is not accepted.
    view.begin()

    with pytest.raises(Refused) as caught:
        view.policies.policy(SECOND.ref)
    assert caught.value.code is Refusal.NO_POLICY


def test_a_name_that_a_refused_command_gave_to_a_policy_is_free() -> None:
    view = view_of_one(named=False)
    view.begin()
    view.claim(NAME, STREAM)
    view.policies.policy(FIRST.ref)

    decided = view.begin()

    with pytest.raises(Refused):
        view.policies.policy(FIRST.ref)
    assert decided.asked == {NAME}
