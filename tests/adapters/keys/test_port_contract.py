"""What the ledger asks of its keys: the same of those in memory, and of a keyring over a file or an HSM."""

from collections.abc import Iterator
from contextlib import closing
from uuid import UUID, uuid4

import pytest

from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.keys.port import KEY_BYTES, MAC_BYTES, KeyClass, Keys
from sealbook.application.names import Name, NameKind
from tests.adapters.keys.conftest import Kept
from tests.conftest import WORKING_KEYS

STREAM = UUID(int=7).bytes
SALT, BODY = b"s" * 16, b"body"
ALICE, BOB, CAROL = UUID(int=1), UUID(int=2), UUID(int=3)


@pytest.fixture(params=["memory", "kept_by_file", "kept_by_hsm"])
def keys(request: pytest.FixtureRequest) -> Iterator[Keys]:
    if request.param == "memory":
        yield MemoryKeys(WORKING_KEYS)
        return
    kept: Kept = request.getfixturevalue(request.param)
    with closing(kept.keyring()) as keyring:
        yield keyring


def mac_of(keys: Keys, *, book: int = 0, stream: bytes = STREAM, version: int = 1, body: bytes = BODY) -> bytes:
    return keys.mac(book=book, stream=stream, version=version, salt=SALT, body=body)


def fits(keys: Keys, mac: bytes, *, body: bytes = BODY) -> bool:
    return keys.mac_fits(mac, book=0, stream=STREAM, version=1, salt=SALT, body=body)


def test_a_mac_says_its_key_and_fits_what_it_was_made_of(keys: Keys) -> None:
    mac = mac_of(keys)

    assert (len(mac), mac[0]) == (MAC_BYTES, 1)
    assert fits(keys, mac)
    assert mac == mac_of(MemoryKeys(WORKING_KEYS))


def test_a_mac_fits_nothing_else(keys: Keys) -> None:
    mac = mac_of(keys)

    others = [
        mac_of(keys, book=1),
        mac_of(keys, stream=ALICE.bytes),
        mac_of(keys, version=2),
        mac_of(keys, body=b"other"),
        *(mac[:place] + bytes([mac[place] ^ 1]) + mac[place + 1 :] for place in range(MAC_BYTES)),
        b"",
        mac[:-1],
        mac + b"\0",
    ]
    assert not any(fits(keys, other) for other in others)
    assert not fits(keys, mac, body=b"other")


def test_digests_are_keyed_and_tell_kinds_apart(keys: Keys) -> None:
    customer = keys.name_digest(Name(NameKind.CUSTOMER, "1"))

    assert (len(customer), customer[0]) == (33, 1)
    assert customer == keys.name_digest(Name(NameKind.CUSTOMER, "1"))
    assert customer != keys.name_digest(Name(NameKind.CREDENTIAL, "1"))
    assert customer == MemoryKeys(WORKING_KEYS).name_digest(Name(NameKind.CUSTOMER, "1"))
    assert keys.command_digest(b"content") == keys.command_digest(b"content")
    assert keys.command_digest(b"content") != keys.command_digest(b"contents")
    assert len(keys.command_digest(b"content")) == 16


def test_the_check_value_is_of_these_keys_and_this_ledger(keys: Keys) -> None:
    assert keys.check_value(ALICE) == MemoryKeys(WORKING_KEYS).check_value(ALICE)
    assert keys.check_value(ALICE) != keys.check_value(BOB)


def test_a_subject_gets_a_key_when_one_is_asked_for(keys: Keys) -> None:
    assert keys.subject_keys([ALICE], KeyClass.PERSONAL) == {}

    made = keys.subject_keys([ALICE, BOB, ALICE], KeyClass.PERSONAL, create=True)

    assert made.keys() == {ALICE, BOB}
    assert {len(key) for key in made.values()} == {KEY_BYTES}
    assert made[ALICE] != made[BOB]
    assert keys.subject_keys([ALICE, BOB, CAROL], KeyClass.PERSONAL) == made
    assert keys.subject_keys([BOB, CAROL], KeyClass.PERSONAL, create=True)[BOB] == made[BOB]
    assert keys.subject_keys([], KeyClass.PERSONAL, create=True) == {}


def test_classes_have_keys_of_their_own(keys: Keys) -> None:
    found = [keys.subject_keys([ALICE], each, create=True)[ALICE] for each in KeyClass]

    assert len(set(found)) == len(KeyClass)


def test_many_get_keys_at_once(keys: Keys) -> None:
    subjects = [uuid4() for _ in range(300)]

    made = keys.subject_keys(subjects, KeyClass.RECORD, create=True)

    assert (set(made), len(set(made.values()))) == (set(subjects), len(subjects))
    assert keys.subject_keys(subjects, KeyClass.RECORD) == made


def test_with_the_key_of_a_record_that_of_secrets_is_made(keys: Keys) -> None:
    keys.subject_keys([ALICE], KeyClass.RECORD, create=True)
    keys.subject_keys([BOB], KeyClass.PERSONAL, create=True)

    assert keys.subject_keys([ALICE, BOB], KeyClass.SECRET).keys() == {ALICE}
    assert keys.subject_keys([ALICE], KeyClass.PERSONAL) == {}


def test_what_was_destroyed_stays_destroyed(keys: Keys) -> None:
    keys.subject_keys([ALICE, BOB], KeyClass.PERSONAL, create=True)
    keys.subject_keys([ALICE], KeyClass.RECORD, create=True)

    # One of the class personal, and a record's with the secret's that was made beside it.
    assert keys.destroy([ALICE, CAROL], position=9) == 3

    for each in KeyClass:
        assert keys.subject_keys([ALICE, CAROL], each) == {}
        assert keys.subject_keys([ALICE, CAROL], each, create=True) == {}
    assert keys.subject_keys([ALICE, BOB], KeyClass.PERSONAL).keys() == {BOB}
    assert keys.destroy([ALICE], position=9) == 0


def test_how_far_erasures_are_carried_out_never_goes_back(keys: Keys) -> None:
    assert keys.reconciled_to() == 0
    keys.destroy([ALICE], position=9)
    keys.destroy([BOB], position=5)
    assert keys.reconciled_to() == 9
    keys.destroy([], position=12)
    assert keys.reconciled_to() == 12


def test_no_key_shows_in_a_repr(keys: Keys) -> None:
    (subject_key,) = keys.subject_keys([ALICE], KeyClass.SECRET, create=True).values()
    secrets = [b"m" * KEY_BYTES, b"n" * KEY_BYTES, b"c" * KEY_BYTES, subject_key]
    parts = [keys, WORKING_KEYS]
    if isinstance(keys, Keyring):
        parts += [keys.store, keys.root, vars(keys)]
    shown = "".join(repr(part) + str(part) for part in parts)

    assert not any(secret.hex() in shown or str(secret)[2:-1] in shown for secret in secrets)
    assert "geheim" not in shown
