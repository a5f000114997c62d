"""The sealer: the same bytes whatever happens meanwhile, and nothing sealed that was altered before."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.keys.working import new_working_keys
from sealbook.adapters.seal.desk import SealDesk, file_signer
from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.seal.leaves import NO_LEAF
from sealbook.adapters.seal.merkle import root_of, tree_root
from sealbook.adapters.seal.notes import log_key
from sealbook.adapters.seal.rows import LedgerRows, leaf_of
from sealbook.adapters.seal.sealer import Sealer
from sealbook.adapters.seal.tiles import SealBroken
from sealbook.application.ports import Unavailable
from tests.adapters.seal.sealing import ORIGIN, desk_of, live, mapped, published, sealed, signer

Alter = Callable[[str], None]


@pytest.fixture
def alter(ledger_dsn: str) -> Alter:
    """Run statements as the superuser, past the triggers."""

    def run(statements: str) -> None:
        with psycopg.connect(ledger_dsn) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statements.encode())

    return run


def leaf_hashes(rows: LedgerRows) -> list[bytes]:
    """All leaves, by the definition: each linked to its stream's previous one."""
    latest, found = dict[bytes, bytes](), list[bytes]()
    for row in rows.after(0, 100_000):
        latest[row.stream] = leaf_of(row, previous=latest.get(row.stream, NO_LEAF)).hash
        found.append(latest[row.stream])
    return found


# --- What is sealed


def test_every_event_is_a_leaf_linked_to_its_streams_last(desk: SealDesk) -> None:
    done = sealed(desk)

    leaves = leaf_hashes(desk.rows)
    assert (done.unsealable, done.events, done.checkpoint.size) == (None, len(leaves), desk.rows.end())
    assert done.checkpoint.root == root_of(leaves) == tree_root(desk.folder.tiles.node(len(leaves)), len(leaves))


def test_the_checkpoint_is_signed_and_the_policy_names_the_key(desk: SealDesk) -> None:
    done = sealed(desk)

    note = desk.folder.checkpoint()
    assert note is not None
    assert stands_at(note) == done.checkpoint
    assert log_key(signer()).signed(note)
    assert f"log {log_key(signer())}" in desk.folder.policy().splitlines()


@pytest.mark.parametrize("limit", [1, 7, 64])
def test_how_it_is_cut_into_batches_leaves_no_trace(desk: SealDesk, tmp_path: Path, limit: int) -> None:
    whole = sealed(desk)
    bit_by_bit = SealFolder(tmp_path / "bit by bit")
    with bit_by_bit.locked():
        sealer = Sealer(bit_by_bit, origin=ORIGIN, signers=[signer()], keys=desk.keys, rows=desk.rows)
        while sealer.checkpoint.size < whole.checkpoint.size:
            assert sealer.seal(limit=limit) is None
        sealer.close()

    assert sealer.checkpoint == whole.checkpoint
    assert tree_root(bit_by_bit.tiles.node(whole.checkpoint.size), whole.checkpoint.size) == whole.checkpoint.root


def test_a_second_run_changes_nothing_and_a_later_one_goes_on(
    desk: SealDesk, postgres_store: PostgresEventStore
) -> None:
    first = sealed(desk)
    before = published(desk.folder.path)

    again = sealed(desk)
    assert (again.events, published(desk.folder.path)) == (0, before)

    live(postgres_store, seed=1)
    grown = sealed(desk)
    leaves = leaf_hashes(desk.rows)
    assert grown.checkpoint.size == first.checkpoint.size + grown.events
    assert grown.checkpoint.root == root_of(leaves)


def test_lost_heads_are_filled_again(desk: SealDesk, postgres_store: PostgresEventStore) -> None:
    sealed(desk)
    desk.folder.heads_path.unlink()
    live(postgres_store, seed=1)

    assert sealed(desk).checkpoint.root == root_of(leaf_hashes(desk.rows))


def test_the_map_holds_every_stream_and_its_root_is_sealed(desk: SealDesk) -> None:
    streams = mapped(desk)

    assert streams == len(
        {row.stream for row in desk.rows.after(0, 100_000)} - {desk.rows.after(desk.rows.end() - 1, 1)[0].stream}
    )
    note = desk.folder.checkpoint()
    assert note is not None
    assert stands_at(note).size == desk.rows.end()


# --- What is not sealed


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE sealbook.events SET body = body || '\\x00' WHERE position = 9", "its MAC does not fit"),
        ("UPDATE sealbook.events SET salt = '\\x00' WHERE position = 9", "its MAC does not fit"),
        (
            "UPDATE sealbook.events SET mac = '\\x01' || substr(mac, 2, 15) || '\\x00' WHERE position = 9",
            "its MAC does not fit",
        ),
        ("UPDATE sealbook.events SET mac = '' WHERE position = 9", "its MAC does not fit"),
        ("DELETE FROM sealbook.events WHERE position = 9", "it is missing, the ledger goes on at 10"),
        ("UPDATE sealbook.events SET version = version + 50 WHERE position = 9", "was to follow"),
        ("UPDATE sealbook.events SET stream = gen_random_uuid() WHERE position = 9", ""),
        (
            "UPDATE sealbook.events SET recorded_at = recorded_at - interval '1 day' WHERE position = 9",
            "it was recorded before the one that it follows",
        ),
    ],
)
def test_what_was_altered_before_it_was_sealed_ends_the_log_there(
    desk: SealDesk, alter: Alter, statement: str, reason: str
) -> None:
    alter(statement)

    done = sealed(desk)

    assert done.unsealable is not None
    assert (done.unsealable.position, done.checkpoint.size) == (9, 8)
    assert reason in str(done.unsealable)


def test_once_it_is_put_right_the_log_goes_on(desk: SealDesk, alter: Alter) -> None:
    alter("UPDATE sealbook.events SET salt = salt || '\\x00' WHERE position = 9")
    assert sealed(desk).unsealable is not None
    alter("UPDATE sealbook.events SET salt = substr(salt, 1, length(salt) - 1) WHERE position = 9")

    done = sealed(desk)

    assert (done.unsealable, done.checkpoint.root) == (None, root_of(leaf_hashes(desk.rows)))


def test_an_event_that_was_moved_to_the_end_is_not_sealed_twice(desk: SealDesk, alter: Alter) -> None:
    size = sealed(desk).checkpoint.size
    alter(
        "UPDATE sealbook.events SET position = (SELECT max(position) + 1 FROM sealbook.events) WHERE position = 9;"
        "UPDATE sealbook.books SET position = position + 1"
    )

    done = sealed(desk)

    assert done.unsealable is not None
    assert done.unsealable.position == size + 1
    assert "was to follow" in done.unsealable.reason


# --- What does not belong together


def test_a_ledger_that_was_restored_from_an_older_backup_is_refused(desk: SealDesk, alter: Alter) -> None:
    size = sealed(desk).checkpoint.size
    before = published(desk.folder.path)
    alter(f"DELETE FROM sealbook.events WHERE position > {size - 3}; UPDATE sealbook.books SET position = {size - 3}")

    with pytest.raises(SealBroken, match=f"ends at position {size - 3}, the seal at {size}: .*older backup"):
        sealed(desk)
    assert published(desk.folder.path) == before


def test_an_older_ledger_that_has_grown_since_is_refused(
    desk: SealDesk, postgres_store: PostgresEventStore, alter: Alter
) -> None:
    live(postgres_store, seed=1)
    size = sealed(desk).checkpoint.size
    alter(f"UPDATE sealbook.events SET salt = sha256(salt) WHERE position = {size}")

    with pytest.raises(SealBroken, match=f"position {size} is not what was sealed there"):
        sealed(desk)


@pytest.mark.parametrize("damage", ["another key", "another origin", "another root", "no tile", "no note"])
def test_a_folder_that_contradicts_itself_is_refused(desk: SealDesk, damage: str) -> None:
    size = sealed(desk).checkpoint.size
    checkpoint = desk.folder.path / "checkpoint"
    key, origin = signer(), ORIGIN
    match damage:
        case "another key":
            key = signer(seed=b"x")
        case "another origin":
            origin = "elsewhere"
        case "another root":
            (desk.folder.path / f"tile/0/000.p/{size}").write_bytes(os.urandom(32 * size))
        case "no tile":
            (desk.folder.path / f"tile/0/000.p/{size}").unlink()
        case _:
            checkpoint.write_text("nothing\n")

    with pytest.raises(SealBroken):
        Sealer(SealFolder(desk.folder.path), origin=origin, signers=[key], keys=desk.keys, rows=desk.rows)


def test_other_keys_than_the_ledgers_seal_nothing(desk: SealDesk) -> None:
    with desk.folder.locked():
        sealer = Sealer(
            desk.folder,
            origin=ORIGIN,
            signers=[signer()],
            keys=MemoryKeys(new_working_keys()),
            rows=desk.rows,
        )
        unsealable = sealer.seal()
        sealer.close()

    assert unsealable is not None
    assert (unsealable.position, desk.folder.checkpoint()) == (1, None)


def test_two_sealers_do_not_share_a_folder(desk: SealDesk, postgres_store: PostgresEventStore) -> None:
    with desk.sealer(ORIGIN), pytest.raises(Unavailable, match="another sealer"):
        sealed(desk_of(postgres_store, desk.folder.path))


@pytest.mark.parametrize("lost", ["the name was mistyped", "the key is gone"])
def test_who_is_refused_leaves_no_key_and_no_trust_behind(desk: SealDesk, lost: str) -> None:
    own = replace(desk, signer=file_signer(desk.folder.path))
    with own.sealer(ORIGIN) as sealer:
        own.seal(sealer)
    before = published(desk.folder.path)
    keys = desk.folder.path.with_name("seal-keys")
    if lost == "the key is gone":
        shutil.rmtree(keys)

    with pytest.raises((SealBroken, Unavailable)), own.sealer("elsewhere" if keys.exists() else ORIGIN):
        pass

    assert published(desk.folder.path) == before
    assert [path.name for path in keys.glob("*.json")] == (
        [] if lost == "the key is gone" else ["bank.example_sealbook.json"]
    )
