"""Attacks on the record: what a DBA with every right, and then with the ledger's keys, gets away with.

Each test is named by what the attacker does, and says what that yields. Where it yields something, the test
asserts that as well: what is not noticed must be known.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import msgspec
import pytest

from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.seal.desk import SealDesk
from sealbook.adapters.seal.head_map import make_map
from sealbook.adapters.seal.rows import LedgerRows, StoredRow
from sealbook.adapters.seal.stream_heads import StreamHead
from sealbook.adapters.seal.tiles import SealBroken
from sealbook.application.ledger import execute
from sealbook.application.ports import LedgerDamaged
from sealbook.application.record_keeping import OnLedger
from sealbook.domain.ledger import MapHeads
from tests.adapters.seal.sealing import NOON, ORIGIN, live, mapped, sealed
from tests.commands import Script
from tests.system.attacking import (
    DISPROVED,
    HELD,
    PROVEN,
    Auditor,
    Bank,
    careless_dump,
    cosigned,
    faulty_log,
    new_witness,
    retold,
)

# --- A sealed row is edited or deleted

EDITS: dict[str, LiteralString] = {
    "body": "UPDATE sealbook.events SET body = sha256(body) WHERE position = %(p)s",
    "salt": "UPDATE sealbook.events SET salt = sha256(salt) WHERE position = %(p)s",
    "recorded_at": "UPDATE sealbook.events SET recorded_at = recorded_at + interval '1 us' WHERE position = %(p)s",
}


@pytest.mark.parametrize("column", EDITS)
def test_a_sealed_row_is_edited(bank: Bank, auditor: Auditor, column: str) -> None:
    """Yields nothing: the position is named inside, no proof of that history can be made, and outside as well."""
    mapped(bank.desk)
    position = bank.position(3)
    with bank.dba() as dba:
        dba.execute(EDITS[column], {"p": position})

    assert f"position {position} is not what was sealed there" in bank.findings()
    with pytest.raises(LedgerDamaged, match=f"position {position} is not what was sealed there"):
        bank.desk.prover().history(HELD.bytes)
    assert auditor.whole(bank).found == (DISPROVED, "tile", position)


def test_a_sealed_row_is_edited_with_the_ledgers_own_key(bank: Bank, auditor: Auditor) -> None:
    """Yields nothing: the MAC fits, and the seal does not."""
    mapped(bank.desk)
    position = bank.position(3)
    bank.rewrite(position, key_stolen=True)

    assert bank.findings() == [f"position {position} is not what was sealed there"]
    with pytest.raises(LedgerDamaged, match=f"position {position} is not what was sealed there"):
        bank.desk.prover().history(HELD.bytes)
    assert auditor.whole(bank).found == (DISPROVED, "tile", position)


@pytest.mark.parametrize("which", ["in the middle of its history", "the last of its history"])
def test_a_sealed_row_is_deleted(bank: Bank, auditor: Auditor, which: str) -> None:
    """Yields nothing: the hole has a position, and the history that lost it cannot be exported."""
    mapped(bank.desk)
    version = 3 if which.startswith("in") else len(bank.rows(HELD))
    position = bank.position(version)
    bank.alter("DELETE FROM sealbook.events WHERE position = %s", position)

    assert f"position {position} is missing: the log goes on at {position + 1}" in bank.findings()
    with pytest.raises(LedgerDamaged):
        bank.desk.prover().history(HELD.bytes)
    assert auditor.whole(bank).found == (DISPROVED, "tile", position)


def test_a_sealed_row_is_edited_while_the_sealer_reads_all_anew(bank: Bank) -> None:
    """Yields nothing: what the sealer fills its lost table of heads with is compared with what it sealed."""
    sealed(bank.desk)
    position = bank.position(len(bank.rows(HELD)))
    bank.desk.folder.heads_path.unlink()
    bank.alter("UPDATE sealbook.events SET stream = gen_random_uuid(), version = 1 WHERE position = %s", position)
    live(bank.store, seed=1, credentials=1)

    with pytest.raises(SealBroken, match=f"position {position} is not what was sealed there"):
        mapped(bank.desk)


def test_a_sealed_row_is_deleted_and_the_gap_is_closed(bank: Bank, auditor: Auditor) -> None:
    """Yields nothing: each event that moved is not what was sealed where it is now."""
    mapped(bank.desk)
    position = bank.position(len(bank.rows(HELD)))
    close_gap(bank, position)

    assert f"position {position} is not what was sealed there" in bank.findings()
    with pytest.raises(LedgerDamaged, match="is not what the map says"):
        bank.desk.prover().history(HELD.bytes)
    assert auditor.whole(bank).found == (DISPROVED, "tile", position)


def close_gap(bank: Bank, position: int) -> None:
    """Take an event out, and move up all that follow."""
    with bank.dba() as dba:
        # Positions are unique, so they are moved in two steps.
        dba.execute("DELETE FROM sealbook.events WHERE position = %s", [position])
        dba.execute("UPDATE sealbook.events SET position = -position WHERE position > %s", [position])
        dba.execute("UPDATE sealbook.events SET position = -position - 1 WHERE position < 0")
        dba.execute("UPDATE sealbook.books SET position = position - 1")


# --- Within the second that is not sealed yet


def test_an_unsealed_row_is_edited(bank: Bank) -> None:
    """Yields an alarm: the MAC does not fit, and the log ends before the event."""
    size = sealed(bank.desk).checkpoint.size
    live(bank.store, seed=1, credentials=1)
    bank.rewrite(size + 5, key_stolen=False)

    done = sealed(bank.desk)

    assert done.unsealable is not None
    assert (done.unsealable.position, done.checkpoint.size) == (size + 5, size + 4)
    assert "its MAC does not fit" in str(done.unsealable)


def test_an_unsealed_row_is_deleted(bank: Bank) -> None:
    """Yields an alarm: what has no event cannot be passed over."""
    size = sealed(bank.desk).checkpoint.size
    live(bank.store, seed=1, credentials=1)
    bank.alter("DELETE FROM sealbook.events WHERE position = %s", size + 5)

    done = sealed(bank.desk)

    assert done.unsealable is not None
    assert (done.unsealable.position, done.checkpoint.size) == (size + 5, size + 4)
    assert f"it is missing, the ledger goes on at {size + 6}" in str(done.unsealable)


def test_an_unsealed_row_is_edited_with_the_stolen_key(bank: Bank, auditor: Auditor) -> None:
    """Yields a false history that is sealed and proven: this is NOT detected.

    A proof is of what was recorded when it was sealed. Against who has the ledger's key, the only help is to keep
    that key away from who has its database, to seal within a second, and to change the key once it is stolen.
    """
    sealed(bank.desk)
    live(bank.store, seed=1, credentials=1)
    last = bank.rows()[-1]
    bank.rewrite(last.position, key_stolen=True)

    mapped(bank.desk)

    assert bank.findings() == []
    assert auditor.whole(bank).code == PROVEN
    assert auditor.history(bank.desk.prover().history(last.stream).content, UUID(bytes=last.stream)).code == PROVEN


def test_an_unsealed_event_is_undone_with_all_that_belongs_to_it(bank: Bank, auditor: Auditor) -> None:
    """Yields a ledger in which it never happened, without any key: this is NOT detected.

    An event that no other of its stream follows can be taken out with its head, while all behind it is unsealed too.
    So it is when a database loses what it had not made durable. Who was answered with the event's position has that.
    """
    sealed(bank.desk)
    script = Script(seed=9)
    people = [script.new_id() for _ in range(3)]
    execute(bank.store, [script.enroll(each) for each in people])
    bank.alter("DELETE FROM sealbook.heads WHERE stream = %s", people[1])
    close_gap(bank, bank.position(1, people[1]))

    mapped(bank.desk)

    assert bank.findings() == []
    assert auditor.whole(bank).code == PROVEN
    said = auditor.history(bank.desk.prover().history(people[1].bytes).content, people[1])
    assert (said.code, said.facts["absent"]) == (PROVEN, True)


# --- Invented events


@pytest.mark.parametrize("mac", ["none", "of another event", "of a copied event", "of the event that it repeats"])
def test_an_event_is_invented(bank: Bank, mac: str) -> None:
    """Yields an alarm: no MAC fits but an event's own, in its own place; and there the event is already."""
    size = sealed(bank.desk).checkpoint.size
    *_, before, last = bank.rows(HELD)
    version, body, given, missed = last.version + 1, retold(last.body), last.mac or b"", size + 1
    match mac:
        case "none":
            given = b""
        case "of another event":
            given = before.mac or b""
        case "of a copied event":
            body = last.body
        case _:
            body, version, missed = last.body, last.version, last.position
            bank.alter("DELETE FROM sealbook.events WHERE position = %s", last.position)
    position = bank.insert(stream=HELD.bytes, version=version, salt=last.salt, mac=given, body=body)

    done = sealed(bank.desk)

    assert done.unsealable is not None
    assert (done.unsealable.position, position, done.checkpoint.size) == (size + 1, size + 1, size)
    assert any(f"position {missed} " in each for each in bank.findings())


def test_an_event_is_invented_with_the_stolen_key(bank: Bank) -> None:
    """Yields an event like any other: this is NOT detected.

    Whoever has the host that writes, or its key, can record what never happened. That it was recorded, and when,
    is all that anybody can prove.
    """
    last = bank.rows(HELD)[-1]
    body = retold(last.body)
    mac = bank.keys.mac(book=BOOK, stream=HELD.bytes, version=last.version + 1, salt=last.salt, body=body)
    position = bank.insert(stream=HELD.bytes, version=last.version + 1, salt=last.salt, mac=mac, body=body)
    bank.alter("UPDATE sealbook.heads SET version = version + 1 WHERE stream = %s", HELD)

    done = sealed(bank.desk)

    assert (done.unsealable, done.checkpoint.size) == (None, position)


# --- A sealer that does not do its duty


def test_a_sealer_leaves_out_an_event(bank: Bank, auditor: Auditor, tmp_path: Path) -> None:
    """Yields nothing: what follows stands elsewhere than in the ledger, and a stream's versions have a hole.

    Left out of the log and of the dump as well, and the last of its stream, it is missed inside alone.
    """
    rows = bank.rows()
    middle, last = bank.position(3), bank.position(len(bank.rows(HELD)))
    faulty_log(bank.folder, without(rows, middle))
    assert f"position {middle} is not what was sealed there" in bank.findings()
    assert auditor.whole(bank).found == (DISPROVED, "tile", middle)
    hole = bank.position(4) - 1
    assert auditor.full(bank.folder, careless_dump(without(rows, middle))).found == (DISPROVED, "version", hole)

    bank.folder = tmp_path / "without the last"
    faulty_log(bank.folder, without(rows, last))
    assert auditor.full(bank.folder, careless_dump(without(rows, last))).code == PROVEN
    assert f"position {last} is not what was sealed there" in bank.findings()


def without(rows: list[StoredRow], position: int) -> list[StoredRow]:
    """Leave an event out, and number what follows as if it had not been."""
    left = [each for each in rows if each.position != position]
    return [each._replace(position=number) for number, each in enumerate(left, 1)]


class Hiding(LedgerRows):
    """The rows of a ledger that denies a stream."""

    def of_stream(self, stream: bytes) -> list[StoredRow]:
        return [] if stream == HELD.bytes else super().of_stream(stream)


@pytest.mark.parametrize("hidden", ["a stream", "a stream's last events"])
def test_a_sealer_makes_a_false_map(bank: Bank, auditor: Auditor, hidden: str) -> None:
    """Yields proofs that hold, until somebody makes the map anew: then the log's own signature is under the lie."""
    desk = bank.desk
    with desk.sealer(ORIGIN) as sealer:
        desk.seal(sealer)
        heads = dict(sealer.heads)
        if hidden == "a stream":
            del heads[HELD.bytes]
        else:
            shown = bank.rows(HELD)[2].position
            heads[HELD.bytes] = StreamHead(shown, 3, desk.folder.tiles.node(sealer.checkpoint.size)(0, shown - 1))
        note_map(desk, heads, size=sealer.checkpoint.size)
        desk.seal(sealer)

    # The bank's own program would not lie so: it finds the stream in the ledger.
    lying = replace(desk, rows=Hiding(bank.store.connection)) if hidden == "a stream" else desk
    bundle = msgspec.msgpack.decode(lying.prover().history(HELD.bytes).content)
    if hidden != "a stream":
        bundle[6] = []
    said = auditor.history(msgspec.msgpack.encode(bundle), HELD)
    assert (said.code, said.facts.get("absent"), said.facts.get("shown")) in ((PROVEN, True, None), (PROVEN, None, 3))
    assert auditor.whole(bank).found == (DISPROVED, "map", bank.rows()[-1].position)


def note_map(desk: SealDesk, heads: dict[bytes, StreamHead], *, size: int) -> None:
    streams, root = make_map(desk.folder.map_path(size), heads.items())
    told = OnLedger(command=MapHeads(at=NOON, tree_size=size, streams=streams, root=root.hex()))
    (outcome,) = execute(desk.store, [Script(seed=5).command(told)])
    assert outcome.accepted


# --- Backdating


@pytest.mark.parametrize("nth", [1, 4], ids=["the first since the log was sealed", "a later one"])
def test_an_unsealed_event_is_dated_before_the_one_that_it_follows(bank: Bank, nth: int) -> None:
    """Yields an alarm: times never go back."""
    size = sealed(bank.desk).checkpoint.size
    live(bank.store, seed=1, credentials=1)
    bank.alter(
        "UPDATE sealbook.events SET recorded_at = recorded_at - interval '1 day' WHERE position = %s", size + nth
    )

    done = sealed(bank.desk)

    assert done.unsealable is not None
    assert (done.unsealable.position, done.checkpoint.size) == (size + nth, size + nth - 1)
    assert "recorded before the one that it follows" in str(done.unsealable)


def test_everything_is_dated_back_before_it_is_sealed(bank: Bank, tmp_path: Path) -> None:
    """Yields a false time that is sealed, and a gap to the witness's own time that every verification shows."""
    witness = new_witness(tmp_path / "witness")
    bank.alter("UPDATE sealbook.events SET recorded_at = recorded_at - interval '365 days'")
    sealed(bank.desk)
    cosigned(witness, bank.folder)
    auditor, proof = Auditor(tmp_path / "auditor", witness=witness), bank.desk.prover().entry(bank.position(3))

    said, told = auditor.entry(proof), auditor.read("entry", proof.encode())

    assert said.code == PROVEN
    recorded = datetime.fromisoformat(said.facts["event"]["recorded_at"])
    assert datetime.now(UTC) - recorded >= timedelta(days=365)
    (gap_seconds,) = [line.split()[5] for line in told.splitlines() if line.endswith(" before the first cosignature")]
    assert int(gap_seconds) >= timedelta(days=365).total_seconds()
