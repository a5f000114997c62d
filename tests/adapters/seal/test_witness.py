"""A witness's rules: what it cosigns, what it refuses, and what it keeps."""

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sealbook.adapters.seal import witness as witness_module
from sealbook.adapters.seal.merkle import EMPTY_ROOT
from sealbook.adapters.seal.notes import BadNote, Checkpoint, Note, VerifierKey, parse_checkpoint, parse_note, signed
from sealbook.adapters.seal.tiles import SealBroken
from sealbook.adapters.seal.witness import CLOCK_BACK_SECONDS_MAX, Outcome, Verdict, Witness
from sealbook.adapters.seal.witness_asking import Witnessing
from sealbook.adapters.seal.witness_request import PROOF_LINES_MAX, REQUEST_BYTES_MAX, WitnessRequest, parse_request
from sealbook.application.ports import Unavailable
from tests.adapters.seal.made_log import NOW, ORIGIN, MadeLog, sent, signer
from tests.cli.terminal import environment


@pytest.fixture
def log(tmp_path: Path) -> MadeLog:
    return MadeLog(tmp_path / "log")


@pytest.fixture
def witness(tmp_path: Path, log: MadeLog) -> Witness:
    made = Witness.create(tmp_path / "witness", name="audit.example/w1")
    made.trust(log.key)
    return made


def asked(witness: Witness, request: WitnessRequest, *, at: int = NOW) -> Verdict:
    return witness.add_checkpoint(sent(request), time_seconds=at)


def evidence(tmp_path: Path) -> list[dict[str, str]]:
    """What the witness kept, as the texts of its files."""
    folders = sorted((tmp_path / "witness" / "evidence").glob("*"))
    return [{path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())} for folder in folders]


# --- What is cosigned


def test_a_log_that_grows_is_cosigned_each_time(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    old = 0
    for size in (0, 1, 300, 300, 301, 900):
        verdict = asked(witness, log.request(size, old=old), at=NOW + size)
        assert (verdict.outcome, verdict.size, verdict.origin) == (Outcome.COSIGNED, size, ORIGIN)
        assert verdict.cosigned is not None
        assert witness.key.signed(verdict.cosigned)
        assert log.key.signed(verdict.cosigned)
        assert verdict.cosignature == verdict.cosigned.signatures[-1]
        assert int.from_bytes(verdict.cosigned.signatures[-1].blob[:8], "big") == NOW + size
        assert witness.latest(ORIGIN) == verdict.cosigned
        old = size
    assert evidence(tmp_path) == []


def test_what_it_knows_outlives_it(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    asked(witness, log.request(10))
    again = Witness.open(tmp_path / "witness")
    assert again.key == witness.key
    assert asked(again, log.request(20, old=10)).outcome is Outcome.COSIGNED
    assert asked(witness, log.request(30, old=10)).outcome is Outcome.OTHER_SIZE


def test_two_logs_do_not_disturb_each_other(witness: Witness, log: MadeLog) -> None:
    other = signer("other.example/log", seed=5)
    witness.trust(VerifierKey(other.name, 1, other.public_key))
    note = signed(Checkpoint(other.name, 5, bytes(32)).text, [other])
    assert asked(witness, log.request(10)).outcome is Outcome.COSIGNED
    assert asked(witness, WitnessRequest(0, (), note)).outcome is Outcome.COSIGNED
    assert asked(witness, log.request(20, old=10)).outcome is Outcome.COSIGNED
    # A key signs for the log that it is named after alone.
    stolen = signed(Checkpoint(ORIGIN, 30, bytes(32)).text, [other])
    assert asked(witness, WitnessRequest(20, (), stolen)).outcome is Outcome.UNSIGNED


def test_lines_of_unknown_keys_are_passed_over(witness: Witness, log: MadeLog) -> None:
    request = log.request(10)
    stranger = signed(request.note.text, [signer("stranger.example", seed=7)])
    verdict = asked(witness, request._replace(note=request.note.with_signatures(stranger.signatures)))
    assert verdict.cosigned is not None
    assert [each.name for each in verdict.cosigned.signatures] == [ORIGIN, witness.key.name]


def test_a_log_may_change_its_key(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    asked(witness, log.request(10))
    heir = MadeLog(tmp_path / "heir", seed=2)
    assert asked(witness, heir.request(20, old=10)).outcome is Outcome.UNSIGNED
    assert witness.trust(heir.key)
    assert asked(witness, heir.request(20, old=10)).outcome is Outcome.COSIGNED
    assert not witness.trust(heir.key)
    assert witness.logs() == [log.key, heir.key]


# --- What is not


def test_an_unknown_log_is_refused(tmp_path: Path, log: MadeLog) -> None:
    witness = Witness.create(tmp_path / "witness", name="audit.example/w1")
    assert asked(witness, log.request(10)).outcome is Outcome.UNKNOWN_LOG
    assert witness.latest(ORIGIN) is None


def test_an_altered_note_is_refused(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    request = log.request(10)
    good = parse_checkpoint(request.note.text)
    for altered in (good._replace(size=11), good._replace(root=bytes(32))):
        verdict = asked(witness, request._replace(note=request.note._replace(text=altered.text)))
        assert verdict.outcome is Outcome.UNSIGNED
    (line,) = request.note.signatures
    flipped = line._replace(blob=bytes([line.blob[0] ^ 1]) + line.blob[1:])
    for lines in ((flipped,), (line, flipped)):
        assert asked(witness, request._replace(note=Note(request.note.text, lines))).outcome is Outcome.UNSIGNED
    assert (witness.latest(ORIGIN), evidence(tmp_path)) == (None, [])


def test_forged_history_signed_with_the_stolen_key_is_refused_and_kept(
    witness: Witness, log: MadeLog, tmp_path: Path
) -> None:
    cosigned = asked(witness, log.request(700)).cosigned
    forged = MadeLog(tmp_path / "forged", altered=300)
    request = forged.request(800, old=700)
    verdict = asked(witness, request, at=NOW + 9)
    assert (verdict.outcome, verdict.size, verdict.cosigned) == (Outcome.INCONSISTENT, 700, None)
    assert evidence(tmp_path) == [{"cosigned": str(cosigned), "refused": str(request)}]
    assert verdict.evidence is not None
    # What was kept stands alone: both texts are signed by the log's key.
    refused = parse_request((verdict.evidence / "refused").read_bytes())
    contradicted = parse_note((verdict.evidence / "cosigned").read_text(encoding="utf-8"))
    assert log.key.signed(refused.note)
    assert log.key.signed(contradicted)
    # Asked again, and again with other proofs, it is kept once.
    for proof in (request.proof, (), request.proof[1:]):
        assert asked(witness, request._replace(proof=proof)).outcome is Outcome.INCONSISTENT
    assert evidence(tmp_path) == [{"cosigned": str(cosigned), "refused": str(request)}]
    assert witness.latest(ORIGIN) == cosigned


def test_a_fork_at_the_same_size_is_refused_and_kept(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    cosigned = asked(witness, log.request(500)).cosigned
    fork = MadeLog(tmp_path / "fork", altered=499).request(500)
    assert asked(witness, WitnessRequest(500, (), fork.note)).outcome is Outcome.FORKED
    # A wrong beginning hides nothing.
    assert asked(witness, fork).outcome is Outcome.OTHER_SIZE
    assert [each["cosigned"] for each in evidence(tmp_path)] == [str(cosigned)]
    assert witness.latest(ORIGIN) == cosigned


def test_an_older_history_is_refused_and_is_no_evidence(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    older = log.request(100)
    asked(witness, log.request(200))
    verdict = asked(witness, older)
    assert (verdict.outcome, verdict.size) == (Outcome.OTHER_SIZE, 200)
    assert asked(witness, older._replace(old=200)).outcome is Outcome.SHRINKS
    # A log may sign what it signed before.
    assert evidence(tmp_path) == []


def test_a_request_must_begin_where_the_witness_stands(witness: Witness, log: MadeLog) -> None:
    asked(witness, log.request(200))
    for old in (0, 100, 201):
        verdict = asked(witness, log.request(300, old=old))
        assert (verdict.outcome, verdict.size) == (Outcome.OTHER_SIZE, 200)
    assert asked(witness, log.request(300, old=200)).outcome is Outcome.COSIGNED


def test_an_empty_log_has_one_root(witness: Witness, log: MadeLog) -> None:
    wrong = signed(Checkpoint(ORIGIN, 0, bytes(32)).text, [log.signer])
    assert asked(witness, WitnessRequest(0, (), wrong)).outcome is Outcome.FORKED
    empty = signed(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text, [log.signer])
    assert asked(witness, WitnessRequest(0, (bytes(32),), empty)).outcome is Outcome.INCONSISTENT
    assert asked(witness, WitnessRequest(0, (), empty)).outcome is Outcome.COSIGNED


def test_a_first_request_needs_no_proof_and_may_bring_none(witness: Witness, log: MadeLog) -> None:
    request = log.request(100)
    assert asked(witness, request._replace(proof=(bytes(32),))).outcome is Outcome.INCONSISTENT
    assert asked(witness, request).outcome is Outcome.COSIGNED


SPOILT: tuple[Callable[[bytes], bytes], ...] = (
    lambda body: body[:0],
    lambda body: b"\n" + body,
    lambda body: body + b"\n",
    lambda body: body[:-1],
    lambda body: body.replace(b"old 0", b"old -1"),
    lambda body: body.replace(b"old 0", b"old 00"),
    lambda body: body.replace(b"old 0", b"old +0"),
    lambda body: body.replace(b"old 0", b"0"),
    lambda body: body.replace(b"old 0", b"old"),
    lambda body: body.replace(b"old 0\n", b"old 0\r\n"),
    lambda body: body.replace(b"old 0\n", b"old 0\nAAAA\n"),
    lambda body: body.replace(b"old 0\n", b"old 0\n?\n"),
    lambda body: body.replace(b"\n10\n", b"\n10\n\n"),
    lambda body: body.replace(b"\n10\n", b"\n-10\n"),
    lambda body: body.replace(b"\n\n", b"\n", 1),
    lambda body: body + b"\xff\n",
    lambda body: b"old " + b"9" * 5000 + b"\n\n" + body.partition(b"\n\n")[2],
    lambda body: body + b" " * REQUEST_BYTES_MAX,
)


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_is_no_request_is_refused(witness: Witness, log: MadeLog, spoilt: Callable[[bytes], bytes]) -> None:
    verdict = witness.add_checkpoint(spoilt(sent(log.request(10))), time_seconds=NOW)
    assert verdict.outcome is Outcome.UNREADABLE
    assert witness.latest(ORIGIN) is None


def test_a_proof_has_a_limit(witness: Witness, log: MadeLog) -> None:
    request = log.request(10)
    long = request._replace(proof=(bytes(32),) * PROOF_LINES_MAX)
    assert asked(witness, long).outcome is Outcome.INCONSISTENT
    assert asked(witness, long._replace(proof=(*long.proof, bytes(32)))).outcome is Outcome.UNREADABLE


def test_a_request_has_a_limit(witness: Witness, log: MadeLog) -> None:
    request = log.request(10)
    (line,) = request.note.signatures
    for count, outcome in ((30, Outcome.COSIGNED), (300, Outcome.UNREADABLE)):
        lines = [line._replace(name=f"stranger{number}", blob=bytes(3_000)) for number in range(count)]
        assert asked(witness, request._replace(note=request.note.with_signatures(lines))).outcome is outcome


def test_its_times_do_not_go_back(witness: Witness, log: MadeLog) -> None:
    asked(witness, log.request(10), at=NOW)
    verdict = asked(witness, log.request(20, old=10), at=NOW - CLOCK_BACK_SECONDS_MAX)
    assert verdict.cosignature is not None
    assert int.from_bytes(verdict.cosignature.blob[:8], "big") == NOW
    assert asked(witness, log.request(30, old=20), at=NOW - CLOCK_BACK_SECONDS_MAX - 1).outcome is Outcome.CLOCK_BEHIND
    assert asked(witness, log.request(30, old=20), at=NOW + 1).outcome is Outcome.COSIGNED


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_cosignatures_the_log_keeps_the_newer(witness: Witness, log: MadeLog, order: tuple[int, int]) -> None:
    first = asked(witness, log.request(10), at=NOW).cosigned
    again = asked(witness, log.request(10, old=10), at=NOW + 5).cosigned
    assert first is not None
    assert again is not None
    for each in order:
        Witnessing(log.folder).take((first, again)[each], witness.key)
    assert log.folder.witnessed() == again


# --- Its folder


def test_its_key_is_its_owners_alone_and_shows_nowhere(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    path = tmp_path / "witness" / "witness-key.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    seed = json.loads(path.read_text(encoding="utf-8"))["seed"]
    assert seed not in f"{vars(witness)} {witness.key} {asked(witness, log.request(1))}"


def test_made_twice_it_is_the_same(witness: Witness, tmp_path: Path) -> None:
    assert Witness.create(tmp_path / "witness", name="audit.example/w1").key == witness.key


def test_a_witness_trusts_no_witness(witness: Witness) -> None:
    with pytest.raises(BadNote, match="a log's is wanted"):
        witness.trust(witness.key)


def test_without_a_folder_there_is_no_witness(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Witness.open(tmp_path / "nothing")


def test_a_witness_that_lost_what_it_said_says_nothing_more(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    asked(witness, log.request(10))
    (record,) = (tmp_path / "witness" / "cosigned").iterdir()
    good = record.read_text(encoding="utf-8")
    for damaged in ("", good[:-9], good.replace("\n10\n", "\n11\n"), str(log.grown(10))):
        record.write_text(damaged, encoding="utf-8")
        with pytest.raises(SealBroken):
            asked(witness, log.request(20, old=10))
    record.unlink()
    record.parent.rmdir()
    with pytest.raises(SealBroken, match="begin a new one"):
        asked(witness, log.request(20))
    assert Witness.create(tmp_path / "witness", name="audit.example/w1").key == witness.key
    with pytest.raises(SealBroken):
        asked(witness, log.request(20))


def test_a_damaged_list_of_logs_is_said(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    (tmp_path / "witness" / "logs").write_text("log nobody\n", encoding="utf-8")
    with pytest.raises(SealBroken, match="logs cannot be read"):
        asked(witness, log.request(10))


# --- Killed


KILLED_WHILE = """
import os, signal, sys
from pathlib import Path
from sealbook.adapters.seal import witness as module

def killed(*_): os.kill(os.getpid(), signal.SIGKILL)
really = module.replace_file
def replaced(path, data):
    really(path, data)
    killed()
module.replace_file = {"before": killed, "after": replaced}[sys.argv[1]]
module.Witness.open(Path(sys.argv[2])).add_checkpoint(Path(sys.argv[3]).read_bytes(), time_seconds=int(sys.argv[4]))
"""


def killed_while_asked(when: str, request: WitnessRequest, folder: Path) -> None:
    (folder / "request").write_bytes(sent(request))
    command = [sys.executable, "-c", KILLED_WHILE, when, str(folder / "witness"), str(folder / "request"), str(NOW)]
    assert subprocess.run(command, env=environment(), check=False).returncode == -signal.SIGKILL


def test_killed_before_it_recorded_it_has_said_nothing(witness: Witness, log: MadeLog, tmp_path: Path) -> None:
    asked(witness, log.request(100))
    request = log.request(200, old=100)
    killed_while_asked("before", request, tmp_path)
    assert asked(witness, request).outcome is Outcome.COSIGNED


def test_killed_before_it_answered_it_stands_by_what_it_recorded(
    witness: Witness, log: MadeLog, tmp_path: Path
) -> None:
    asked(witness, log.request(100))
    request = log.request(200, old=100)
    killed_while_asked("after", request, tmp_path)
    fork = MadeLog(tmp_path / "fork", altered=150)
    assert asked(witness, fork.request(200, old=100)).outcome is Outcome.OTHER_SIZE
    assert asked(witness, fork.request(200, old=200)).outcome is Outcome.FORKED
    # The one whose answer was lost learns where the witness stands, and asks again from there.
    assert asked(witness, request)[::3] == (Outcome.OTHER_SIZE, 200)
    assert asked(witness, log.request(200, old=200)).outcome is Outcome.COSIGNED


def test_a_cosignature_leaves_only_after_its_record_is_on_disk(
    witness: Witness, log: MadeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    request = log.request(10)
    with monkeypatch.context() as patched:
        patched.setattr(witness_module, "replace_file", full)
        with pytest.raises(OSError, match="No space"):
            asked(witness, request)
    assert witness.latest(ORIGIN) is None
    assert asked(witness, request).outcome is Outcome.COSIGNED
