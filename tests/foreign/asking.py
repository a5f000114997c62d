"""Questions about made-up logs that any verifier of transparency logs can answer: good ones, and bad ones."""

from collections.abc import Iterator

from sealbook.adapters.seal.notes import Note, parse_checkpoint, signed
from tests.adapters.seal.made_log import MadeLog
from tests.foreign.conftest import Answers, Question

SIZES = (1, 2, 3, 255, 256, 257, 511, 600)


def refused(answers: Answers) -> list[bool]:
    return ["Refused" in each for each in answers]


def inclusion(log: MadeLog, note: Note, index: int) -> Question:
    size = parse_checkpoint(note.text).size
    return {
        "Check": "inclusion",
        "Keys": [str(log.key)],
        "Note": str(note),
        "Index": index,
        "Entry": log.entry(index),
        "Proof": log.inclusion(index, size),
    }


def good_inclusions(log: MadeLog) -> Iterator[Question]:
    for size in SIZES:
        note = log.grown(size)
        for index in sorted({0, size // 3, size // 2, size - 1}):
            yield inclusion(log, note, index)


def bad_inclusions(log: MadeLog, stranger: MadeLog) -> Iterator[Question]:
    """Each is a good one with one thing changed."""
    note = log.grown(600)
    good = inclusion(log, note, 300)
    proof = log.inclusion(300, 600)
    checkpoint = parse_checkpoint(note.text)
    yield good | {"Index": 301}
    yield good | {"Index": 600}
    yield good | {"Entry": log.entry(301)}
    yield good | {"Entry": log.entry(300) + b"\x00"}
    yield good | {"Proof": proof[:-1]}
    yield good | {"Proof": [*proof, proof[0]]}
    yield good | {"Proof": [proof[1], proof[0], *proof[2:]]}
    for at in range(len(proof)):
        yield good | {"Proof": [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]}
    for changed in (checkpoint._replace(root=bytes(32)), checkpoint._replace(size=9999)):
        yield good | {"Note": str(signed(changed.text, [log.signer]))}
    # What a thief of the key can sign holds against no entry that was proven before.
    yield good | {"Note": str(stranger.grown(600))}


def bad_notes(log: MadeLog) -> Iterator[Question]:
    note = log.grown(600)
    good: Question = {"Check": "note", "Keys": [str(log.key)], "Note": str(note)}
    (line,) = note.signatures
    flipped = line._replace(blob=bytes([line.blob[0] ^ 1]) + line.blob[1:])
    yield good | {"Note": str(Note(note.text, (flipped,)))}
    yield good | {"Note": str(Note(note.text.replace("600", "601"), note.signatures))}
    yield good | {"Note": str(Note(note.text.replace("bank", "bonk"), note.signatures))}
    yield good | {"Note": note.text}
    yield good | {"Note": str(Note(note.text, (line._replace(name="other.example"),)))}
    yield good | {"Note": str(Note(note.text, (line._replace(key_id=bytes(4)),)))}
