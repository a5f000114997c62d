"""The command line: the verdict first, its exit code, one line for bad input, and never a traceback."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sealbook_verify import cli
from tests.verify.conftest import VERIFY
from tests.verify.producer import AUDIT, LOG, POLICY, Book, Signer, stream

MINE = stream(5)
QUORUM = "group both all audit regulator\nquorum both\n"


def book() -> Book:
    made = Book()
    for number in range(8):
        made.use(stream(number % 2 * 5))
    made.drop(MINE, 1)
    made.map()
    made.use(MINE)
    return made


class Desk:
    """An auditor's folder with one good file of each kind, and what was said last."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys, self.made = folder, capsys, book()
        self.write("policy", f"{POLICY}{QUORUM}")
        self.write("history", self.made.history(MINE))
        self.write("absence", self.made.absence(stream(3)))
        self.write("entry", self.made.entry_proof(self.made.entries[3]))
        self.write("old", self.made.checkpoint(size=4))
        self.write("new", self.made.checkpoint())
        self.write("proof", self.made.growth_proof(4))
        self.made.write(folder / "log")
        self.write("events", self.made.dump())

    def write(self, name: str, data: str | bytes) -> None:
        (self.folder / name).write_bytes(data.encode() if isinstance(data, str) else data)

    def run(self, line: str, policy: str = "policy") -> tuple[int, str, str]:
        """Return exit code, standard output and standard error. `@x` stands for the file x."""
        words = [str(self.folder / each[1:]) if each.startswith("@") else each for each in line.split()]
        code = cli.main([*words, "--policy", str(self.folder / policy)])
        said = self._capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


VERBS = [
    "history @history",
    f"history @absence --stream {stream(3)}",
    "entry @entry",
    "growth @old @new @proof",
    "full @log @events",
]


@pytest.mark.parametrize("line", VERBS)
def test_what_is_good_is_proven_in_the_first_line(desk: Desk, line: str) -> None:
    code, out, err = desk.run(line)

    assert (code, err) == (0, "")
    assert out.startswith("PROVEN: ")
    assert "cosigned by audit.example/witness at 2025-04-02T00:30:00Z" in out


@pytest.mark.parametrize("line", VERBS)
def test_json_is_one_object(desk: Desk, line: str) -> None:
    code, out, err = desk.run(f"{line} --json")
    told = json.loads(out)

    assert (code, err, out.count("\n")) == (0, "", 1)
    assert (told["verdict"], told["exit"]) == ("proven", 0)
    assert told["says"]


def test_a_history_is_printed_as_a_timeline(desk: Desk) -> None:
    _, out, _ = desk.run(f"history @history --stream {MINE}")

    assert "destroyed by the ledger's event at position 9: after 5 years, approved by officer 7" in out
    assert "   2  2025-04-01T23:30:03Z  used purpose=login qualifies=true" in out
    _, as_json, _ = desk.run("history @history --as-json")
    assert [each["state"] for each in json.loads(as_json)["timeline"]] == ["destroyed", *["shown"] * 4]


def test_what_is_false_is_disproved_with_claim_and_position(desk: Desk) -> None:
    data = (desk.folder / "events").read_bytes()
    desk.write("events", data.replace(b"login", b"logic", 1))

    code, out, err = desk.run("full @log @events")
    assert (code, err) == (1, "")
    assert out == "DISPROVED: claim tile, position 1: the event is not what the log's tile holds\n"
    code, out, _ = desk.run("full @log @events --json")
    told = {"verdict": "disproved", "exit": 1, "claim": "tile", "position": 1}
    assert {each: value for each, value in json.loads(out).items() if each != "says"} == told


@pytest.mark.parametrize("line", VERBS)
def test_of_too_few_witnesses_and_unknown_keys_nobody_can_tell(desk: Desk, line: str) -> None:
    code, out, err = desk.run(f"{line} --witnesses 3")
    assert (code, err) == (3, "")
    assert out == "CANNOT TELL: too few witnesses: 2 of the policy's cosigned the checkpoint\n"

    desk.write("less", f"log {LOG.vkey}\nwitness audit {AUDIT.vkey}\nquorum audit\n")
    code, out, _ = desk.run(f"{line} --json", policy="less")
    assert (code, json.loads(out)["verdict"]) == (3, "cannot tell")

    desk.write("others", f"log {Signer('other.example', 9).vkey}\nquorum none\n")
    assert desk.run(line, policy="others")[0] == 3


@pytest.mark.parametrize(
    "line",
    [
        "",
        "verify @history",
        "history",
        "history @history --stream x",
        "history @history --witnesses -1",
        "history @history --witnesses 1e9",
        "history @history --unknown",
        "history @nothing",
        "history @log",
        "history @policy",
        "history @entry",
        "entry @history",
        "entry @old",
        "growth @old @new",
        "growth @old @new @history",
        "growth @old @proof @new",
        "growth @entry @new @proof",
        "full @events @log",
        "full @log @history",
        "full @log @nothing",
        "full @nothing @events",
    ],
)
def test_bad_input_is_one_line_on_standard_error(desk: Desk, line: str) -> None:
    code, out, err = desk.run(line)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("sealbook-verify: ")


def test_a_missing_or_broken_policy_is_bad_input(desk: Desk) -> None:
    for policy in ("nothing", "history", "old"):
        code, out, err = desk.run("history @history", policy=policy)
        assert (code, out, err.count("\n")) == (2, "", 1)
    assert cli.main(["history", str(desk.folder / "history")]) == 2


def test_what_a_body_says_moves_no_cursor_and_turns_no_text_around(desk: Desk) -> None:
    made = Book()
    made.add(MINE, "credential.suspended", "\x1b[2J\u202eevil\nPROVEN: all is well")
    made.map()
    desk.write("history", made.history(MINE))

    code, out, _ = desk.run("history @history")

    assert code == 0
    assert "reason=\\u{1b}[2J\\u{202e}evil\\u{a}PROVEN" in out
    assert all(each.isprintable() for each in out.splitlines())


@pytest.mark.parametrize("name", ["history", "absence", "entry", "old", "new", "proof", "policy", "events"])
def test_garbage_of_any_kind_ends_with_a_verdict(desk: Desk, name: str) -> None:
    good, luck = (desk.folder / name).read_bytes(), random.Random(name)
    line = {"policy": "history @history", "events": "full @log @events", "old": VERBS[3], "new": VERBS[3]}.get(name)
    line = line or next(each for each in VERBS if f"@{name}" in each)
    for _ in range(150):
        desk.write(name, _garbled(good, luck))
        code, out, err = desk.run(line)
        assert (out + err).count("\n") >= 1
        assert code in ((1, 2, 3) if name != "policy" else (0, 1, 2, 3))
        assert code != 2 or (out == "" and err.count("\n") == 1)


def _garbled(good: bytes, luck: random.Random) -> bytes:
    changes: list[Callable[[bytes, int], bytes]] = [
        lambda data, at: data[:at],
        lambda data, at: data[at + 1 :],
        lambda data, at: data[:at] + luck.randbytes(luck.randrange(1, 9)) + data[at + luck.randrange(9) :],
        lambda data, at: data[:at] + data[max(0, at - luck.randrange(1, 50)) :],
        lambda _, at: luck.randbytes(at),
    ]
    while (made := luck.choice(changes)(good, luck.randrange(len(good)))) == good:
        pass
    return made


# --- In a process of its own


def process(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "sealbook_verify", *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": VERIFY, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_it_runs_as_a_module_and_needs_neither_the_ledger_nor_a_locale(desk: Desk) -> None:
    desk.write("policy", (POLICY + QUORUM).replace("regulator ", "감독 ").replace("audit regulator", "audit 감독"))
    words = ("history", str(desk.folder / "history"), "--policy", str(desk.folder / "policy"))
    ended = process(*words, PYTHONIOENCODING="ascii")

    assert (ended.returncode, ended.stderr) == (0, b"")
    missing = process("history", str(desk.folder / "없다"), *words[2:], PYTHONIOENCODING="ascii")
    assert (missing.returncode, missing.stderr.count(b"\n")) == (2, 1)
    assert process("--version").returncode == 0
    assert process("--help").returncode == 0


def test_nothing_of_the_ledger_is_imported() -> None:
    code = "import sys, sealbook_verify.cli; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": VERIFY}, capture_output=True, check=True, text=True
    )
    packages = {each.partition(".")[0] for each in listed.stdout.split()} - set(sys.stdlib_module_names)

    assert "sealbook" not in packages
    assert packages & {"msgspec", "pydantic", "typer", "eventsourcing", "psycopg"} == set()


def test_a_reader_that_left_is_no_traceback(desk: Desk) -> None:
    words = ["history", str(desk.folder / "history"), "--policy", str(desk.folder / "policy")]
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "sealbook_verify", *words],
        env={"PYTHONPATH": VERIFY},
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(write)

    assert (ended.returncode, ended.stderr) == (130, b"")
