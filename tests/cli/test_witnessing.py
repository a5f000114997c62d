"""sealbook witness: to be one, to ask one, over HTTP and by a file that travels."""

import http.client
import json
import os
import re
import signal
import stat
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealbook.adapters.seal.folder import SealFolder
from sealbook.adapters.seal.notes import Checkpoint, Note, VerifierKey, parse_checkpoint, parse_note, signed
from tests.adapters.seal.made_log import ORIGIN, MadeLog, sent, signer
from tests.cli.terminal import Child, begun, ended, sealbook

NAME = "audit.example/w1"


@dataclass
class Office:
    """The folder of one witness, and the line that it is known by."""

    folder: Path
    vkey: str

    @property
    def key(self) -> VerifierKey:
        return VerifierKey.parse(self.vkey)


@pytest.fixture
def log(tmp_path: Path) -> MadeLog:
    return MadeLog(tmp_path / "seal")


@pytest.fixture
def office(tmp_path: Path, log: MadeLog) -> Office:
    return opened(tmp_path / "office", log)


def opened(folder: Path, log: MadeLog, name: str = NAME) -> Office:
    vkey = str(sealbook("witness", "init", folder, "--name", name, "--json").answer["vkey"])
    assert sealbook("witness", "trust", folder, str(log.key), "--json").answer["new"] is True
    return Office(folder, vkey)


@pytest.fixture
def server(office: Office) -> Generator[tuple[Child, str]]:
    child = begun("witness", "serve", office.folder, "--port", "0", "--json")
    assert child.stdout is not None
    try:
        yield child, str(json.loads(child.stdout.readline())["url"])
    finally:
        child.kill()
        child.communicate()


def by_file(log: MadeLog, office: Office, folder: Path, *more: str) -> Path:
    """Let a request travel to a witness; return the file that comes back."""
    assert sealbook("witness", "ask", "--seal", log.folder.path, "-o", folder / "request", *more).code == 0
    assert sealbook("witness", "sign", office.folder, folder / "request", "-o", folder / "answer").code == 0
    return folder / "answer"


def witnessed(log: MadeLog) -> Note:
    note = log.folder.witnessed()
    assert note is not None
    return note


# --- Being a witness


def test_a_witness_is_made_once_and_prints_its_line(tmp_path: Path) -> None:
    said = sealbook("witness", "init", tmp_path / "w", "--name", NAME)
    assert VerifierKey.parse(said.out.removesuffix("\n")).name == NAME
    assert sealbook("witness", "init", tmp_path / "w", "--name", NAME).out == said.out
    assert stat.S_IMODE((tmp_path / "w" / "witness-key.json").stat().st_mode) == 0o600
    sealbook("witness", "init", tmp_path / "w", "--name", "other").failed(2, "another witness", NAME)
    for name in ("", "a b", "a+b", "a\nb", "a\x1bb"):
        sealbook("witness", "init", tmp_path / "x", "--name", name).failed(2, "no name of a witness")
    assert not (tmp_path / "x").exists()
    (tmp_path / "file").touch()
    sealbook("witness", "init", tmp_path / "file", "--name", NAME).failed(2, "cannot be a witness's folder")


def test_a_log_is_trusted_by_its_key(office: Office, log: MadeLog) -> None:
    assert "was known" in sealbook("witness", "trust", office.folder, str(log.key)).out
    sealbook("witness", "trust", office.folder, office.vkey).failed(2, "a log's is wanted")
    for line in ("", "nonsense", str(log.key)[:-1], f"{log.key}x"):
        sealbook("witness", "trust", office.folder, line).failed(2, "VKEY")


def test_without_a_witness_there_is_nothing_to_do(tmp_path: Path, log: MadeLog) -> None:
    sealbook("witness", "trust", tmp_path, str(log.key)).failed(2, "there is no witness in")
    sealbook("witness", "sign", tmp_path, tmp_path / "r", "-o", tmp_path / "c").failed(2, "there is no witness in")
    sealbook("witness", "serve", tmp_path).failed(2, "there is no witness in")


# --- By file


def test_a_cosignature_comes_back_by_file(log: MadeLog, office: Office, tmp_path: Path) -> None:
    note = log.grown(300)
    answer = by_file(log, office, tmp_path)
    said = sealbook("witness", "take", "--seal", log.folder.path, answer, "--witness", office.vkey, "--json")
    assert said.answer == {"size": 300, "stored": True, "witnesses": [NAME]}
    assert witnessed(log).text == note.text
    assert office.key.signed(witnessed(log))
    assert log.key.signed(witnessed(log))
    assert log.folder.policy() == f"log {log.key}\nwitness {NAME} {office.vkey}\nquorum none\n"


def test_the_next_request_begins_where_the_last_ended(log: MadeLog, office: Office, tmp_path: Path) -> None:
    for size in (300, 300, 700):
        log.grown(size)
        answer = by_file(log, office, tmp_path)
        taken = sealbook("witness", "take", "--seal", log.folder.path, answer, "--witness", office.vkey)
        assert taken.out == f"{size} events cosigned by {NAME}.\n"
    assert len(witnessed(log).signatures) == 2
    assert log.folder.policy().count(office.vkey) == 1


def test_two_witnesses_meet_under_one_checkpoint(log: MadeLog, office: Office, tmp_path: Path) -> None:
    other = opened(tmp_path / "other", log, "regulator.example")
    log.grown(300)
    answer = by_file(log, office, tmp_path)
    assert sealbook("witness", "sign", other.folder, tmp_path / "request", "-o", tmp_path / "second").code == 0
    log.grown(400)
    for each, came_back in ((office, answer), (other, tmp_path / "second")):
        taken = sealbook("witness", "take", "--seal", log.folder.path, came_back, "--witness", each.vkey)
        assert taken.code == 0
    assert [each.name for each in witnessed(log).signatures] == [ORIGIN, NAME, "regulator.example"]
    assert "\n300\n" in witnessed(log).text
    assert log.folder.policy().splitlines()[1:3] == [
        f"witness {NAME} {office.vkey}",
        f"witness regulator.example {other.vkey}",
    ]


def test_an_answer_that_comes_late_changes_nothing(log: MadeLog, office: Office, tmp_path: Path) -> None:
    other = opened(tmp_path / "other", log, "regulator.example")
    log.grown(300)
    late = tmp_path / "late"
    by_file(log, office, tmp_path).rename(late)
    log.grown(400)
    now = by_file(log, other, tmp_path)
    assert sealbook("witness", "take", "--seal", log.folder.path, now, "--witness", other.vkey).code == 0
    said = sealbook("witness", "take", "--seal", log.folder.path, late, "--witness", office.vkey, "--json")
    assert said.answer == {"size": 300, "stored": False, "witnesses": []}
    assert "\n400\n" in witnessed(log).text


def test_a_refusal_tells_what_to_do(log: MadeLog, office: Office, tmp_path: Path) -> None:
    log.grown(300)
    by_file(log, office, tmp_path)
    log.grown(400)
    sign = ("witness", "sign", office.folder, tmp_path / "request", "-o", tmp_path / "none")
    assert sealbook("witness", "ask", "--seal", log.folder.path, "-o", tmp_path / "request").code == 0
    sealbook(*sign).failed(1, "stands at 300 entries", "sealbook witness ask --old 300")
    refused = sealbook(*sign, "--json")
    assert (refused.code, refused.rows[0]["outcome"], refused.rows[0]["size"]) == (1, "other_size", 300)
    assert not (tmp_path / "none").exists()
    by_file(log, office, tmp_path, "--old", "300")


def test_a_forged_history_is_refused_and_kept(log: MadeLog, office: Office, tmp_path: Path) -> None:
    log.grown(300)
    by_file(log, office, tmp_path)
    forged = MadeLog(tmp_path / "forged", altered=100)
    (tmp_path / "request").write_bytes(sent(forged.request(400, old=300)))
    sign = ("witness", "sign", office.folder, tmp_path / "request", "-o", tmp_path / "none")
    said = sealbook(*sign)
    said.failed(1, "does not continue the 300", str(office.folder / "evidence"))
    (kept,) = (office.folder / "evidence").iterdir()
    assert (kept / "refused").read_bytes() == (tmp_path / "request").read_bytes()


# --- What cannot be used


def test_bad_files_are_said_in_a_line(log: MadeLog, office: Office, tmp_path: Path) -> None:
    log.grown(300)
    answer = by_file(log, office, tmp_path)
    good = answer.read_text(encoding="utf-8")
    (bad := tmp_path / "bad").write_bytes(b"\xff")
    take = ("witness", "take", "--seal", log.folder.path)
    sealbook("witness", "sign", office.folder, bad, "-o", tmp_path / "none").failed(2, "bad", "no request")
    sealbook("witness", "sign", office.folder, tmp_path / "no", "-o", tmp_path / "none").failed(2, "cannot be read")
    for place in (tmp_path, tmp_path / "no" / "none"):
        sealbook("witness", "sign", office.folder, tmp_path / "request", "-o", place).failed(2, "cannot be written")
        sealbook("witness", "ask", "--seal", log.folder.path, "-o", place).failed(2, "cannot be written")
    sealbook(*take, bad, "--witness", office.vkey).failed(2, "bad")
    sealbook(*take, tmp_path / "no", "--witness", office.vkey).failed(2, "cannot be read")
    sealbook(*take, answer, "--witness", "nonsense").failed(2, "--witness")
    sealbook(*take, answer, "--witness", str(log.key)).failed(2, "not a witness's")
    for said in (good[:-9], good.partition("\n\n")[2], good.replace("\n300\n", "\n301\n"), str(log.grown(300))):
        bad.write_text(said, encoding="utf-8")
        sealbook(*take, bad, "--witness", office.vkey).failed(2, "bad")
    assert log.folder.witnessed() is None


def test_a_cosignature_must_be_of_this_log_and_by_that_witness(log: MadeLog, office: Office, tmp_path: Path) -> None:
    log.grown(300)
    answer = by_file(log, office, tmp_path)
    other = opened(tmp_path / "other", log)
    take = ("witness", "take", "--seal", log.folder.path, answer, "--witness")
    sealbook(*take, other.vkey).failed(2, "no cosignature by")
    stranger = MadeLog(tmp_path / "stranger", seed=4)
    stranger.grown(300)
    sealbook("witness", "take", "--seal", stranger.folder.path, answer, "--witness", office.vkey).failed(
        2, "not signed by this log"
    )
    other_log = signer("other.example/log", seed=5)
    other_key = VerifierKey(other_log.name, 1, other_log.public_key)
    assert sealbook("witness", "trust", office.folder, str(other_key)).code == 0
    log.folder.trust_log([other_key])
    root = parse_checkpoint(log.grown(300).text).root
    foreign = signed(Checkpoint(other_log.name, 300, root).text, [other_log])
    (tmp_path / "foreign").write_text(f"old 0\n\n{foreign}", encoding="utf-8")
    assert sealbook("witness", "sign", office.folder, tmp_path / "foreign", "-o", tmp_path / "foreign").code == 0
    sealbook("witness", "take", "--seal", log.folder.path, tmp_path / "foreign", "--witness", office.vkey).failed(
        2, "not signed by this log"
    )
    # Nor is what this log's key signed for another log.
    (tmp_path / "foreign").write_text(str(signed(foreign.text, [log.signer])), encoding="utf-8")
    sealbook("witness", "take", "--seal", log.folder.path, tmp_path / "foreign", "--witness", office.vkey).failed(
        2, "not signed by this log"
    )
    # Lines of strangers are not taken over: a verifier could not tell whose they are.
    cosigned = parse_note(answer.read_text(encoding="utf-8"))
    strangers = signed(cosigned.text, [signer("stranger.example", seed=7)]).signatures
    answer.write_text(str(cosigned.with_signatures(strangers)), encoding="utf-8")
    assert sealbook(*take, office.vkey).code == 0
    assert [each.name for each in witnessed(log).signatures] == [ORIGIN, NAME]
    # One name is one key, until a person takes the old line out of the policy.
    assert sealbook("witness", "sign", other.folder, tmp_path / "request", "-o", answer).code == 0
    sealbook(*take, other.vkey).failed(2, f"knows {NAME} by another key")


def test_a_log_that_signed_what_its_tiles_do_not_say_is_broken(log: MadeLog, office: Office, tmp_path: Path) -> None:
    log.grown(300)
    forged = MadeLog(tmp_path / "forged", altered=100)
    forged.grown(300)
    answer = by_file(forged, office, tmp_path)
    take = ("witness", "take", "--seal", log.folder.path, answer, "--witness", office.vkey)
    sealbook(*take).failed(3, "another root for 300 entries")
    forged.grown(301)
    by_file(forged, office, tmp_path, "--old", "300")
    sealbook(*take).failed(3, "an old copy")
    other = opened(tmp_path / "other", log, "regulator.example")
    answer = by_file(log, other, tmp_path)
    log.folder.put_witnessed(MadeLog(tmp_path / "again", altered=100).grown(300))
    sealbook("witness", "take", "--seal", log.folder.path, answer, "--witness", other.vkey).failed(3, "two roots")


def test_a_log_must_be_there_and_have_a_checkpoint(tmp_path: Path, log: MadeLog) -> None:
    sealbook("witness", "ask", "--ledger", tmp_path / "no", "-o", tmp_path / "r").failed(2, "there is no seal in")
    sealbook("witness", "ask", "--seal", log.folder.path, "-o", tmp_path / "r").failed(2, "sealbook seal first")
    sealbook("witness", "ask", "--ledger", tmp_path, "-o", tmp_path / "r").failed(2, "sealbook seal first")
    log.grown(10)
    sealbook("witness", "ask", "--seal", log.folder.path).failed(2, "--url URL", "-o REQUEST")
    sealbook("witness", "ask", "--seal", log.folder.path, "--url", "http://h", "-o", "f").failed(2, "--url URL")
    sealbook("witness", "ask", "--seal", log.folder.path, "-o", tmp_path / "r", "--old", "11").failed(2, "10 entries")


# --- Over HTTP


def test_a_witness_is_asked_over_http(log: MadeLog, office: Office, server: tuple[Child, str]) -> None:
    _, url = server
    ask = ("witness", "ask", "--seal", log.folder.path, "--url", url)
    log.grown(300)
    sealbook(*ask).failed(2, "0 witnesses at", "--witness")
    first = sealbook(*ask, "--witness", office.vkey, "--json")
    assert first.answer == {"size": 300, "stored": True, "witnesses": [NAME]}
    assert f"witness {NAME} {office.vkey} {url}\n" in log.folder.policy()
    log.grown(500)
    # From now on, the policy knows its key.
    assert sealbook(*ask).out == f"500 events cosigned by {NAME}.\n"
    assert office.key.signed(witnessed(log))


def test_an_answer_by_another_key_is_refused(log: MadeLog, server: tuple[Child, str], tmp_path: Path) -> None:
    log.grown(300)
    other = opened(tmp_path / "other", log)
    ask = ("witness", "ask", "--seal", log.folder.path, "--url", server[1], "--witness")
    sealbook(*ask, other.vkey).failed(2, "no cosignature by")
    assert log.folder.witnessed() is None


def test_a_refusal_over_http_is_told(log: MadeLog, office: Office, server: tuple[Child, str], tmp_path: Path) -> None:
    log.grown(300)
    ask = ("--url", server[1], "--witness", office.vkey)
    assert sealbook("witness", "ask", "--seal", log.folder.path, *ask).code == 0
    forged = MadeLog(tmp_path / "forged", altered=100)
    forged.grown(400)
    sealbook("witness", "ask", "--seal", forged.folder.path, *ask).failed(1, "refused", "(422)")
    said = sealbook("witness", "ask", "--seal", forged.folder.path, *ask, "--json")
    assert (said.code, said.rows[0]["outcome"], said.rows[0]["witness"]) == (1, "refused", NAME)


def test_nobody_there_is_said(log: MadeLog, office: Office, server: tuple[Child, str]) -> None:
    child, url = server
    child.kill()
    child.communicate()
    log.grown(300)
    ask = ("witness", "ask", "--seal", log.folder.path, "--witness", office.vkey, "--url")
    sealbook(*ask, url).failed(3, "cannot be reached")
    for nonsense in ("nonsense", "ftp://h", "http://a b", "http://[::1"):
        sealbook(*ask, nonsense).failed(2, "no witness's address")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_serves_until_it_is_stopped(
    log: MadeLog, office: Office, server: tuple[Child, str], number: signal.Signals, code: int
) -> None:
    child, url = server
    log.grown(300)
    assert sealbook("witness", "ask", "--seal", log.folder.path, "--url", url, "--witness", office.vkey).code == 0
    # A caller that keeps its connection open holds nothing up.
    port = re.sub(r".*:", "", url)
    with closing(http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().status == 404
        os.kill(child.pid, number)
        said = ended(child)
    assert said.code == code
    assert [(row["status"], row.get("size")) for row in said.rows] == [(200, 300), (404, None)]
    assert "Traceback" not in said.err


def test_an_address_in_use_is_said(office: Office, server: tuple[Child, str]) -> None:
    port = re.sub(r".*:", "", server[1])
    sealbook("witness", "serve", office.folder, "--port", port).failed(3, f"port {port}", "in use")
    sealbook("witness", "serve", office.folder, "--host", "no such host").failed(3, "no such host")
    sealbook("witness", "serve", office.folder, "--port", "65536").failed(2)


def test_a_strangers_words_do_not_reach_the_terminal(office: Office, log: MadeLog) -> None:
    child = begun("witness", "serve", office.folder, "--port", "0")
    assert child.stdout is not None
    first = child.stdout.readline()
    assert first.startswith(f"{NAME} cosigns at http://127.0.0.1:")
    name = "evil\u202e\u009b31m"
    note = signed(Checkpoint(name, 1, bytes(32)).text, [log.signer])
    port = int(re.sub(r".*:|\.$", "", first.strip()))
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/add-checkpoint", f"old 0\n\n{note}".encode())
        assert connection.getresponse().status == 404
    os.kill(child.pid, signal.SIGTERM)
    said = ended(child)
    assert said.out.removesuffix("\n").isprintable()
    assert " 404 evil??31m " in said.out


def test_the_policy_keeps_what_a_person_wrote(log: MadeLog, office: Office, tmp_path: Path) -> None:
    log.grown(300)
    policy = log.folder.path / "policy"
    other = VerifierKey("regulator.example", 4, bytes(31) + b"\x01")
    written = f"# ours\nlog {log.key}\nwitness reg {other} https://reg.example\ngroup g 1 reg\nquorum g\n"
    policy.write_text(written, encoding="utf-8")
    answer = by_file(log, office, tmp_path)
    assert sealbook("witness", "take", "--seal", log.folder.path, answer, "--witness", office.vkey).code == 0
    line = f"witness {NAME} {office.vkey}\n"
    assert policy.read_text(encoding="utf-8") == written.replace("group", f"{line}group")
    for broken in ("witness w\n", "witness\n", "witness w nonsense\n", "log\n", f"witness w {other} a b\n"):
        policy.write_text(f"log {log.key}\n{broken}", encoding="utf-8")
        sealbook("witness", "take", "--seal", log.folder.path, answer, "--witness", office.vkey).failed(2)


def test_what_was_cosigned_is_read_by_others_too(log: MadeLog, office: Office, tmp_path: Path) -> None:
    log.grown(300)
    note = parse_note(by_file(log, office, tmp_path).read_text(encoding="utf-8"))
    assert [each.name for each in note.signatures] == [ORIGIN, NAME]
    assert SealFolder(log.folder.path).checkpoint() == Note(note.text, note.signatures[:1])
