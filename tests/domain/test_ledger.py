"""What the ledger says of itself: maps that grow, keys with higher ids, records that go with somebody's word."""

from uuid import UUID

import pytest

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.ledger import (
    LEDGER_STREAM,
    NEW,
    ChangeKey,
    Command,
    DropRecords,
    Event,
    HeadsMapped,
    KeyChanged,
    KeyPurpose,
    Ledger,
    LogReplaced,
    MapHeads,
    RecordsDropped,
    ReplaceLog,
    decide,
    fold,
)
from tests.domain.examples import kst

MONDAY = kst("2026-03-02")
ROOT, OTHER_ROOT = "ab" * 32, "cd" * 32
STREAM = UUID(int=9)


def mapped(tree_size: int, root: str = ROOT) -> HeadsMapped:
    return HeadsMapped(at=MONDAY, tree_size=tree_size, streams=2, root=root)


def map_of(tree_size: int, root: str = ROOT) -> MapHeads:
    return MapHeads(at=MONDAY, tree_size=tree_size, streams=2, root=root)


def changed(purpose: KeyPurpose, key_id: int) -> KeyChanged:
    return KeyChanged(at=MONDAY, purpose=purpose, key_id=key_id, public_key=None)


def replace_log(root: str = ROOT, approved_by: str = "officer-1") -> ReplaceLog:
    return ReplaceLog(at=MONDAY, origin="bank/1", tree_size=7, root=root, reason="restored", approved_by=approved_by)


REPLACED = LogReplaced(at=MONDAY, origin="bank/1", tree_size=7, root=ROOT, reason="restored", approved_by="officer-1")


@pytest.mark.parametrize(
    ("history", "command", "events"),
    [
        ([], map_of(5), (mapped(5),)),
        ([mapped(5)], map_of(5), ()),
        ([mapped(5)], map_of(6), (mapped(6),)),
        ([mapped(5), REPLACED], map_of(3), (mapped(3),)),
        ([], ChangeKey(at=MONDAY, purpose=KeyPurpose.MAC, key_id=2), (changed(KeyPurpose.MAC, 2),)),
        ([changed(KeyPurpose.MAC, 2)], ChangeKey(at=MONDAY, purpose=KeyPurpose.MAC, key_id=2), ()),
        (
            [changed(KeyPurpose.MAC, 4), changed(KeyPurpose.EPOCH, 2)],
            ChangeKey(at=MONDAY, purpose=KeyPurpose.EPOCH, key_id=3),
            (changed(KeyPurpose.EPOCH, 3),),
        ),
        (
            [],
            DropRecords(at=MONDAY, stream=STREAM, versions=3, rule="act 22", approved_by="officer-1"),
            (RecordsDropped(at=MONDAY, stream=STREAM, versions=3, rule="act 22", approved_by="officer-1"),),
        ),
        ([], replace_log(), (REPLACED,)),
    ],
)
def test_the_ledger_notes(history: list[Event], command: Command, events: tuple[Event, ...]) -> None:
    assert decide(fold(history), command) == events


@pytest.mark.parametrize(
    ("history", "command", "refusal"),
    [
        ([mapped(5)], map_of(4), Refusal.SEAL_ORDER),
        ([mapped(5)], map_of(5, OTHER_ROOT), Refusal.SEAL_ORDER),
        ([], map_of(0), Refusal.SEAL_ORDER),
        ([], map_of(5, "short"), Refusal.MISMATCH),
        ([changed(KeyPurpose.LOG, 3)], ChangeKey(at=MONDAY, purpose=KeyPurpose.LOG, key_id=2), Refusal.SEAL_ORDER),
        ([], DropRecords(at=MONDAY, stream=STREAM, versions=3, rule="act 22", approved_by=""), Refusal.EVIDENCE),
        (
            [],
            DropRecords(at=MONDAY, stream=LEDGER_STREAM, versions=3, rule="act 22", approved_by="officer-1"),
            Refusal.MISMATCH,
        ),
        ([], replace_log(approved_by=""), Refusal.EVIDENCE),
        ([], replace_log(root="AB" * 32), Refusal.MISMATCH),
    ],
)
def test_the_ledger_refuses(history: list[Event], command: Command, refusal: Refusal) -> None:
    with pytest.raises(Refused) as refused:
        decide(fold(history), command)
    assert refused.value.code is refusal


def test_the_state_is_what_the_next_decision_reads() -> None:
    dropped = RecordsDropped(at=MONDAY, stream=STREAM, versions=3, rule="act 22", approved_by="officer-1")
    history: list[Event] = [mapped(5), changed(KeyPurpose.MAC, 2), changed(KeyPurpose.MAC, 3), dropped]

    state = fold(history)

    assert state == Ledger(mapped=5, root=ROOT, key_ids=((KeyPurpose.MAC, 3),), dropped=1)
    assert (NEW.key_id(KeyPurpose.MAC), state.key_id(KeyPurpose.MAC)) == (0, 3)
    assert fold([*history, REPLACED]).logs_replaced == 1
