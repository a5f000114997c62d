"""Whatever happens on the way: one call, one effect, and the caller learns of it. For both clients."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

import pytest

from sealbook.adapters.client import holders, lives, office, reading, uses
from sealbook.adapters.client.calls import Call
from sealbook.client import AsyncClient, Client, Code, NoAnswer, Patience, Problem, Use, Wish
from tests.adapters.client.running import Fault, Faulty, Holder, Running

T = TypeVar("T")
Ask = Callable[[str, str, Call[T]], T]
PATIENT = Patience(deadline_seconds=60, attempt_seconds=30, wait_seconds=0.01)
BRISK = Patience(deadline_seconds=60, attempt_seconds=1.0, wait_seconds=0.01)
IMPATIENT = Patience(deadline_seconds=0.5, attempt_seconds=0.5, wait_seconds=0.01)


def ask(awaited: bool, address: str, token: str, call: Call[T], patience: Patience = PATIENT) -> T:
    async def later() -> T:
        async with AsyncClient(address, token=token, patience=patience) as client:
            return await client.send(call)

    if awaited:
        return asyncio.run(later())
    with Client(address, token=token, patience=patience) as client:
        return client.send(call)


def events(service: Running, alice: Holder) -> list[str]:
    with service.client() as teller:
        return [each.event for each in teller.credential_history(alice.secret.id or "", reason="test")]


BOTH = pytest.mark.parametrize("awaited", [False, True], ids=["waiting", "awaited"])
DONE_BEFORE = {Fault.CUT_AFTER, Fault.CUT_WITHIN, Fault.GATEWAY_TIMEOUT}
"""Faults that befall a command which was carried out: what comes in the end is the first answer again."""


@BOTH
@pytest.mark.parametrize(
    "fault",
    [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.CUT_WITHIN, Fault.BUSY, Fault.LIMITED, Fault.GATEWAY_TIMEOUT],
    ids=lambda fault: fault.name,
)
def test_a_use_is_carried_out_once(service: Running, way: Faulty, alice: Holder, fault: Fault, awaited: bool) -> None:
    way.plan(fault, fault)

    used = ask(awaited, way.address, service.teller, uses.use_code(alice.secret.id or "", alice.code))

    assert used.events == ("credential.used",)
    assert used.repeated is (fault in DONE_BEFORE)
    assert len(way.keys) == 3
    assert len(set(way.keys)) == 1
    assert events(service, alice).count("credential.used") == 1


@BOTH
def test_an_answer_that_does_not_come_is_asked_for_again(
    service: Running, way: Faulty, alice: Holder, awaited: bool
) -> None:
    way.plan(Fault.SILENT_AFTER)

    used = ask(awaited, way.address, service.teller, uses.use_code(alice.secret.id or "", alice.code), BRISK)

    assert (used.repeated, len(way.keys)) == (True, 2)
    assert events(service, alice).count("credential.used") == 1


@BOTH
def test_who_gives_up_can_ask_later_with_the_same_key(
    service: Running, way: Faulty, alice: Holder, awaited: bool
) -> None:
    way.plan(*[Fault.SILENT_AFTER] * 9)
    call = lives.suspend(alice.secret.id or "", reason="phone left behind")

    with pytest.raises(NoAnswer) as given_up:
        ask(awaited, way.address, service.teller, call, IMPATIENT)

    assert given_up.value.in_doubt
    assert given_up.value.key == call.key
    again = lives.suspend(alice.secret.id or "", reason="phone left behind", key=given_up.value.key or uuid4())
    assert ask(awaited, service.address, service.teller, again).repeated
    assert events(service, alice).count("credential.suspended") == 1


@BOTH
def test_a_command_that_never_arrived_is_not_in_doubt(service: Running, awaited: bool) -> None:
    call = holders.enroll(f"200-{uuid4().hex[:8]}")
    # Port 9 of this computer: nobody answers.
    with pytest.raises(NoAnswer) as given_up:
        ask(awaited, "http://127.0.0.1:9", service.teller, call, IMPATIENT)

    assert not given_up.value.in_doubt


@BOTH
def test_a_refusal_is_not_sent_again(service: Running, way: Faulty, alice: Holder, awaited: bool) -> None:
    way.plan(Fault.CUT_AFTER)

    with pytest.raises(Problem) as refused:
        ask(awaited, way.address, service.teller, uses.use_code(alice.secret.id or "", "000000"))

    assert (refused.value.code, refused.value.status) == ("bad_proof", 403)
    assert refused.value.position is not None
    assert not refused.value.in_doubt
    assert len(way.keys) == 2
    assert events(service, alice).count("credential.use_refused") == 1


@BOTH
def test_a_secret_whose_answer_was_lost_can_be_had_anew(
    service: Running, way: Faulty, alice: Holder, awaited: bool
) -> None:
    way.plan(Fault.CUT_AFTER)

    lost = ask(awaited, way.address, service.teller, lives.set_secret(alice.secret.id or ""))
    anew = ask(awaited, way.address, service.teller, lives.set_secret(alice.secret.id or ""))

    assert (lost.repeated, lost.provisioning_uri) == (True, None)
    assert anew.provisioning_uri is not None
    assert events(service, alice).count("credential.secret_set") == 3


@BOTH
def test_a_webhook_is_not_registered_again_in_doubt(service: Running, way: Faulty, awaited: bool) -> None:
    way.plan(Fault.CUT_AFTER)
    administrator = service.token("administrator")
    call = office.register_webhook("https://93.184.215.14/hook", ["credential.revoked"])

    with pytest.raises(NoAnswer) as lost:
        ask(awaited, way.address, administrator, call)

    assert lost.value.in_doubt
    assert call.key is not None
    assert len(way.keys) == 1
    assert ask(awaited, service.address, administrator, office.webhook(call.key)).id == call.key
    assert ask(awaited, service.address, administrator, office.rotate_webhook_secret(call.key)).secret


@BOTH
def test_a_rotation_whose_answer_was_lost_leaves_the_old_secret(service: Running, way: Faulty, awaited: bool) -> None:
    administrator = service.token("administrator")
    with service.client(administrator) as office_of:
        hook = office_of.register_webhook("https://93.184.215.14/hook", ["credential.revoked"]).id
        way.plan(Fault.CUT_AFTER)
        ask(awaited, way.address, administrator, office.rotate_webhook_secret(hook))
        until = office_of.webhook(hook).old_secret_until
        assert len(way.keys) == 2
        office_of.rotate_webhook_secret(hook)
        assert office_of.webhook(hook).old_secret_until == until


@BOTH
def test_a_batch_is_sent_again_as_it_was(service: Running, way: Faulty, alice: Holder, awaited: bool) -> None:
    way.plan(Fault.CUT_AFTER)
    credential = str(alice.secret.id)
    right = Wish(credential=credential, use=Use(proof=Code(alice.code)))
    wrong = Wish(credential="nobody's", use=Use(proof=Code("123456")))

    used, refused = ask(awaited, way.address, service.teller, uses.use_many([right, wrong]))

    assert not isinstance(used, Problem)
    assert (used.id, used.events) == (alice.secret.id, ("credential.used",))
    assert isinstance(refused, Problem)
    assert (refused.code, refused.key) == ("not_found", wrong.idempotency_key)
    assert events(service, alice).count("credential.used") == 1


@BOTH
def test_a_look_that_was_lost_is_made_again(service: Running, way: Faulty, alice: Holder, awaited: bool) -> None:
    way.plan(Fault.CUT_WITHIN, Fault.CUT_BEFORE, Fault.BUSY)

    seen = ask(awaited, way.address, service.teller, reading.credential(alice.secret.id or "", reason="test"))

    assert (seen.validity.state, len(way.keys)) == ("active", 4)
