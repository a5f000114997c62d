"""What one fact brings about elsewhere: at once, once, and after a crash all the same."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.cascades import Source, Surroundings, carry_out, catch_up, derived_id, reactions
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import EventStore, read_all
from sealbook.application.requests import (
    AddCompanyUser,
    ApplyForCredential,
    ChangeRole,
    CloseCustomer,
    EnrollCustomer,
    IssueCredential,
    LinkId,
    OnCredential,
    OnCustomer,
    OnDevice,
    RegisterDevice,
    RemoveCompanyUser,
)
from sealbook.domain import credential, customer, device
from sealbook.domain.catalogue import event_name
from sealbook.domain.credential import Credential, Resume, Suspend
from sealbook.domain.device import App
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import HolderSubkind, Kind, Role, Service
from tests.commands import A_YEAR_LATER, APP, FEBRUARY, JANUARY, MARCH, Script

PERSON, COMPANY, PHONE, HELD = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
Request = OnCustomer | OnDevice | CloseCustomer
on_customer: Callable[..., OnCustomer] = OnCustomer


@pytest.fixture
def script() -> Script:
    return Script(seed=9)


@pytest.fixture
def store(memory_store: MemoryEventStore, script: Script) -> MemoryEventStore:
    """A person with a certificate on a phone, issued in February."""
    begun = [
        script.adopt_policy(),
        script.enroll(PERSON),
        script.register(PHONE),
        script.issue(HELD, customer=PERSON, device=PHONE),
    ]
    assert all(outcome.accepted for outcome in execute(memory_store, begun))
    return memory_store


def held(store: EventStore, stream: UUID = HELD) -> Credential:
    state = store.load(streams=[stream], names=(), commands=()).heads[stream].state
    assert isinstance(state, Credential)
    return state


def told(store: EventStore, *commands: Command) -> None:
    assert all(outcome.accepted for outcome in carry_out(store, commands))


def restrict(script: Script, *, at: datetime = MARCH) -> Command:
    return script.command(OnCustomer(customer=PERSON, command=customer.Restrict(at=at, reason="court")))


def lift(script: Script, *, at: datetime = MARCH) -> Command:
    return script.command(OnCustomer(customer=PERSON, command=customer.LiftRestriction(at=at)))


def test_a_restriction_holds_all_that_the_customer_has_until_it_is_lifted(store: EventStore, script: Script) -> None:
    told(store, restrict(script))
    assert held(store).suspended_for == "customer_restricted"

    told(store, lift(script))
    assert not held(store).suspended


def test_a_hold_for_another_reason_stays_when_a_restriction_is_lifted(store: EventStore, script: Script) -> None:
    told(store, script.suspend(HELD), restrict(script), lift(script))

    assert held(store).suspended


def test_nothing_is_resumed_while_the_customer_is_restricted(store: EventStore, script: Script) -> None:
    told(store, restrict(script))

    (outcome,) = carry_out(store, [script.on(HELD, Resume(at=MARCH))])

    assert outcome.refusal == "customer_state"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (on_customer(customer=PERSON, command=customer.RecordDeath(at=MARCH, evidence="certificate")), "cessation"),
        (CloseCustomer(at=MARCH, customer=PERSON), "cessation"),
        (OnDevice(device=PHONE, command=device.Retire(at=MARCH)), "cessation"),
    ],
    ids=["death", "closure", "retirement of the device"],
)
def test_the_credentials_end_with_their_holder_and_their_device(
    store: EventStore, script: Script, end: Request, reason: str
) -> None:
    told(store, script.command(end))

    revoked = [each.event for each in store.stream(HELD)][-1]
    assert isinstance(revoked, credential.Revoked)
    assert str(revoked.reason).startswith(reason)
    assert event_name(store.stream(PHONE)[-1].event) == "device.released"


def test_an_application_ends_with_its_applicant(store: EventStore, script: Script) -> None:
    applied = UUID(int=50)
    apply = ApplyForCredential(
        at=MARCH, credential=applied, name=None, customer=PERSON, kind=Kind.MOBILE_OTP, device=PHONE, policy_id="D"
    )
    told(store, script.command(apply), script.command(CloseCustomer(at=MARCH, customer=PERSON)))

    assert event_name(store.stream(applied)[-1].event) == "credential.application_abandoned"


def test_a_changed_name_ends_what_shows_it_and_nothing_else(store: EventStore, script: Script) -> None:
    kinds = preset_kinds()
    rename = script.command(OnCustomer(customer=PERSON, command=customer.ChangeName(at=MARCH, evidence="register")))
    assert not kinds.kind(Kind.KB_MOBILE_CERTIFICATE).name_bound
    assert kinds.kind(Kind.FINANCIAL_CERTIFICATE).name_bound

    financial = _financial(store, script)
    told(store, rename)

    assert not held(store).revoked
    assert held(store, financial).revoked


def test_who_leaves_a_service_loses_what_is_for_its_members(store: EventStore, script: Script) -> None:
    financial = _financial(store, script)
    leave = OnCustomer(customer=PERSON, command=customer.LeaveService(at=MARCH, service=Service.INTERNET_BANKING))

    told(store, script.command(leave))

    assert held(store, financial).revoked
    assert not held(store).revoked


def _financial(store: EventStore, script: Script) -> UUID:
    stream = UUID(int=60)
    join = OnCustomer(customer=PERSON, command=customer.JoinService(at=JANUARY, service=Service.INTERNET_BANKING))
    issue = script.issue(stream, customer=PERSON, device=PHONE).request
    assert isinstance(issue, IssueCredential)
    told(
        store,
        script.adopt_policy("F3"),
        script.command(join),
        script.command(replace(issue, kind=Kind.FINANCIAL_CERTIFICATE, policy_id="F3")),
    )
    return stream


@pytest.mark.parametrize(("keys_kept", "required"), [(True, False), (False, True)])
def test_an_app_update_that_loses_the_keys_asks_for_a_reset(
    store: EventStore, script: Script, keys_kept: bool, required: bool
) -> None:
    update = device.UpdateApp(at=MARCH, version="6.3.0", keys_kept=keys_kept)

    told(store, script.command(OnDevice(device=PHONE, command=update)))

    assert held(store).reset_required is required


def test_a_removed_user_no_longer_stands_for_the_companys_ids(store: EventStore, script: Script) -> None:
    company = EnrollCustomer(at=JANUARY, customer=COMPANY, name=None, subkind=HolderSubkind.CORPORATION)
    granted = ChangeRole(at=FEBRUARY, customer=COMPANY, person=PERSON, role=Role.MAKER, granted=True)
    link = LinkId(at=MARCH, credential=HELD, bank_id="id-7", owner=COMPANY, purpose="transfer", unlocked_at=MARCH)
    added = AddCompanyUser(at=FEBRUARY, customer=COMPANY, person=PERSON)
    told(store, *[script.command(each) for each in (company, added, granted, link)])
    assert held(store).links.find("id-7") is not None

    told(store, script.command(RemoveCompanyUser(at=MARCH, customer=COMPANY, person=PERSON)))

    assert held(store).links.find("id-7") is None
    assert event_name(store.stream(COMPANY)[-1].event) == "customer.id_released"


def test_what_a_crash_left_undone_is_done_from_the_log(store: EventStore, script: Script) -> None:
    execute(store, [restrict(script)])
    assert not held(store).suspended

    assert catch_up(store, kinds=preset_kinds()) == 1
    assert held(store).suspended
    assert catch_up(store, kinds=preset_kinds()) == 0


def test_a_reaction_twice_is_one(store: EventStore, script: Script) -> None:
    told(store, restrict(script))
    before = store.last_position()

    assert catch_up(store, kinds=preset_kinds()) == 0
    assert store.last_position() == before


def test_a_reaction_has_the_same_id_whenever_it_is_decided(store: EventStore, script: Script) -> None:
    execute(store, [restrict(script)])
    (source,) = [each for each in read_all(store) if isinstance(each.event, Source)]

    first, again = (reactions(source, Surroundings(store, preset_kinds())) for _ in range(2))

    assert first == again
    assert [command.command_id for command in first] == [derived_id(f"{PERSON} {source.version} {HELD}")]


def test_a_restriction_that_was_lifted_meanwhile_holds_nothing(store: EventStore, script: Script) -> None:
    execute(store, [restrict(script), lift(script)])

    assert catch_up(store, kinds=preset_kinds()) == 0
    assert not held(store).suspended


def test_what_was_issued_after_a_change_of_name_stays(store: EventStore, script: Script) -> None:
    rename = OnCustomer(customer=PERSON, command=customer.ChangeName(at=JANUARY, evidence="register"))
    financial = _financial(store, script)

    told(store, script.command(rename))

    assert not held(store, financial).revoked


def test_derived_ids_are_of_version_8_and_differ_with_the_key() -> None:
    one, other = derived_id("a"), derived_id("b")

    assert (one.version, other.version) == (8, 8)
    assert one != other


def test_the_retirement_of_another_device_ends_nothing(store: EventStore, script: Script) -> None:
    other = RegisterDevice(
        at=A_YEAR_LATER,
        device=UUID(int=70),
        key=Name(NameKind.DEVICE_KEY, "another"),
        model="phone",
        os_version="15",
        app=App(version="6.2.0", store=APP.store),
    )
    told(store, script.command(other))
    told(store, script.command(OnDevice(device=UUID(int=70), command=device.Retire(at=A_YEAR_LATER))))

    assert not held(store).revoked


def test_a_hold_that_stands_is_not_told_again(store: EventStore, script: Script) -> None:
    told(store, script.command(OnCredential(credential=HELD, command=Suspend(at=MARCH, reason="requested"))))
    told(store, restrict(script))

    assert held(store).suspended_for == "requested"


def test_a_command_sees_what_followed_upon_those_before_it(store: EventStore, script: Script) -> None:
    _, used = carry_out(store, [restrict(script), script.use(HELD, device=PHONE)])

    assert used.refusal == "suspended"


def test_a_restriction_of_earlier_holds_what_was_issued_since(store: EventStore, script: Script) -> None:
    told(store, restrict(script, at=JANUARY))

    assert held(store).suspended_for == "customer_restricted"


def test_what_an_officer_held_during_a_restriction_outlasts_it(store: EventStore, script: Script) -> None:
    told(store, restrict(script), script.on(HELD, Suspend(at=MARCH, reason="fraud")), lift(script))

    assert held(store).suspended_for == "fraud"


@pytest.mark.parametrize(
    "end",
    [
        ChangeRole(at=MARCH, customer=COMPANY, person=PERSON, role=Role.MAKER, granted=False),
        CloseCustomer(at=MARCH, customer=COMPANY),
    ],
    ids=["the last acting role", "the company itself"],
)
def test_with_the_role_and_with_the_company_its_ids_go(
    store: EventStore, script: Script, end: ChangeRole | CloseCustomer
) -> None:
    told(store, *[script.command(each) for each in _employed()])

    told(store, script.command(end))

    assert held(store).links.find("id-7") is None


def test_a_user_who_was_added_again_keeps_the_links(store: EventStore, script: Script) -> None:
    told(store, *[script.command(each) for each in _employed()])
    _, add, grant, _ = _employed()
    remove = RemoveCompanyUser(at=MARCH, customer=COMPANY, person=PERSON)
    execute(store, [script.command(remove), script.command(add), script.command(grant)])

    catch_up(store, kinds=preset_kinds())

    assert held(store).links.find("id-7") is not None


def _employed() -> tuple[EnrollCustomer, AddCompanyUser, ChangeRole, LinkId]:
    return (
        EnrollCustomer(at=JANUARY, customer=COMPANY, name=None, subkind=HolderSubkind.CORPORATION),
        AddCompanyUser(at=FEBRUARY, customer=COMPANY, person=PERSON),
        ChangeRole(at=FEBRUARY, customer=COMPANY, person=PERSON, role=Role.MAKER, granted=True),
        LinkId(at=MARCH, credential=HELD, bank_id="id-7", owner=COMPANY, purpose="transfer", unlocked_at=MARCH),
    )
