"""Names and values under their owners, and what an erasure takes along: asked of each store and its vault."""

import asyncio
import os
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.eventstore.awaited import AwaitedStore
from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.keys.port import KeyClass
from sealbook.adapters.vault.memory import MemoryVault
from sealbook.adapters.vault.postgres import PostgresVault
from sealbook.adapters.vault.sealing import Place, seal, unseal
from sealbook.application.commands import Command, Request
from sealbook.application.erasing import EraseCredential, EraseCustomer
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import Erasure, EventStore, Group, LedgerDamaged, NewEvent, Unavailable
from sealbook.application.requests import CloseCustomer, EnrollCustomer, OnCredential
from sealbook.application.vault import Vault
from sealbook.domain import customer
from sealbook.domain.credential import Revoke
from sealbook.domain.errors import Refused
from sealbook.domain.kind_document import KindBook
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import HolderSubkind
from tests.commands import JANUARY, MARCH, Script, name
from tests.conftest import WORKING_KEYS

ANNA, BORAM, PHONE, TABLET, HERS, HIS = (UUID(int=number) for number in range(1, 7))
MUCH_LATER = MARCH.replace(year=2030)
IDENTITIES = {ANNA: name("CI of Anna", NameKind.IDENTITY), BORAM: name("CI of Boram", NameKind.IDENTITY)}
NAMED = {ANNA: name("Anna"), BORAM: name("Boram")}
HELD = {HERS: name("C-1", NameKind.CREDENTIAL), HIS: name("C-2", NameKind.CREDENTIAL)}
KEY_OF = {each: name(f"key of {each}", NameKind.DEVICE_KEY) for each in (PHONE, TABLET)}


@pytest.fixture
def own_keys() -> MemoryKeys:
    """Keys that the test may destroy."""
    return MemoryKeys(WORKING_KEYS)


@pytest.fixture
def postgres_store(ledger_dsn: str, own_keys: MemoryKeys) -> Iterator[PostgresEventStore]:
    store = PostgresEventStore.connect(ledger_dsn, keys=own_keys, randomness=os.urandom)
    yield store
    store.close()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture(params=["memory", "postgres"])
def kept(request: pytest.FixtureRequest, own_keys: MemoryKeys) -> tuple[EventStore, Vault]:
    """A store and its vault, in which two people each hold a credential."""
    store = request.getfixturevalue(f"{request.param}_store")
    vault = (
        MemoryVault(store)
        if isinstance(store, MemoryEventStore)
        else PostgresVault(store.connection, keys=own_keys, randomness=os.urandom)
    )
    live(store, Script(1))
    return store, vault


@pytest.fixture
def store(kept: tuple[EventStore, Vault]) -> EventStore:
    return kept[0]


@pytest.fixture
def vault(kept: tuple[EventStore, Vault]) -> Vault:
    return kept[1]


@pytest.fixture
def lived(postgres_store: PostgresEventStore) -> PostgresEventStore:
    live(postgres_store, Script(1))
    return postgres_store


def live(store: EventStore, script: Script) -> None:
    """Anna and Boram, a phone and a credential each."""
    do(
        store,
        script.adopt_policy(),
        *(script.command(enrolling(person)) for person in (ANNA, BORAM)),
        *(script.register(device) for device in (PHONE, TABLET)),
        script.issue(HERS, customer=ANNA, device=PHONE, named=HELD[HERS]),
        script.issue(HIS, customer=BORAM, device=TABLET, named=HELD[HIS]),
    )


def enrolling(person: UUID, *, like: UUID | None = None) -> Request:
    return EnrollCustomer(
        at=JANUARY,
        customer=person,
        name=NAMED[like or person],
        subkind=HolderSubkind.INDIVIDUAL,
        identity=IDENTITIES[like or person],
    )


def do(store: EventStore, *commands: Command) -> None:
    outcomes = execute(store, commands, kinds=kinds())
    assert [outcome.message for outcome in outcomes if not outcome.accepted] == []


def kinds() -> KindBook:
    return preset_kinds()


def ending(script: Script, held: UUID = HERS, person: UUID = ANNA) -> list[Command]:
    revoke = OnCredential(credential=held, command=Revoke(at=MARCH))
    return [script.command(each) for each in (revoke, CloseCustomer(at=MARCH, customer=person))]


def erasing(script: Script, *, at: datetime = MUCH_LATER, devices: tuple[UUID, ...] = (PHONE,)) -> Command:
    request = EraseCustomer(
        at=at, customer=ANNA, basis="act 21", approved_by="officer 7", credentials=(HERS,), devices=devices
    )
    return script.command(request)


def found(store: EventStore, *names: Name) -> set[UUID]:
    return set(store.load(streams=(), names=names, commands=()).names.values())


def shown(store: EventStore) -> Mapping[UUID, Name]:
    return store.names_of([ANNA, BORAM, PHONE, TABLET, HERS, HIS])


ALL_NAMES = {**NAMED, **HELD, **KEY_OF}
HERS_GONE = {each: value for each, value in ALL_NAMES.items() if each not in (ANNA, HERS, PHONE)}


# --- Names


def test_names_are_read_back_and_an_identity_never(store: EventStore) -> None:
    assert shown(store) == ALL_NAMES
    assert (store.named(NameKind.CREDENTIAL), dict(store.named(NameKind.IDENTITY))) == (
        {HELD[HERS]: HERS, HELD[HIS]: HIS},
        {},
    )
    assert found(store, *IDENTITIES.values()) == {ANNA, BORAM}


def test_an_erasure_takes_all_that_has_the_same_owner_and_nothing_else(store: EventStore, script: Script) -> None:
    do(store, *ending(script), erasing(script))

    assert found(store, NAMED[ANNA], IDENTITIES[ANNA], HELD[HERS], KEY_OF[PHONE]) == set()
    assert found(store, NAMED[BORAM], IDENTITIES[BORAM], HELD[HIS], KEY_OF[TABLET]) == {BORAM, HIS, TABLET}
    assert shown(store) == HERS_GONE
    assert [each.value for each in store.named(NameKind.POLICY)] == ["D"]


def test_an_erasure_is_kept_with_its_position_for_the_keys(store: EventStore, script: Script) -> None:
    before = store.last_position()
    do(store, *ending(script), erasing(script))

    position = store.last_position()
    assert set(store.erasures(after=before)) == {Erasure(position, ANNA), Erasure(position, PHONE)}
    assert store.erasures(after=position) == []


def test_a_device_that_is_not_erased_with_its_holder_keeps_its_key(store: EventStore, script: Script) -> None:
    do(store, *ending(script), erasing(script, devices=()))

    assert found(store, KEY_OF[PHONE]) == {PHONE}
    assert shown(store)[PHONE] == KEY_OF[PHONE]


def test_a_device_that_is_somebody_elses_now_keeps_its_key(store: EventStore, script: Script) -> None:
    third, held = script.new_id(), script.new_id()
    do(store, *ending(script), script.enroll(third), script.issue(held, customer=third, device=PHONE, at=MARCH))

    do(store, erasing(script))

    assert shown(store)[PHONE] == KEY_OF[PHONE]


def test_what_is_left_out_erases_nothing(store: EventStore, script: Script) -> None:
    do(store, *ending(script))
    refused, accepted = execute(store, [erasing(script, at=MARCH), script.enroll(script.new_id())], kinds=kinds())

    assert (refused.accepted, accepted.accepted) == (False, True)
    assert (shown(store), store.erasures(after=0)) == (ALL_NAMES, [])


def test_what_is_stale_erases_nothing_and_what_is_fresh_beside_it_does(store: EventStore, script: Script) -> None:
    do(store, *ending(script), *ending(script, HIS, BORAM))

    appended = store.append([erased(store, ANNA, PHONE, behind=1), erased(store, BORAM, TABLET)])

    assert appended.left_out == {0}
    assert shown(store) == {each: value for each, value in ALL_NAMES.items() if each not in (BORAM, HIS, TABLET)}
    assert {(each.position, each.subject) for each in store.erasures(after=0)} == {
        (store.last_position(), BORAM),
        (store.last_position(), TABLET),
    }


def erased(store: EventStore, person: UUID, device: UUID, *, behind: int = 0) -> Group:
    """What erases a person with a device, decided on a head that is so far behind."""
    head = store.load(streams=[person], names=(), commands=()).heads[person]
    event = customer.PersonalDataErased(at=MUCH_LATER, basis="act 21", approved_by="officer 7")
    new = NewEvent(person, head.version + 1, "officer 7", "cli", None, None, event)
    return Group(
        commands=[0],
        read={person: head.version - behind},
        moved={person: head.after(event)},
        events=[new],
        erased={device: person},
    )


def test_a_name_that_was_erased_is_free(store: EventStore, script: Script) -> None:
    do(store, *ending(script), erasing(script))
    anew = script.new_id()

    do(store, script.command(enrolling(anew, like=ANNA)))

    assert found(store, NAMED[ANNA], IDENTITIES[ANNA]) == {anew}
    assert store.names_of([ANNA, anew]) == {anew: NAMED[ANNA]}


def test_a_credential_is_erased_by_itself_and_needs_no_keys_destroyed(
    store: EventStore, vault: Vault, script: Script
) -> None:
    for subject in (ANNA, HERS):
        vault.put(b"010-1234", subject=subject, field="phone", owner=ANNA, data_class="personal")
    do(store, *ending(script), script.command(EraseCredential(at=MUCH_LATER, credential=HERS, basis="act 21")))

    assert shown(store) == {each: value for each, value in ALL_NAMES.items() if each != HERS}
    assert found(store, HELD[HERS]) == set()
    assert found(store, IDENTITIES[ANNA]) == {ANNA}
    assert [vault.get(subject=each, field="phone") for each in (ANNA, HERS)] == [b"010-1234", None]
    assert store.erasures(after=0) == []


# --- Values


def test_a_value_is_kept_replaced_and_forgotten(vault: Vault) -> None:
    assert vault.get(subject=HERS, field="account") is None

    vault.put(b"110-222", subject=HERS, field="account", owner=ANNA, data_class="record")
    vault.put(b"110-333", subject=HERS, field="account", owner=ANNA, data_class="personal")
    vault.put(b"other", subject=HERS, field="phone", owner=ANNA, data_class="secret")

    assert vault.get(subject=HERS, field="account") == b"110-333"
    vault.forget(subject=HERS, field="account")
    vault.forget(subject=HERS, field="account")
    assert (vault.get(subject=HERS, field="account"), vault.get(subject=HERS, field="phone")) == (None, b"other")


def test_values_go_with_their_owner_or_their_subject_and_no_others(
    store: EventStore, vault: Vault, script: Script
) -> None:
    places = [(ANNA, ANNA), (HERS, ANNA), (PHONE, PHONE), (ANNA, BORAM), (BORAM, BORAM), (HIS, BORAM), (TABLET, ANNA)]
    for number, (subject, owner) in enumerate(places):
        vault.put(bytes([number]), subject=subject, field=f"f{owner.int}", owner=owner, data_class="personal")

    do(store, *ending(script), erasing(script))

    left = [vault.get(subject=subject, field=f"f{owner.int}") for subject, owner in places]
    assert left == [None, None, None, None, b"\x04", b"\x05", None]


def test_nothing_is_kept_of_somebody_erased(store: EventStore, vault: Vault, script: Script) -> None:
    do(store, *ending(script), erasing(script))

    for subject, owner in ((HERS, ANNA), (ANNA, BORAM)):
        with pytest.raises(Refused, match="erased"):
            vault.put(b"late", subject=subject, field="phone", owner=owner, data_class="personal")
        assert vault.get(subject=subject, field="phone") is None


@pytest.mark.parametrize("field", ["name:customer", "name:", "", "a\0b"])
def test_a_field_of_the_ledgers_own_is_no_field_of_the_vault(vault: Vault, field: str) -> None:
    with pytest.raises(ValueError, match="field"):
        vault.put(b"x", subject=ANNA, field=field, owner=ANNA, data_class="record")
    with pytest.raises(ValueError, match="field"):
        vault.get(subject=ANNA, field=field)
    with pytest.raises(ValueError, match="field"):
        vault.forget(subject=ANNA, field=field)


# --- What is stored


@pytest.fixture
def superuser(ledger_dsn: str, lived: PostgresEventStore) -> Iterator[psycopg.Connection]:
    assert lived.last_position()
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


def test_an_identity_is_nowhere_but_in_its_digest(superuser: psycopg.Connection) -> None:
    fields = superuser.execute("SELECT DISTINCT field FROM sealbook.vault").fetchall()
    kinds_of_names = superuser.execute("SELECT DISTINCT kind FROM sealbook.names").fetchall()
    assert {each for (each,) in fields} == {"name:customer", "name:credential", "name:device_key", "name:policy"}
    assert {each for (each,) in kinds_of_names} == {"customer", "identity", "credential", "device_key", "policy"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sealbook.vault v SET sealed = o.sealed FROM sealbook.vault o WHERE o.subject <> v.subject",
        "UPDATE sealbook.vault SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)",
        "UPDATE sealbook.vault SET sealed = ''",
        "UPDATE sealbook.vault SET owner = '00000000-0000-0000-0000-000000000002'",
    ],
    ids=["another's", "a bit", "empty", "another owner"],
)
def test_a_name_that_does_not_open_in_its_place_is_damage(
    lived: PostgresEventStore, superuser: psycopg.Connection, change: str
) -> None:
    superuser.execute(change.encode())
    with pytest.raises(LedgerDamaged, match=r"name:\w+ .* does not open") as damage:
        lived.names_of([ANNA])
    assert "Anna" not in str(damage.value)


PLACE = Place(ANNA, HERS, "phone", KeyClass.RECORD)


@pytest.mark.parametrize(
    "other",
    [
        PLACE._replace(owner=BORAM),
        PLACE._replace(subject=HIS),
        PLACE._replace(owner=HERS, subject=ANNA),
        PLACE._replace(field="mail"),
        PLACE._replace(key_class=KeyClass.SECRET),
    ],
    ids=["owner", "subject", "both", "field", "class"],
)
def test_what_is_sealed_opens_in_its_own_place_alone(other: Place) -> None:
    key = b"k" * 32
    sealed = seal(b"010-1234", PLACE, key=key, randomness=os.urandom)

    assert unseal(sealed, PLACE, key=key) == b"010-1234"
    assert seal(b"010-1234", PLACE, key=key, randomness=os.urandom) != sealed
    with pytest.raises(LedgerDamaged):
        unseal(sealed, other, key=key)


def test_what_came_after_an_erasure_goes_when_it_is_carried_out_again(
    lived: PostgresEventStore, superuser: psycopg.Connection, script: Script
) -> None:
    do(lived, *ending(script), erasing(script))
    for subject in (ANNA, HIS):
        superuser.execute("INSERT INTO sealbook.vault VALUES (0, %s, 'late', %s, 'record', '')", [subject, subject])

    lived.forget_erased(after=lived.last_position())
    assert late(superuser) == {ANNA, HIS}
    lived.forget_erased(after=lived.last_position() - 1)
    assert late(superuser) == {HIS}


def late(superuser: psycopg.Connection) -> set[UUID]:
    return {each for (each,) in superuser.execute("SELECT subject FROM sealbook.vault WHERE field = 'late'")}


def test_a_value_that_does_not_open_in_its_place_is_damage(
    lived: PostgresEventStore, superuser: psycopg.Connection, own_keys: MemoryKeys
) -> None:
    vault = PostgresVault(lived.connection, keys=own_keys, randomness=os.urandom)
    vault.put(b"010-1234", subject=HERS, field="phone", owner=ANNA, data_class="personal")
    superuser.execute("UPDATE sealbook.vault SET field = 'mail' WHERE field = 'phone'")
    with pytest.raises(LedgerDamaged):
        vault.get(subject=HERS, field="mail")


def test_a_name_whose_owners_key_is_gone_is_missing(lived: PostgresEventStore, own_keys: MemoryKeys) -> None:
    own_keys.destroy([ANNA, PHONE], position=1)

    assert shown(lived) == HERS_GONE
    assert lived.named(NameKind.CUSTOMER) == {NAMED[BORAM]: BORAM}


def test_a_policy_whose_key_is_gone_is_not_passed_over(lived: PostgresEventStore, own_keys: MemoryKeys) -> None:
    (policy,) = lived.named(NameKind.POLICY).values()
    own_keys.destroy([policy], position=1)

    with pytest.raises(Unavailable, match="keystore"):
        lived.named(NameKind.POLICY)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT sealbook.forget(0::smallint, '{}')",
        "DELETE FROM sealbook.names",
        "DELETE FROM sealbook.vault",
        "DELETE FROM sealbook.erasures",
    ],
)
def test_the_application_deletes_nothing_but_by_an_erasure(superuser: psycopg.Connection, statement: str) -> None:
    superuser.execute("SET ROLE sealbook_app")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
        superuser.execute(statement.encode())


def test_not_even_the_superuser_takes_back_an_erasure(
    lived: PostgresEventStore, superuser: psycopg.Connection, script: Script
) -> None:
    do(lived, *ending(script), erasing(script))
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        superuser.execute("DELETE FROM sealbook.erasures")


# --- Keys


class Watched(MemoryKeys):
    """Keys that tell how often those of subjects were asked for."""

    asked: list[int]

    def subject_keys(
        self, subjects: Collection[UUID], key_class: KeyClass, *, create: bool = False
    ) -> Mapping[UUID, bytes]:
        self.asked.append(len(subjects))
        return super().subject_keys(subjects, key_class, create=create)


@pytest.fixture
def watched() -> Watched:
    keys = Watched(WORKING_KEYS)
    keys.asked = []
    return keys


def test_a_batch_asks_for_its_owners_keys_at_once_and_a_use_for_none(
    ledger_dsn: str, watched: Watched, script: Script
) -> None:
    store = PostgresEventStore.connect(ledger_dsn, keys=watched, randomness=os.urandom)
    live(store, Script(1))
    asked_by_names, watched.asked = watched.asked, []

    do(store, script.use(HERS, device=PHONE), script.suspend(HIS))
    store.close()

    # A policy, two people, two devices; the credentials are their holders'.
    assert (asked_by_names, watched.asked) == ([5], [])


def test_so_it_is_where_the_store_is_awaited(ledger_dsn: str, watched: Watched, script: Script) -> None:
    async def run() -> tuple[list[int], list[int]]:
        store = await AwaitedStore.connect(ledger_dsn, keys=watched, randomness=os.urandom)
        try:
            enroll = [script.command(enrolling(person)) for person in (ANNA, BORAM)]
            await store.execute([script.adopt_policy(), *enroll, script.register(PHONE)], kinds=kinds())
            await store.execute([script.issue(HERS, customer=ANNA, device=PHONE)], kinds=kinds())
            named, watched.asked = watched.asked, []
            await store.execute([script.use(HERS, device=PHONE)], kinds=kinds())
        finally:
            await store.close()
        return named, watched.asked

    assert asyncio.run(run()) == ([4], [])


def test_who_was_erased_owns_no_new_name(lived: PostgresEventStore, own_keys: MemoryKeys, script: Script) -> None:
    person = script.new_id()
    own_keys.destroy([person], position=1)

    with pytest.raises(LedgerDamaged, match="erased"):
        do(lived, script.enroll(person, name("Late")))
    assert found(lived, name("Late")) == set()


def test_a_ledger_is_not_served_while_its_keys_lag_behind_its_erasures(
    ledger_dsn: str, lived: PostgresEventStore, own_keys: MemoryKeys, script: Script
) -> None:
    do(lived, *ending(script), erasing(script))

    with pytest.raises(Unavailable, match="run sealbook keys reconcile"):
        PostgresEventStore.connect(ledger_dsn, keys=own_keys, randomness=os.urandom)
    with pytest.raises(Unavailable, match="run sealbook keys reconcile"):
        asyncio.run(AwaitedStore.connect(ledger_dsn, keys=own_keys, randomness=os.urandom))
    PostgresEventStore.connect(ledger_dsn, keys=own_keys, randomness=os.urandom, reconciling=True).close()

    own_keys.destroy([ANNA, PHONE], position=lived.last_position())
    PostgresEventStore.connect(ledger_dsn, keys=own_keys, randomness=os.urandom).close()


def test_a_ledger_that_ends_before_an_erasure_of_its_keys_is_not_served(
    ledger_dsn: str, lived: PostgresEventStore, own_keys: MemoryKeys
) -> None:
    own_keys.destroy([ANNA], position=lived.last_position() + 1)

    with pytest.raises(Unavailable, match="restored from an older backup"):
        PostgresEventStore.connect(ledger_dsn, keys=own_keys, randomness=os.urandom)


# --- Contents of commands


def test_what_is_kept_of_a_command_cannot_be_compared_with_a_guess(
    lived: PostgresEventStore, ledger_dsn: str, own_keys: MemoryKeys, superuser: psycopg.Connection, script: Script
) -> None:
    commands = [script.enroll(script.new_id(), name(each)) for each in ("Cho", "Dara")]

    async def awaited() -> list[bool]:
        store = await AwaitedStore.connect(ledger_dsn, keys=own_keys, randomness=os.urandom)
        outcomes = [(await store.execute([commands[1]], kinds=kinds()))[0] for _ in range(2)]
        await store.close()
        return [outcome.repeated for outcome in outcomes]

    do(lived, commands[0])
    assert asyncio.run(awaited()) == [False, True]

    stored: dict[UUID, bytes] = dict(superuser.execute("SELECT command, digest FROM sealbook.commands").fetchall())
    for each in commands:
        assert each.command_id is not None
        assert stored[each.command_id] == own_keys.command_digest(each.digest()) != each.digest()
