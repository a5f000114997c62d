"""A person is erased from a real ledger: nothing of it is left in a dump, and nobody else's answers change."""

import base64
import os
import subprocess
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.keys.port import KeyClass
from sealbook.adapters.postgres import binaries
from sealbook.adapters.read_models.postgres import PostgresReadModels
from sealbook.adapters.vault.postgres import PostgresVault
from sealbook.adapters.vault.sealing import Place, unseal
from sealbook.application import questions
from sealbook.application.commands import Command, Request
from sealbook.application.erasure import Erased, Reconciled, erase, reconcile
from sealbook.application.histories import histories_of_ledger
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import LedgerDamaged, Unavailable
from sealbook.application.questions import Standing
from sealbook.application.requests import (
    CloseCustomer,
    EnrollCustomer,
    IssueCredential,
    OnCredential,
    OnCustomer,
    RegisterDevice,
)
from sealbook.domain import customer
from sealbook.domain.credential import Revoke
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import HolderSubkind, Kind
from tests.application.lines import Desk, fact
from tests.commands import APP, ATTESTED
from tests.conftest import WORKING_KEYS

PERSON, CREDENTIALS = "Hong Gildong 1234", ("110-234-567890", "OTP-77-0042")
CI, PHONE_KEY = "CI+hong/gildong==", "device key of Hong"
VALUES = {"phone": "010-9876-5432", "legal_name": "홍길동", "account": "352-0123-4567-89"}
PRIVATE = (PERSON, *CREDENTIALS, CI, PHONE_KEY, *VALUES.values())
OTHER = "Im Kkeokjeong 55"
ENDED, LATER = datetime(2017, 6, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)


class Copied(MemoryKeys):
    """Keys that can be put back as they were."""

    def copy(self) -> "Copied":
        copied = Copied(WORKING_KEYS)
        copied._subject_keys = dict(self._subject_keys)
        copied._destroyed = set(self._destroyed)
        copied._reconciled_to = self._reconciled_to
        return copied


class Dying(Copied):
    """Keys whose process dies before they are destroyed."""

    def destroy(self, subjects: Collection[UUID], *, position: int) -> int:  # noqa: ARG002 (it does not come to that)
        raise ProcessDiesError


class ProcessDiesError(BaseException):
    pass


@dataclass
class Scene:
    """A ledger with people in it, and what one may do to it."""

    dsn: str
    keys: Copied
    store: PostgresEventStore
    person: UUID
    ids: Iterator[int]

    def new_id(self) -> UUID:
        return UUID(int=0xE5A << 64 | next(self.ids))

    def do(self, *requests: Request) -> None:
        commands = [
            Command(request=each, command_id=self.new_id(), actor="officer-1", channel="branch") for each in requests
        ]
        outcomes = execute(self.store, commands)
        assert [each.message for each in outcomes if not each.accepted] == []

    def erase(self, *, at: datetime = LATER, keys: MemoryKeys | None = None) -> Erased:
        return erase(
            self.store,
            keys or self.keys,
            customer=self.person,
            basis="act-21",
            approved_by="officer-7",
            at=at,
            command_id=self.new_id(),
        )

    def reopened(self, keys: MemoryKeys, *, reconciling: bool = False) -> PostgresEventStore:
        return PostgresEventStore.connect(self.dsn, keys=keys, randomness=os.urandom, reconciling=reconciling)

    def vault(self) -> PostgresVault:
        return PostgresVault(self.store.connection, keys=self.keys, randomness=os.urandom)


@pytest.fixture
def scene(ledger_dsn: str) -> Iterator[Scene]:
    keys = Copied(WORKING_KEYS)
    store = PostgresEventStore.connect(ledger_dsn, keys=keys, randomness=os.urandom)
    with closing(store):
        Desk(store).facts(*imported())
        scene = Scene(dsn=ledger_dsn, keys=keys, store=store, person=of_name(store, PERSON), ids=count(1))
        issued_at_the_counter(scene)
        ended(scene)
        values_kept(scene)
        PostgresReadModels(store.connection, store).catch_up()
        yield scene


def imported() -> list[Any]:
    """The person's credential and those of others, one of them under a customer's own name."""
    lives = [(CREDENTIALS[0], PERSON), ("C-2", OTHER), *((f"C-{number}", f"P-{number}") for number in range(3, 12))]
    return [
        *(fact("issued", "2015-01-10T09:00:00+09:00", credential, customer=who) for credential, who in lives),
        *(fact("used", "2016-03-10T09:00:00+09:00", credential) for credential, _ in lives),
    ]


def of_name(store: PostgresEventStore, value: str, kind: NameKind = NameKind.CUSTOMER) -> UUID:
    return questions.find(store, value, kinds=[kind])


def issued_at_the_counter(scene: Scene) -> None:
    """A second credential of the person's, on a phone; and somebody else with the person's kind of things."""
    phone, at = scene.new_id(), datetime(2017, 1, 1, tzinfo=UTC)
    enroll = EnrollCustomer(
        at=at,
        customer=scene.new_id(),
        name=Name(NameKind.CUSTOMER, "Yi 9"),
        subkind=HolderSubkind.INDIVIDUAL,
        identity=Name(NameKind.IDENTITY, "CI of Yi"),
    )
    key = Name(NameKind.DEVICE_KEY, PHONE_KEY)
    scene.do(
        enroll,
        RegisterDevice(at=at, device=phone, key=key, model="phone", os_version="15", app=APP),
        IssueCredential(
            at=at,
            credential=scene.new_id(),
            name=Name(NameKind.CREDENTIAL, CREDENTIALS[1]),
            customer=scene.person,
            kind=Kind.MOBILE_OTP,
            device=phone,
            policy_id="D",
            evidence="proofing-1",
            attestation=ATTESTED,
        ),
    )


def ended(scene: Scene) -> None:
    revoked = [
        OnCredential(credential=Name(NameKind.CREDENTIAL, each), command=Revoke(at=ENDED)) for each in CREDENTIALS
    ]
    scene.do(*revoked, CloseCustomer(at=ENDED, customer=scene.person))


def values_kept(scene: Scene) -> None:
    vault, other = scene.vault(), of_name(scene.store, OTHER)
    for field, value in VALUES.items():
        vault.put(value.encode(), subject=scene.person, field=field, owner=scene.person, data_class="personal")
    held = of_name(scene.store, CREDENTIALS[0], CREDENTIAL)
    vault.put(b"a seed", subject=held, field="seed", owner=scene.person, data_class="secret")
    vault.put(b"010-1111", subject=other, field="phone", owner=other, data_class="personal")


CREDENTIAL = NameKind.CREDENTIAL


def answers(store: PostgresEventStore) -> dict[str, object]:
    """What is said of every credential, by its id, and of all together, at several moments."""
    streams = [each.stream for each in store.read(after=0, limit=10_000) if each.version == 1]
    credentials = [each for each in streams if is_credential(store, each)]
    moments = [datetime(year, 1, 1, tzinfo=UTC) for year in range(2015, 2030, 2)]
    return {
        **{f"{each} {at}": standing(store, each, at) for each in credentials for at in moments},
        **{f"report {at}": questions.count(store, as_of=at, known_at=None).credentials for at in moments},
        "decided": [each.decided for each in histories_of_ledger(store)],
    }


def standing(store: PostgresEventStore, stream: UUID, at: datetime) -> Standing:
    """What a credential is like, but for which event was its last: that is the erasure now."""
    shown = questions.show(store, str(stream), as_of=at, known_at=None)
    return replace(shown, validity=replace(shown.validity, version=0, position=0))


def is_credential(store: PostgresEventStore, stream: UUID) -> bool:
    try:
        questions.show(store, str(stream), as_of=LATER, known_at=None)
    except Refused:
        return False
    return True


# --- A dump, and what is looked for in it


def dump(dsn: str) -> bytes:
    """The whole database as text: pg_dump's, and what COPY says of every table."""
    program = binaries.find().folder / "pg_dump"
    made = subprocess.run([program, "--dbname", dsn], capture_output=True, check=False) if program.exists() else None
    return copied(dsn) + (b"" if made is None else made.stdout)


RECORD = ("events", "heads", "names", "vault", "erasures")


def copied(dsn: str, *only: str) -> bytes:
    """What COPY says of every table, or of some."""
    rows = bytearray()
    with psycopg.connect(dsn) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in sorted(tables):
            if only and table not in only:
                continue
            statement = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(sql.Identifier(schema, table))
            with connection.cursor().copy(statement) as copy:
                for chunk in copy:
                    rows += bytes(chunk)
    return bytes(rows)


def forms(value: str) -> Iterator[bytes]:
    """Yield how a value may stand in a dump: as it is, in UTF-16, and each of these in hex and base64."""
    for plain in (value.encode(), value.encode("utf-16-le"), value.encode("utf-16-be")):
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        for shift in range(3):
            # What stands before and after it changes the ends, by at most two characters each.
            yield base64.b64encode(b"\0" * shift + plain).rstrip(b"=")[4 if shift else 0 : -2]


def shown_in(text: bytes) -> set[str]:
    return {value for value in PRIVATE if any(form in text for form in forms(value))}


@pytest.mark.parametrize("way", range(18))
def test_the_search_finds_a_value_however_it_is_written(ledger_dsn: str, way: int) -> None:
    stored = list(forms("-" + PERSON + "-"))[way]
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE sealbook_read.careless (text text, bytes bytea)")
        if b"\0" in stored:
            connection.execute("INSERT INTO sealbook_read.careless (bytes) VALUES (%s)", [stored])
        else:
            connection.execute("INSERT INTO sealbook_read.careless (text) VALUES (%s)", [stored.decode()])

    assert PERSON in shown_in(dump(ledger_dsn))


def test_pg_dump_is_there_and_dumps_everything(scene: Scene) -> None:
    text = dump(scene.dsn)
    assert b"COPY sealbook.events" in text
    assert b"COPY sealbook.vault" in text


# --- What an erasure comes to


def test_nothing_of_the_person_is_left_and_nobody_elses_answers_change(scene: Scene) -> None:
    before = answers(scene.store)

    result = scene.erase()

    assert (result.credentials, result.devices) == (2, 1)
    # Names, what else was kept, and the seed; and two of the phone's, made together.
    assert result.keys_destroyed == 5
    assert answers(scene.store) == before
    assert shown_in(dump(scene.dsn)) == set()
    assert list(Fsck(scene.store.connection, keys=scene.keys).findings()) == []
    assert PostgresReadModels(scene.store.connection, scene.store).differences() == []


def test_others_keep_their_names_and_values(scene: Scene) -> None:
    others = {name for kind in NameKind for name in scene.store.named(kind)} - {
        Name(NameKind.CUSTOMER, PERSON),
        Name(NameKind.DEVICE_KEY, PHONE_KEY),
        *(Name(CREDENTIAL, each) for each in CREDENTIALS),
    }
    scene.erase()

    assert {name for kind in NameKind for name in scene.store.named(kind)} == others
    assert Name(NameKind.CUSTOMER, OTHER) in others
    assert scene.vault().get(subject=of_name(scene.store, OTHER), field="phone") == b"010-1111"
    assert of_name(scene.store, "CI of Yi", NameKind.IDENTITY) == of_name(scene.store, "Yi 9")


def test_nothing_that_is_left_belongs_to_the_person(scene: Scene, ledger_dsn: str) -> None:
    scene.erase()

    with psycopg.connect(ledger_dsn) as connection:
        rows = connection.execute(
            "SELECT (SELECT count(*) FROM sealbook.names WHERE owner = %(p)s OR stream = %(p)s),"
            " (SELECT count(*) FROM sealbook.vault WHERE owner = %(p)s OR subject = %(p)s)",
            {"p": scene.person},
        ).fetchone()
    assert rows == (0, 0)
    for field in VALUES:
        assert scene.vault().get(subject=scene.person, field=field) is None


def test_an_older_keystore_is_reconciled_before_anything_is_served_and_opens_nothing(scene: Scene) -> None:
    older, stolen = scene.keys.copy(), sealed(scene)
    scene.erase()
    # Whoever has an older dump of the ledger as well can read it with these keys; not with the ledger's own.
    assert opened(stolen, older)
    assert not opened(stolen, scene.keys)

    with pytest.raises(Unavailable, match="run sealbook keys reconcile"):
        scene.reopened(older)
    with scene.reopened(older, reconciling=True).connection as connection:
        store = PostgresEventStore(connection, keys=older, randomness=os.urandom)
        assert reconcile(store, older) == Reconciled(subjects=2, keys_destroyed=5, position=scene.store.last_position())
    scene.reopened(older).close()

    assert not opened(stolen, older)
    for each in KeyClass:
        assert older.subject_keys([scene.person], each, create=True) == {}


def test_a_second_erasure_changes_nothing(scene: Scene) -> None:
    scene.erase()
    before = copied(scene.dsn, *RECORD)

    again = scene.erase()

    assert (again.position, again.keys_destroyed) == (None, 0)
    assert copied(scene.dsn, *RECORD) == before


def test_an_erasure_that_died_before_its_keys_is_completed(scene: Scene) -> None:
    dying = Dying(WORKING_KEYS)
    stolen = sealed(scene)
    with pytest.raises(ProcessDiesError):
        scene.erase(keys=dying)
    assert shown_in(dump(scene.dsn)) == set()
    assert opened(stolen, scene.keys)

    with pytest.raises(Unavailable, match="run sealbook keys reconcile"):
        scene.reopened(scene.keys)
    with psycopg.connect(scene.dsn, autocommit=True) as superuser:
        late = [scene.person, "late", scene.person, "record", PERSON.encode()]
        superuser.execute("INSERT INTO sealbook.vault VALUES (0, %s, %s, %s, %s, %s)", late)
    first, again = reconcile(scene.store, scene.keys), reconcile(scene.store, scene.keys)

    assert (first.keys_destroyed, again.keys_destroyed) == (5, 0)
    assert not opened(stolen, scene.keys)
    assert shown_in(dump(scene.dsn)) == set()
    scene.reopened(scene.keys).close()


@pytest.mark.parametrize("reason", [Refusal.LEGAL_HOLD, Refusal.RETENTION])
def test_what_has_to_be_kept_is_kept(scene: Scene, reason: Refusal) -> None:
    at = LATER
    if reason is Refusal.LEGAL_HOLD:
        scene.do(OnCustomer(customer=scene.person, command=customer.PlaceLegalHold(at=LATER, case="2026-1")))
    else:
        at = ENDED.replace(year=2022, month=5)
    before, stolen = copied(scene.dsn, *RECORD), sealed(scene)

    with pytest.raises(Refused) as refused:
        scene.erase(at=at)

    assert refused.value.code is reason
    assert copied(scene.dsn, *RECORD) == before
    assert opened(stolen, scene.keys)


def sealed(scene: Scene) -> list[tuple[Place, bytes]]:
    """What an older dump of the ledger has of the person."""
    with psycopg.connect(scene.dsn) as connection:
        rows = connection.execute(
            "SELECT owner, subject, field, key_class, sealed FROM sealbook.vault WHERE owner = %s", [scene.person]
        ).fetchall()
    return [
        (Place(owner, subject, field, KeyClass(key_class)), value) for owner, subject, field, key_class, value in rows
    ]


def opened(values: list[tuple[Place, bytes]], keys: MemoryKeys) -> bool:
    """Whether the keys open any, and then every, of the values."""
    assert values
    results = list[bool]()
    for place, value in values:
        key = keys.subject_keys([place.owner], place.key_class).get(place.owner)
        try:
            results.append(key is not None and bool(unseal(value, place, key=key)))
        except LedgerDamaged:
            results.append(False)
    assert len(set(results)) == 1
    return results[0]
