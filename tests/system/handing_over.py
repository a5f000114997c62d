"""What a bank hands over of one credential, and of its whole log, for tests that change it on the way."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from sealbook.adapters.seal.leaves import commitment, kind_of
from sealbook.adapters.seal.rows import StoredRow
from sealbook.application.ledger import execute
from sealbook.application.record_keeping import OnLedger
from sealbook.domain.ledger import DropRecords
from tests.adapters.seal.sealing import NOON, live, mapped, sealed
from tests.commands import MARCH, Script
from tests.system.attacking import Auditor, Bank, Said, careless_dump

EVENTS, MAP, DROPS, LATER = 3, 4, 5, 6
"""Where a history bundle has what."""
DROPPED, OTHERS_DROPPED = 3, 2
"""Of the credential, and of the phone: up to these versions the ledger says that bodies are to be destroyed."""
HELD = UUID(int=0x8 << 64 | 0xCCCC)
encode = msgspec.msgpack.encode
Bundle = list[Any]


@dataclass(frozen=True)
class Handed:
    """Two histories of one credential, one older, and the log with all its events; and who verifies them."""

    folder: Path
    auditor: Auditor
    rows: list[StoredRow]
    older: bytes
    newer: bytes
    absences: list[Bundle]
    drops: list[Bundle]

    def history(self, change: Callable[[Bundle], None], *, older: bool = False) -> Said:
        """Verify a history that was changed on its way."""
        bundle: Bundle = msgspec.msgpack.decode(self.older if older else self.newer)
        change(bundle)
        return self.auditor.history(encode(bundle), HELD)

    def unchanged(self, *, older: bool = False) -> Said:
        return self.history(lambda _bundle: None, older=older)

    def row(self, version: int) -> StoredRow:
        (found,) = [each for each in self.rows if (each.stream, each.version) == (HELD.bytes, version)]
        return found

    def full(self, *versions: int) -> Said:
        """Verify the whole log, of which the bodies of some of the credential's events are destroyed."""
        destroyed = {row.position: closed(row) for row in map(self.row, versions)}
        return self.auditor.full(self.folder, careless_dump(self.rows, destroyed=destroyed))


def handed_over(bank: Bank, auditor: Auditor) -> Handed:
    """Let a credential be used before a map, between two maps, and after them; hand over what that makes."""
    live(bank.store, credentials=2)
    script = Script(seed=7)
    person, phone = script.new_id(), script.new_id()
    issued = script.issue(HELD, customer=person, device=phone)
    execute(bank.store, [script.enroll(person), script.register(phone), issued])
    used = [script.use(HELD, device=phone, at=MARCH + timedelta(hours=hour)) for hour in range(9)]
    execute(bank.store, used[:4])
    mapped(bank.desk)
    older = bank.desk.prover().history(HELD.bytes).content
    execute(bank.store, used[4:7])
    drops = [drop(bank, script, HELD, DROPPED), drop(bank, script, phone, OTHERS_DROPPED)]
    mapped(bank.desk)
    execute(bank.store, used[7:])
    sealed(bank.desk)
    prover = bank.desk.prover()
    beside = [UUID(int=HELD.int + step).bytes for step in (-1, 1)]
    return Handed(
        folder=bank.folder,
        auditor=auditor,
        rows=bank.rows(),
        older=older,
        newer=prover.history(HELD.bytes).content,
        absences=[msgspec.msgpack.decode(prover.history(each).content) for each in beside],
        drops=[ledger_event(prover.entry(each)) for each in drops],
    )


def drop(bank: Bank, script: Script, stream: UUID, versions: int) -> int:
    """Note that bodies of a stream are to be destroyed; return where the ledger says it."""
    dropped = DropRecords(at=NOON, stream=stream, versions=versions, rule="act 22", approved_by="officer-7")
    (outcome,) = execute(bank.store, [script.command(OnLedger(command=dropped))])
    assert outcome.position is not None
    return outcome.position


def ledger_event(proof: str) -> Bundle:
    """Return an event with its place and its proof as a bundle has them."""
    _, extra, _, *hashes = proof.partition("\n\n")[0].split("\n")
    _, version, previous, event = msgspec.msgpack.decode(base64.b64decode(extra.removeprefix("extra ")))
    return [version, previous, event, [base64.b64decode(each) for each in hashes]]


def closed(row: StoredRow) -> bytes:
    """Return what is left of a row whose body is destroyed."""
    return bytes([kind_of(row.body)]) + commitment(row.salt, row.body)


def close(event: Bundle) -> None:
    salt, body = event[2:]
    event[2:] = [kind_of(body), commitment(salt, body)]
