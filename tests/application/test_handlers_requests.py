"""What is true of every request: carried out once, all or nothing, on what it names, and refused without a trace."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.adopting import AdoptAttempt, AdoptFact, AdoptIssued
from sealbook.application.commands import Request, targets
from sealbook.application.erasing import EraseCredential, EraseCustomer
from sealbook.application.handlers import handle
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind, Ref
from sealbook.application.ports import NO_HEAD, Head
from sealbook.application.record_keeping import OnLedger
from sealbook.application.requests import (
    AddCompanyUser,
    ChangeRole,
    CloseCustomer,
    LinkId,
    LinkService,
    OnApplication,
    OnCustomer,
    OnDevice,
    OnPolicy,
    OnTransaction,
    RecoverDevice,
    ReleaseDevice,
    RemoveCompanyUser,
    ReplaceDevice,
    ReportLoss,
    UnlinkId,
)
from sealbook.application.view import NotLoaded, View
from sealbook.domain import customer, device, ledger, policy
from sealbook.domain.credential import Escalate, Revoke, StepFailed, Use, UseRefused
from sealbook.domain.errors import Refusal
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import Kind, PolicyRef, Role, Service
from tests.application.branch import (
    ALICE,
    BOB,
    COMPANY,
    HELD,
    NEW_PHONE,
    NEXT,
    NO_PHONE,
    NOBODY,
    PHONE,
    THIRD,
    Branch,
    apply,
    complete,
    employ,
    enroll,
    identity_of,
    issue,
    lapsed_by,
    on,
    register,
    steps,
    verify_phone,
)
from tests.commands import FEBRUARY, KIND, MARCH, name

D1 = PolicyRef("D", 1)
BY_NAME = name(f"number of {ALICE}")
CUSTOMER, DEVICE, CREDENTIAL = "customer", "device", "credential"


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request that is accepted after others, and what its ids are of."""

    request: Request
    after: tuple[Request, ...] = ()
    names: dict[str, str]


def link() -> LinkId:
    return LinkId(at=MARCH, credential=HELD, bank_id="id-1", owner=ALICE, purpose="household", unlocked_at=MARCH)


def adopted(number: str) -> AdoptIssued:
    return AdoptIssued(
        at=FEBRUARY,
        credential=NEXT,
        name=name(number, NameKind.CREDENTIAL),
        customer=name(number),
        customer_stream=NOBODY,
        kind=KIND,
        policy=D1,
        provenance="a test",
    )


def attempted(number: str) -> AdoptAttempt:
    return AdoptAttempt(
        at=FEBRUARY,
        customer=name(number),
        customer_stream=NOBODY,
        stream=NEXT,
        kind=KIND,
        policy=D1,
        provenance="a test",
        reissue=True,
    )


def examples() -> Iterator[Example]:
    yield Example(request=enroll(NOBODY), names={"customer": CUSTOMER})
    yield Example(
        request=AddCompanyUser(at=MARCH, customer=COMPANY, person=ALICE),
        names={"customer": CUSTOMER, "person": CUSTOMER},
    )
    yield Example(
        request=ChangeRole(at=MARCH, customer=COMPANY, person=BY_NAME, role=Role.MAKER, granted=True),
        after=tuple(employ(ALICE)),
        names={"customer": CUSTOMER},
    )
    yield Example(
        request=RemoveCompanyUser(at=MARCH, customer=COMPANY, person=BY_NAME),
        after=tuple(employ(ALICE)),
        names={"customer": CUSTOMER},
    )
    yield Example(
        request=OnTransaction(at=MARCH, customer=COMPANY, transaction="t-1", by=BY_NAME, approved=False),
        after=tuple(employ(ALICE, Role.MAKER)),
        names={"customer": CUSTOMER},
    )
    yield Example(
        request=OnCustomer(customer=ALICE, command=customer.Restrict(at=MARCH, reason="fraud")),
        names={"customer": CUSTOMER},
    )
    yield Example(request=CloseCustomer(at=MARCH, customer=ALICE), names={"customer": CUSTOMER})
    yield from of_devices()
    yield from of_credentials()
    yield Example(
        request=OnPolicy(
            policy_id="G30", stream=THIRD, command=policy.Adopt(at=MARCH, document=preset_policies()["G30"])
        ),
        names={"stream": "policy"},
    )
    changed = ledger.ChangeKey(at=MARCH, purpose=ledger.KeyPurpose.MAC, key_id=2)
    yield Example(request=OnLedger(command=changed), names={})
    yield Example(request=adopted("9-1"), names={"credential": CREDENTIAL, "customer_stream": CUSTOMER})
    fact = AdoptFact(credential=HELD, fact=Revoke(at=MARCH))
    yield Example(request=fact, after=(issue(),), names={"credential": CREDENTIAL})
    yield Example(request=attempted("9-2"), names={"stream": CREDENTIAL, "customer_stream": CUSTOMER})


def of_devices() -> Iterator[Example]:
    yield Example(request=register(NO_PHONE), names={"device": DEVICE})
    yield Example(request=OnDevice(device=PHONE, command=device.Retire(at=MARCH)), names={"device": DEVICE})
    at = lapsed_by()
    yield Example(request=ReleaseDevice(at=at, device=PHONE), after=(issue(),), names={"device": DEVICE})
    lost = ReportLoss(at=MARCH, lost=PHONE)
    yield Example(request=lost, after=(issue(),), names={})
    yield Example(
        request=RecoverDevice(at=MARCH, device=PHONE, evidence="e"), after=(issue(), lost), names={"device": DEVICE}
    )
    yield Example(
        request=ReplaceDevice(at=MARCH, old=PHONE, new=NEW_PHONE, evidence="e"),
        after=(issue(),),
        names={"old": DEVICE, "new": DEVICE},
    )


def of_credentials() -> Iterator[Example]:
    held = {"credential": CREDENTIAL}
    yield Example(request=apply(), names={"credential": CREDENTIAL, "customer": CUSTOMER, "device": DEVICE})
    yield Example(request=verify_phone(), after=(apply(),), names=held)
    yield Example(request=OnApplication(credential=HELD, command=Escalate(at=FEBRUARY)), after=(apply(),), names=held)
    yield Example(request=complete(), after=(apply(), *passed()), names=held)
    yield Example(request=issue(), names={"credential": CREDENTIAL, "customer": CUSTOMER, "device": DEVICE})
    yield Example(request=on(Use(at=MARCH, device=PHONE)), after=(issue(),), names=held)
    yield Example(request=link(), after=(issue(),), names={"credential": CREDENTIAL, "owner": CUSTOMER})
    yield Example(request=UnlinkId(at=MARCH, credential=HELD, bank_id="id-1"), after=(issue(), link()), names=held)
    service = LinkService(at=MARCH, credential=HELD, service=Service.PERSONAL_BANKING)
    yield Example(request=service, after=(issue(),), names=held)
    erase = EraseCredential(at=lapsed_by().replace(year=2035), credential=HELD, basis="retention over")
    yield Example(request=erase, after=(issue(), on(Revoke(at=MARCH))), names=held)
    erase_all = EraseCustomer(
        at=erase.at, customer=ALICE, basis="act 21", approved_by="officer 7", credentials=(HELD,), devices=(PHONE,)
    )
    closed = (issue(), on(Revoke(at=MARCH)), CloseCustomer(at=MARCH, customer=ALICE))
    yield Example(request=erase_all, after=closed, names={"customer": CUSTOMER})


def passed() -> Iterator[Request]:
    """The steps of Alice's application for a certificate."""
    branch = Branch(MemoryEventStore(clock=lambda: FEBRUARY))
    branch.told(branch.script.adopt_policy().request, enroll(ALICE), register(PHONE), apply())
    yield from steps(branch.application(), HELD, at=FEBRUARY)


EXAMPLES = {type(each.request): each for each in examples()}
for_each = pytest.mark.parametrize("example", EXAMPLES.values(), ids=lambda each: type(each.request).__name__)


def test_every_class_of_requests_has_its_example() -> None:
    assert set(EXAMPLES) == set(get_args(Request))


@for_each
def test_a_request_that_is_sent_again_is_answered_as_before_and_adds_nothing(branch: Branch, example: Example) -> None:
    branch.told(*example.after)
    first = branch.ask(example.request, command_id=THIRD)
    position = branch.store.last_position()

    again = branch.ask(example.request, command_id=THIRD)

    assert (first.accepted, bool(first.events), first.repeated, again.repeated) == (True, True, False, True)
    assert (again.refusal, again.stream, again.position) == (None, first.stream, first.position)
    assert branch.store.last_position() == position == first.position


@for_each
def test_a_request_that_is_sent_twice_at_once_is_carried_out_once(branch: Branch, example: Example) -> None:
    branch.told(*example.after)
    command = branch.script.command(example.request)

    first, again = execute(branch.store, [command, command], kinds=branch.kinds)

    assert (again.repeated, again.position) == (True, first.position)
    assert branch.store.last_position() == first.position


@for_each
def test_what_a_request_moves_is_appended_at_once_and_reads_what_it_names(branch: Branch, example: Example) -> None:
    branch.told(*example.after)
    before = branch.store.last_position()

    read, moved = decided(branch, example.request)
    outcome = branch.ask(example.request)

    assert set(targets(example.request)) <= read
    assert moved <= read
    appended = branch.store.read(after=before, limit=100)
    assert len({each.command_id for each in appended}) == 1
    assert tuple(each.event for each in appended) == outcome.events


def decided(branch: Branch, request: Request) -> tuple[set[Ref], set[Ref]]:
    """What a decision reads and moves, with whatever it asks for loaded."""
    heads: dict[UUID, Head] = {}
    names: dict[Name, UUID | None] = {}
    while True:
        view = View(heads=heads, names=names, kinds=branch.kinds)
        gathered = view.begin()
        try:
            handle(view, request)
        except NotLoaded as gap:
            missing = gap.missing
        else:
            return {*gathered.read, *gathered.asked}, {*gathered.heads, *gathered.names}
        if isinstance(missing, UUID):
            loaded = branch.store.load(streams=[missing], names=[], commands=[])
            heads[missing] = loaded.heads.get(missing, NO_HEAD)
        else:
            names[missing] = branch.store.load(streams=[], names=[missing], commands=[]).names.get(missing)


FOREIGN = {CUSTOMER: PHONE, DEVICE: BOB, CREDENTIAL: BOB, "policy": BOB}
of_another_aggregate = [
    pytest.param(example, field, id=f"{type(example.request).__name__}.{field}")
    for example in EXAMPLES.values()
    for field in example.names
]


@pytest.mark.parametrize(("example", "field"), of_another_aggregate)
def test_an_id_of_another_aggregate_is_refused(branch: Branch, example: Example, field: str) -> None:
    branch.told(*example.after)
    request: Any = example.request
    foreign: Request = replace(request, **{field: FOREIGN[example.names[field]]})

    assert branch.refused(foreign) is Refusal.NOT_FOUND


BEGINNINGS = {"EnrollCustomer", "RegisterDevice", "OnPolicy", "OnLedger"}


@for_each
def test_in_an_empty_ledger_only_beginnings_are_accepted(memory_store: MemoryEventStore, example: Example) -> None:
    branch = Branch(memory_store)

    if type(example.request).__name__ in BEGINNINGS:
        branch.told(example.request)
    else:
        assert branch.refused(example.request) is not None


@for_each
def test_a_refusal_leaves_nothing_but_the_record_of_a_use_or_a_step(branch: Branch, example: Example) -> None:
    """Each request, sent as a new command once it was carried out, and at the end of everything."""
    branch.told(*example.after, example.request)
    for last in ((), (on(Revoke(at=MARCH)),), (CloseCustomer(at=MARCH, customer=ALICE),)):
        for request in last:
            branch.ask(request)
        before = branch.store.last_position()

        outcome = branch.ask(example.request)

        recorded = [each for each in outcome.events if isinstance(each, UseRefused | StepFailed)]
        assert outcome.accepted or len(recorded) == len(outcome.events)
        assert branch.store.last_position() == before + len(outcome.events)


def test_a_refused_use_and_a_failed_step_are_answered_and_recorded(branch: Branch) -> None:
    branch.told(issue(), apply(NEXT, person=BOB, device=NEW_PHONE, kind=Kind.MOBILE_OTP))

    for request, refusal, event in (
        (on(Use(at=MARCH, device=NEW_PHONE)), Refusal.WRONG_DEVICE, "credential.use_refused"),
        (verify_phone(NEXT, identity_of(ALICE)), Refusal.NAME_MISMATCH, "credential.step_failed"),
    ):
        first = branch.ask(request, command_id=THIRD if event.endswith("failed") else NOBODY)
        again = branch.ask(request, command_id=THIRD if event.endswith("failed") else NOBODY)
        assert [each.stored.name for each in first.events] == [event]
        assert (first.refusal, again.refusal, again.position) == (refusal, refusal, first.position)
        assert first.position == branch.store.last_position()


def test_targets_are_what_a_request_names_and_its_policy() -> None:
    assert set(targets(issue())) == {HELD, ALICE, PHONE, Name(NameKind.POLICY, "D")}
    assert set(targets(verify_phone())) == {HELD, identity_of(ALICE)}
    assert targets(on(Use(at=MARCH, device=PHONE))) == (HELD,)
    assert Name(NameKind.CREDENTIAL, "9-2") in targets(attempted("9-2"))
