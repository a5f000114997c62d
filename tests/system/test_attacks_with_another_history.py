"""Attacks with another history: a forged one, an older one, a second one, all of them signed with the real key.

Each test is named by what the attacker does, and says what that yields. What helps lies outside the bank: an older
checkpoint, or a witness.
"""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.seal.merkle import tree_root
from sealbook.adapters.seal.notes import Note, log_key, parse_note
from sealbook.adapters.seal.tiles import SealBroken
from sealbook.adapters.seal.witness import Outcome, Verdict, Witness
from sealbook.adapters.seal.witness_request import parse_request
from sealbook.adapters.seal.witness_server import STATUS
from sealbook.application.ports import Unavailable
from sealbook.domain.errors import Refused
from sealbook.domain.ledger import LEDGER_STREAM
from tests.adapters.seal.sealing import NOON, live, mapped, published, sealed, signer
from tests.system.attacking import (
    CANNOT_TELL,
    DISPROVED,
    HELD,
    PROVEN,
    Auditor,
    Bank,
    asked,
    careless_dump,
    cosigned,
    new_witness,
)

CONFLICT, UNPROCESSABLE = 409, 422
NEW_LOG = "bank.example/sealbook/2"


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return new_witness(tmp_path / "witness")


@pytest.fixture
def auditor(tmp_path: Path, witness: Witness) -> Auditor:
    return Auditor(tmp_path / "auditor", witness=witness)


def status(verdict: Verdict) -> int:
    return int(STATUS[verdict.outcome])


def signed_texts(verdict: Verdict) -> list[str]:
    """What the witness keeps of a refusal: the texts that the log's key signed, which cannot be taken back."""
    assert verdict.evidence is not None
    kept = parse_note((verdict.evidence / "cosigned").read_text(encoding="utf-8"))
    refused = parse_request((verdict.evidence / "refused").read_bytes()).note
    assert log_key(signer()).signed(Note(kept.text, kept.signatures[:1]))
    assert log_key(signer()).signed(refused)
    return [kept.text, refused.text]


# --- Rows, tiles and heads rewritten, with all keys stolen


@pytest.fixture
def forged(bank: Bank, witness: Witness, tmp_path: Path) -> tuple[Note, Bank]:
    """The checkpoint that outsiders have, and the bank after an event before it was altered and all sealed anew."""
    sealed(bank.desk)
    genuine = cosigned(witness, bank.folder)
    live(bank.store, seed=1, credentials=1)
    forge(bank, tmp_path / "forged")
    return genuine, bank


def forge(bank: Bank, folder: Path) -> None:
    bank.rewrite(bank.position(3), key_stolen=True)
    bank.folder = folder
    mapped(bank.desk)


def test_a_forged_history_is_shown_to_who_has_nothing_else(forged: tuple[Note, Bank], auditor: Auditor) -> None:
    """Yields a history that is proven: a log by itself says nothing against who holds its key.

    The verdict says so, and it is enough to ask for one witness.
    """
    _, bank = forged
    bundle, dump = bank.desk.prover().history(HELD.bytes).content, careless_dump(bank.rows())

    assert bank.findings() == []
    assert auditor.history(bundle, HELD).code == auditor.full(bank.folder, dump).code == PROVEN
    assert "no witness: against who holds the log's key" in auditor.read("history", bundle)
    for said in (
        auditor.history(bundle, HELD, "--witnesses", "1"),
        auditor.full(bank.folder, dump, "--witnesses", "1"),
    ):
        assert (said.code, "too few witnesses" in said.says) == (CANNOT_TELL, True)


def test_a_forged_history_keeps_the_map_of_the_genuine_one(bank: Bank, auditor: Auditor, tmp_path: Path) -> None:
    """Yields nothing, even by itself: the map was made of other events. The forger has to forge each map as well."""
    mapped(bank.desk)
    told = bank.rows()[-1].position
    forge(bank, tmp_path / "forged")

    assert auditor.whole(bank).found == (DISPROVED, "map", told)


def test_a_forged_history_is_shown_to_who_has_an_older_checkpoint(forged: tuple[Note, Bank], auditor: Auditor) -> None:
    """Yields nothing: no proof leads from what was signed to what is signed now."""
    genuine, bank = forged

    said = auditor.growth(genuine, bank.note, bank.desk.prover().growth(stands_at(genuine).size))

    assert said.found == (DISPROVED, "growth", None)


def test_a_forged_history_is_brought_to_the_witness(forged: tuple[Note, Bank], witness: Witness) -> None:
    """Yields a refusal, and both of the log's own signatures under what contradicts itself, kept by the witness."""
    genuine, bank = forged

    verdict = asked(witness, bank.folder, old=stands_at(genuine).size)

    assert (verdict.outcome, status(verdict)) == (Outcome.INCONSISTENT, UNPROCESSABLE)
    assert signed_texts(verdict) == [genuine.text, bank.note.text]


def test_a_forged_history_gets_an_older_cosignature(forged: tuple[Note, Bank], auditor: Auditor) -> None:
    """Yields nothing: a cosignature is of one checkpoint."""
    genuine, bank = forged
    folder = SealFolder(bank.folder)
    folder.put_checkpoint(Note(bank.note.text, (*bank.note.signatures, genuine.signatures[-1])))

    assert auditor.history(bank.desk.prover().history(HELD.bytes).content, HELD).found == (DISPROVED, "signature", None)


# --- An old database is restored


@pytest.fixture
def backup(bank: Bank) -> str:
    """A backup of the database, and of the seal's folder beside it, that is older than what is sealed."""
    mapped(bank.desk)
    taken = bank.backed_up()
    shutil.copytree(bank.folder, bank.folder.with_name("old seal"))
    live(bank.store, seed=1, credentials=1)
    mapped(bank.desk)
    return taken


def test_an_old_database_is_restored(bank: Bank, backup: str) -> None:
    """Yields nothing: the sealer seals nothing for it, and names both ends."""
    size, before = stands_at(bank.note).size, published(bank.folder)
    bank.restore(backup)
    end = bank.rows()[-1].position

    with pytest.raises(SealBroken, match=f"the ledger ends at position {end}, the seal at {size}: .*older backup"):
        sealed(bank.desk)

    assert published(bank.folder) == before
    assert any(f"the ledger ends at position {end}, the seal at {size}" in each for each in bank.findings())


def test_an_old_database_grows_beyond_what_was_sealed(bank: Bank, backup: str) -> None:
    """Yields nothing: at the position where the log goes on, something else was sealed."""
    size, before = stands_at(bank.note).size, published(bank.folder)
    bank.restore(backup)
    first = bank.rows()[-1].position + 1
    live(bank.store, seed=2, credentials=2)
    assert bank.rows()[-1].position > size

    with pytest.raises(SealBroken, match=f"position {size} is not what was sealed there"):
        sealed(bank.desk)

    assert published(bank.folder) == before
    assert f"position {first} is not what was sealed there" in bank.findings()


def test_an_old_database_is_restored_with_an_old_seal(
    bank: Bank, backup: str, witness: Witness, auditor: Auditor
) -> None:
    """Yields a log that goes on inside, and is refused by the witness and by who kept a checkpoint."""
    genuine = cosigned(witness, bank.folder)
    size = stands_at(genuine).size
    bank.restore(backup)
    shutil.rmtree(bank.folder)
    shutil.copytree(bank.folder.with_name("old seal"), bank.folder)
    assert sealed(bank.desk).unsealable is None
    older = asked(witness, bank.folder, old=0)
    assert (older.outcome, status(older), older.size) == (Outcome.OTHER_SIZE, CONFLICT, size)
    with pytest.raises(Unavailable, match="it is no older one"):
        bank.desk.prover().growth(size)

    live(bank.store, seed=2, credentials=2)
    sealed(bank.desk)

    grown = asked(witness, bank.folder, old=size)
    assert (status(grown), signed_texts(grown)) == (UNPROCESSABLE, [genuine.text, bank.note.text])
    assert auditor.growth(genuine, bank.note, bank.desk.prover().growth(size)).found == (DISPROVED, "growth", None)


def test_what_an_old_database_lost_is_accepted_in_a_new_log(bank: Bank, backup: str, tmp_path: Path) -> None:
    """Yields what was lost, and it stays said for good: another name, and in it the end of the log before."""
    ended = bank.note
    at_end, lost = stands_at(ended), published(bank.folder)
    bank.restore(backup)
    with pytest.raises(Refused):
        bank.desk.replace_log(NEW_LOG, at=NOON, reason="disk lost", approved_by="")
    aside = bank.desk.replace_log(NEW_LOG, at=NOON, reason="disk lost", approved_by="officer-7")
    with bank.desk.sealer(NEW_LOG) as sealer:
        bank.desk.seal(sealer)
        bank.desk.map_heads(sealer, at=NOON)

    auditor = Auditor(tmp_path / "auditor", log=NEW_LOG)
    told = auditor.history(bank.desk.prover().history(LEDGER_STREAM.bytes).content, LEDGER_STREAM)
    (replaced,) = [each for each in told.facts["timeline"] if each["event"] == "ledger.log_replaced"]
    full = auditor.whole(bank)
    assert published(aside) == lost
    assert replaced["fields"] == {
        "origin": at_end.origin,
        "tree_size": at_end.size,
        "root": at_end.root.hex(),
        "reason": "disk lost",
        "approved_by": "officer-7",
    }
    assert told.facts["checkpoint"]["origin"] == NEW_LOG
    assert auditor.history(bank.desk.prover().history(HELD.bytes).content, HELD).code == full.code == PROVEN
    assert any("ledger.log_replaced" in each for each in full.facts["notices"])
    assert bank.findings() == []
    # Who holds the old log's last checkpoint finds it in the folder that was kept, with all that was lost.
    size = at_end.size
    assert tree_root(SealFolder(aside).tiles.node(size), size) == at_end.root


# --- Two auditors are shown two histories


@pytest.mark.parametrize(
    ("credentials", "outcome", "code"),
    [(1, Outcome.FORKED, CONFLICT), (2, Outcome.INCONSISTENT, UNPROCESSABLE)],
    ids=["as long", "longer"],
)
def test_two_auditors_are_shown_two_histories(
    bank: Bank, witness: Witness, auditor: Auditor, tmp_path: Path, credentials: int, outcome: Outcome, code: int
) -> None:
    """Yields two histories that are proven, each by itself, where no witness is asked for.

    A witness cosigns one of them. Without one, the two must compare their checkpoints.
    """
    sealed(bank.desk)
    with closing(bank.double(tmp_path / "second")) as second:
        live(bank.store, seed=1, credentials=1)
        live(second.store, seed=2, credentials=credentials)
        mapped(bank.desk)
        mapped(second.desk)
        shown = cosigned(witness, bank.folder)
        size = stands_at(shown).size

        refused = asked(witness, second.folder, old=size)

        first, other = (each.desk.prover().history(HELD.bytes).content for each in (bank, second))
        assert auditor.history(first, HELD, "--witnesses", "1").code == auditor.history(other, HELD).code == PROVEN
        assert auditor.history(other, HELD, "--witnesses", "1").code == CANNOT_TELL
        assert (refused.outcome, status(refused)) == (outcome, code)
        assert signed_texts(refused) == [shown.text, second.note.text]
        compared = auditor.growth(shown, second.note, second.desk.prover().growth(size))
        assert compared.found == (DISPROVED, "growth", None)
