"""seal, export and retention, as the bank types them; sealbook-verify, as the auditor does."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from sealbook.application import retention
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import CloseCustomer, OnCredential
from sealbook.domain.credential import Revoke
from tests.cli.terminal import REPOSITORY, Said, apart, begun, sealbook
from tests.cli.test_erasing import APPROVED, ENDED, LIVES, of_old
from tests.cli.written import write_json_lines

UNKNOWN = "01890000-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def seal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEALBOOK_SEAL", str(folder / "seal"))
    return folder / "seal"


def verify(*typed: str | Path) -> Said:
    """Run the auditor's program, in a process that knows nothing of the ledger."""
    words = [sys.executable, "-m", "sealbook_verify", *map(str, typed), "--policy", "seal/policy"]
    done = subprocess.run(
        words, env={"PYTHONPATH": str(REPOSITORY / "verify")}, capture_output=True, text=True, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.usefixtures("lived")
def test_from_a_ledger_to_a_verdict(seal: Path) -> None:
    sealed = sealbook("seal", "--map", "--json").answer
    assert (sealed["events"], sealed["size"], sealed["unsealable"]) == (9, 10, None)

    exported = sealbook("export", "history", "C1", "-o", "c1.proof", "--json").answer
    proven = verify("history", "c1.proof")
    assert (proven.code, exported["complete_to"]) == (0, 9)
    assert proven.out.startswith(f"PROVEN: the history of {exported['stream']}")

    assert sealbook("export", "history", UNKNOWN, "-o", "none.proof").code == 0
    assert verify("history", "none.proof", "--stream", UNKNOWN).code == 0
    assert verify("history", "none.proof").code == 2
    assert sealbook("export", "entry", "3", "-o", "entry.tlog-proof").code == 0
    assert verify("entry", "entry.tlog-proof").code == 0
    old = (seal / "checkpoint").read_text()
    Path("old").write_text(old)
    assert sealbook("seal", "--map").code == 0
    assert sealbook("export", "growth", "old", "-o", "growth").code == 0
    assert verify("growth", "old", seal / "checkpoint", "growth").code == 0
    assert sealbook("export", "events", "-o", "events", "--json").answer["events"] == 11
    assert verify("full", seal, "events").code == 0
    assert "11 events" in sealbook("doctor", "--json").answer["seal"]["found"]


def test_an_event_that_was_altered_ends_the_log_and_the_exit_code_says_so(lived: str) -> None:
    with psycopg.connect(lived) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE sealbook.events SET body = sha256(body) WHERE position = 5")

    said = sealbook("seal", "--map", "--json")

    (answer,) = said.rows
    assert (said.code, answer["size"], answer["streams_mapped"]) == (1, 4, None)
    assert answer["unsealable"].startswith("position 5 cannot be sealed: its MAC does not fit")
    assert sealbook("seal").err.startswith("sealbook: position 5 cannot be sealed")


def test_an_older_ledger_is_refused_until_another_log_begins(lived: str, seal: Path) -> None:
    assert sealbook("seal", "--map").code == 0
    with psycopg.connect(lived) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM sealbook.events WHERE position > 8")
        connection.execute(
            "DELETE FROM sealbook.heads h WHERE NOT EXISTS (SELECT FROM sealbook.events e WHERE e.stream = h.stream)"
        )
        connection.execute("UPDATE sealbook.books SET position = 8")

    sealbook("seal").failed(3, "ends at position 8, the seal at 10", "older backup")
    sealbook("seal", "--new-log", "--origin", "bank.example/2").failed(2, "--approved-by")
    begun_anew = ("--new-log", "--origin", "bank.example/2", "--reason", "restored", "--approved-by", "officer-7")
    said = sealbook("seal", *begun_anew, "--json")

    assert (said.code, said.rows[0]["origin"], said.rows[0]["size"]) == (0, "bank.example/2", 9)
    assert "seal-ended-at-10" in said.err
    assert (seal.with_name("seal-ended-at-10") / "checkpoint").exists()
    sealbook("seal", *begun_anew).failed(3, "give the new one another name")


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize(
    ("typed", "code", "needle"),
    [
        (("export", "history", "C1", "-o", "x"), 3, "nothing is sealed yet: run sealbook seal --map"),
        (("export", "entry", "1", "-o", "x"), 3, "nothing is sealed yet"),
        (("export", "growth", "missing", "-o", "x"), 2, "missing is no checkpoint"),
        (("export", "growth", "life.jsonl", "-o", "x"), 2, "life.jsonl is no checkpoint"),
        (("export", "history", "C1"), 2, "--out"),
        (("export", "entry", "0", "-o", "x"), 2, "greater than or equal to 1"),
        (("seal", "--follow", "--map"), 2, "exclude each other"),
        (("seal", "--origin", "two words"), 2, "--origin is a name without spaces"),
        (("seal", "--origin", ""), 2, "--origin is a name"),
        (("seal", "--new-log"), 2, "--new-log needs --origin"),
        (
            ("seal", "--new-log", "--origin", "x", "--reason", "a\nb", "--approved-by", "r"),
            2,
            "--reason is a short text",
        ),
        (("seal", "--new-log", "--origin", "x", "--reason", "a", "--approved-by", " "), 2, "--approved-by is a short"),
        (("retention", "run"), 2, "give --approved-by"),
        (("retention", "run", "--approved-by", "a\nb"), 2, "--approved-by is a short text"),
        (("retention", "run", "--approved-by", "a", "--rule", "x" * 201), 2, "--rule is a short text"),
        (("retention", "run", "--dry-run", "--rule", ""), 2, "--rule is a short text"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(typed: tuple[str, ...], code: int, needle: str) -> None:
    sealbook(*typed).failed(code, needle)
    assert not Path("x").exists()


@pytest.mark.usefixtures("lived")
def test_what_is_not_there_or_not_to_be_written_is_said_in_one_line(folder: Path) -> None:
    assert sealbook("seal", "--map").code == 0

    sealbook("export", "history", "nobody", "-o", "x").failed(1, "not_found")
    sealbook("export", "entry", "11", "-o", "x").failed(3, "position 11 is not sealed")
    sealbook("export", "history", "C1", "-o", "no/such/folder/x").failed(2, "cannot be written")
    sealbook("export", "history", "C1", "-o", folder).failed(2, "cannot be written")
    sealbook("export", "events", "-o", "no/such/folder/x").failed(2, "cannot be written")
    sealbook("seal", "--origin", "another").failed(3, "this folder is of the log")


@pytest.mark.usefixtures("lived")
def test_it_follows_until_it_is_ended(seal: Path) -> None:
    child = begun("seal", "--follow", "--json")
    assert child.stdout is not None
    while not (seal / "checkpoint").exists():
        assert child.poll() is None
    sealbook("seal").failed(3, "another sealer is at work")
    child.terminate()
    out, err = child.communicate(timeout=60)

    assert (child.returncode, err) == (0, "")
    assert '"size": 9' in out.splitlines()[-1]
    assert apart("fsck", "--json").answer["clean"] is True


@pytest.mark.usefixtures("lived")
def test_what_is_due_is_told_and_nothing_is_touched_by_a_dry_run() -> None:
    assert sealbook("seal").code == 0

    answer = sealbook("retention", "run", "--dry-run", "--json").answer

    assert answer == {
        "done": False,
        "streams_set_apart": 0,
        "records_destroyed": 0,
        "by_event": {},
        "streams_not_sealed": 0,
        "streams_changed_meanwhile": 0,
        "customers_held": 0,
    }
    assert sealbook("retention", "run", "--dry-run").out.startswith("0 streams would be set apart")
    assert sealbook("retention", "run", "--approved-by", "officer-7").out.startswith("0 streams set apart")


@pytest.fixture
def erased(ledger: str, folder: Path) -> tuple[str, str]:
    """A ledger in which one of two customers left long ago and was erased; its connection string, and who it was."""
    write_json_lines(folder / "lives.jsonl", *LIVES)
    assert sealbook("import", folder / "lives.jsonl").code == 0
    of_old(
        OnCredential(credential=Name(NameKind.CREDENTIAL, "C1"), command=Revoke(at=ENDED)),
        CloseCustomer(at=ENDED, customer=Name(NameKind.CUSTOMER, "Hong Gildong")),
    )
    return ledger, str(sealbook("keys", "erase", "Hong Gildong", *APPROVED, "--json").answer["customer"])


def test_who_is_held_stays_and_who_is_not_is_destroyed_class_by_class(erased: tuple[str, str]) -> None:
    _, person = erased
    run = ("retention", "run", "--approved-by", "officer-7")
    assert sealbook("project").code == 0
    assert sealbook("keys", "hold", person, "--case", "2026-1").code == 0
    assert sealbook("seal").code == 0
    held = sealbook(*run, "--json").answer
    assert "1 customer left alone: a legal hold stands." in sealbook(*run).out

    assert sealbook("keys", "hold", person, "--case", "2026-1", "--lift").code == 0
    assert "2 streams left alone: not all of it is sealed yet." in sealbook(*run).out
    assert sealbook("seal").code == 0
    done = sealbook(*run, "--rule", "act 22", "--json").answer

    assert (held["streams_set_apart"], held["records_destroyed"], held["customers_held"]) == (0, 0, 1)
    assert (done["streams_set_apart"], done["records_destroyed"] > 0, done["customers_held"]) == (2, True, 0)
    sealbook("keys", "hold", person, "--case", "2026-2").failed(1, "not_found")
    assert sealbook("report", "--json").code == 0
    assert sealbook("fsck", "--json").answer["clean"] is True


def killed(*_given: object, **_named: object) -> None:
    raise KeyboardInterrupt


def test_a_run_that_was_killed_leaves_read_models_that_the_next_one_builds_anew(erased: tuple[str, str]) -> None:
    dsn, _ = erased
    assert sealbook("project").code == 0
    assert sealbook("seal").code == 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retention, "_drop", killed)
        assert sealbook("retention", "run", "--approved-by", "officer-7").code == 130

    assert sealbook("retention", "run", "--approved-by", "officer-7").code == 0

    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM sealbook_read.credentials").fetchone() == (1,)
    assert sealbook("fsck", "--json").answer["clean"] is True


@pytest.mark.usefixtures("lived")
def test_another_log_key_signs_and_what_the_old_one_signed_still_verifies(seal: Path) -> None:
    assert sealbook("seal", "--map").code == 0
    assert sealbook("export", "history", "C1", "-o", "before.proof").code == 0
    Path("old-checkpoint").write_text((seal / "checkpoint").read_text())
    old_policy = (seal / "policy").read_text()

    rotated = sealbook("keys", "rotate", "log", "--json").answer
    again = sealbook("keys", "rotate", "log", "--json").answer
    assert sealbook("seal", "--map").code == 0

    assert (rotated["key_id"], again["key_id"]) == (2, 3)
    assert f"log {again['verifier_key']}" in (seal / "policy").read_text().splitlines()
    assert sealbook("export", "history", "C1", "-o", "after.proof").code == 0
    assert sealbook("export", "growth", "old-checkpoint", "-o", "growth").code == 0
    assert [verify("history", each).code for each in ("before.proof", "after.proof")] == [0, 0]
    assert verify("growth", "old-checkpoint", seal / "checkpoint", "growth").code == 0
    (seal / "policy").write_text(old_policy)
    assert [verify("history", each).code for each in ("before.proof", "after.proof")] == [0, 3]


@pytest.mark.usefixtures("lived")
def test_a_credential_that_is_newer_than_the_map_is_not_proven_to_be_absent(folder: Path) -> None:
    assert sealbook("seal", "--map").code == 0
    (folder / "late.jsonl").write_text('{"at": "2024-05-01T00:00:00Z", "credential": "C9", "fact": "issued"}\n')
    assert sealbook("import", "late.jsonl").code == 0

    sealbook("export", "history", "C9", "-o", "c9.proof").failed(3, "newer than the map of heads")
    assert sealbook("seal", "--map").code == 0
    assert sealbook("export", "history", "C9", "-o", "c9.proof").code == 0
    assert verify("history", "c9.proof").code == 0


@pytest.mark.usefixtures("lived")
def test_what_a_witness_signed_last_is_exported_when_it_is_asked_for(seal: Path) -> None:
    assert sealbook("seal", "--map").code == 0
    sealbook("export", "history", "C1", "--witnessed", "-o", "x").failed(3, "no witness has signed")
    key = sealbook("witness", "init", "audit", "--name", "audit.example", "--json").answer["vkey"]
    log = (seal / "policy").read_text().splitlines()[0].removeprefix("log ")
    assert sealbook("witness", "trust", "audit", log).code == 0
    assert sealbook("witness", "ask", "--old", "0", "-o", "request").code == 0
    assert sealbook("witness", "sign", "audit", "request", "-o", "cosigned").code == 0
    assert sealbook("witness", "take", "cosigned", "--witness", key).code == 0
    assert sealbook("export", "history", "C1", "-o", "c1.proof").code == 0
    assert verify("history", "c1.proof", "--witnesses", "1").code == 0

    assert sealbook("seal", "--map").code == 0
    assert sealbook("export", "history", "C1", "-o", "new.proof").code == 0
    assert sealbook("export", "history", "C1", "--witnessed", "-o", "cosigned.proof").code == 0
    assert sealbook("export", "events", "-o", "events").code == 0

    assert [verify("history", each, "--witnesses", "1").code for each in ("new.proof", "cosigned.proof")] == [3, 0]
    assert [verify("full", seal, "events", "--witnesses", each).code for each in ("0", "1")] == [0, 0]


@pytest.mark.usefixtures("lived")
def test_the_folder_may_be_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEALBOOK_SEAL")

    assert sealbook("seal", "--seal", "").code == 0
    assert Path("checkpoint").exists()


@pytest.mark.usefixtures("lived")
def test_a_verdict_that_nobody_could_be_told_is_none() -> None:
    assert sealbook("seal", "--map").code == 0
    assert sealbook("export", "history", "C1", "-o", "c1.proof").code == 0
    words = f'"{sys.executable}" -m sealbook_verify history c1.proof --policy seal/policy'
    for line in (f"ulimit -f 0; {words} > told", f"{words} >&-"):
        done = subprocess.run(
            ["sh", "-c", line],
            env={"PYTHONPATH": str(REPOSITORY / "verify")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (3, False), line
