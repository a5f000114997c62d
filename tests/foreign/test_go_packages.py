"""Go's own packages for transparency logs (golang.org/x/mod/sumdb) accept what we publish, and nothing else."""

from base64 import b64decode
from pathlib import Path
from typing import cast

from sealbook.adapters.seal.notes import Checkpoint, signed
from sealbook.adapters.seal.witness import Witness
from tests.adapters.seal.made_log import NOW, ORIGIN, MadeLog, sent
from tests.foreign.asking import SIZES, bad_inclusions, bad_notes, good_inclusions, refused
from tests.foreign.conftest import SIZE, Checker, Question


def growth(log: MadeLog, old: int, new: int) -> Question:
    return {
        "Check": "growth",
        "Keys": [str(log.key)],
        "OldNote": str(log.grown(old)),
        "Note": str(log.grown(new)),
        "Proof": log.growth(old, new),
    }


def tiles(log: MadeLog, size: int, indexes: list[int]) -> Question:
    return {
        "Check": "tiles",
        "Keys": [str(log.key)],
        "Note": str(log.grown(size)),
        "Tiles": str(log.folder.path),
        "Indexes": indexes,
        "Entries": [log.entry(index) for index in indexes],
    }


def test_checkpoints_and_inclusions_are_accepted(go: Checker, tmp_path: Path) -> None:
    good = list(good_inclusions(MadeLog(tmp_path / "small")))
    assert go(good) == [{}] * len(good)


def test_wrong_inclusions_are_refused(go: Checker, tmp_path: Path) -> None:
    bad = list(bad_inclusions(MadeLog(tmp_path / "small"), MadeLog(tmp_path / "forged", altered=0)))
    assert len(bad) > 15
    assert all(refused(go(bad)))


def test_wrong_notes_are_refused(go: Checker, tmp_path: Path) -> None:
    bad = list(bad_notes(MadeLog(tmp_path / "small")))
    assert all(refused(go(bad)))


def test_growth_is_accepted_and_forged_history_is_not(go: Checker, tmp_path: Path) -> None:
    for number, (old, new) in enumerate(((1, 2), (3, 7), (255, 256), (256, 257), (300, 600))):
        log = MadeLog(tmp_path / f"log{number}")
        good = growth(log, old, new)
        # Signed with the very same key, as by a thief of it.
        forged = MadeLog(tmp_path / f"forged{number}", altered=old - 1)
        stolen = growth(forged, old, new)
        proof = log.growth(old, new)
        bad = [
            good | {"Note": stolen["Note"], "Proof": stolen["Proof"]},
            good | {"OldNote": stolen["OldNote"]},
            good | {"Proof": [*proof[:-1], bytes(32)]},
            good | {"Proof": proof[:-1]},
            good | {"Proof": [*proof, bytes(32)]},
            good | {"Proof": [each[:-1] for each in proof]},
            good | {"OldNote": good["Note"], "Note": good["OldNote"]},
        ]
        assert refused(go([good, stolen, *bad])) == [False, False, *(True for _ in bad)]


def test_tiles_are_read_and_lead_to_the_same_proofs(go: Checker, tmp_path: Path) -> None:
    log = MadeLog(tmp_path / "small")
    for size in SIZES:
        indexes = sorted({0, size // 3, size // 2, size - 1})
        (answer,) = go([tiles(log, size, indexes)])
        said = cast("list[list[str] | None]", answer["Proofs"])
        proofs = [[b64decode(each) for each in proof or []] for proof in said]
        assert proofs == [log.inclusion(index, size) for index in indexes]


def test_tiles_that_were_altered_are_refused(go: Checker, log: MadeLog) -> None:
    asked = tiles(log, SIZE, [300])
    assert not refused(go([asked]))[0]
    elsewhere = {**asked, "Note": str(signed(Checkpoint(ORIGIN, SIZE, bytes(32)).text, [log.signer]))}
    assert refused(go([elsewhere]))[0]
    for name in ("tile/0/001", "tile/1/000.p/2"):
        path = log.folder.path / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert refused(go([asked]))[0]
        path.write_bytes(whole[:-32])
        assert refused(go([asked]))[0]
        path.write_bytes(whole)
    assert not refused(go([asked]))[0]


def test_a_cosignature_is_accepted_beside_the_logs(go: Checker, log: MadeLog, tmp_path: Path) -> None:
    witness = Witness.create(tmp_path / "witness", name="audit.example/w1")
    witness.trust(log.key)
    cosigned = witness.add_checkpoint(sent(log.request(SIZE)), time_seconds=NOW).cosigned
    assert cosigned is not None
    (log_line, line) = cosigned.signatures
    good: Question = {"Check": "note", "Keys": [str(log.key), str(witness.key)], "Note": str(cosigned)}
    later = line._replace(blob=(NOW + 1).to_bytes(8, "big") + line.blob[8:])
    bad = [
        good | {"Note": str(cosigned._replace(signatures=(log_line,)))},
        good | {"Note": str(cosigned._replace(signatures=(line,)))},
        good | {"Note": str(cosigned._replace(signatures=(log_line, later)))},
    ]
    assert refused(go([good, *bad])) == [False, True, True, True]
