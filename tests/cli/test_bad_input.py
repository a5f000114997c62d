"""Whatever is typed wrong is answered with one line and the right exit code, and nothing is half-written."""

import gzip
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.postgres import binaries
from tests.cli.terminal import apart, begun, ended, environment, sealbook
from tests.cli.written import ISSUED_AT, LIFE, write, write_json_lines, write_policy

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
ISSUE = f'{{"at": "{ISSUED_AT}", "credential": "C1", "fact": "issued"}}'
HEADER = "at,credential,fact"
MANY = "\n".join(ISSUE.replace("C1", sha256(bytes([each])).hexdigest()) for each in range(256)).encode()


def nobody_can_run_it() -> bool:
    """Only root can become nobody, and a checkout below a private folder is not for nobody to read."""
    command = [*AS_NOBODY, sys.executable, "-c", "import sealbook"]
    return (
        os.geteuid() == 0
        and subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 0
    )


as_nobody = pytest.mark.skipif(not nobody_can_run_it(), reason="nobody cannot run this checkout, or we are not root")

FACTS: dict[str, tuple[bytes, str]] = {
    "an unknown fact": (
        f'{{"at": "{ISSUED_AT}", "credential": "C1", "fact": "usd"}}'.encode(),
        "line 1: fact is 'usd'",
    ),
    "broken JSON": (f'{ISSUE}\n{{"at": '.encode(), "line 2: not a JSON object on one line"),
    "JSON that is no object": (f"{ISSUE}\n[1]".encode(), "line 2: not a JSON object"),
    "a field twice": (f'{{"at": "x", {ISSUE[1:]}'.encode(), "line 1: a field stands twice"),
    "a time without offset": (
        ISSUE.replace("+09:00", "").encode(),
        "line 1: at is '2024-03-15T10:00:00': a time needs",
    ),
    "facts out of order": (
        f'{ISSUE}\n{{"at": "2024-03-15T00:59:59Z", "credential": "C1", "fact": "used"}}'.encode(),
        "line 2: C1 goes back in time",
    ),
    "a second issue": (f"{ISSUE}\n\n{ISSUE}".encode(), "line 3: C1 is issued already"),
    "a fact before the issue": (ISSUE.replace("issued", "used").encode(), "line 1: C1 has a fact (used) before"),
    "an unknown policy": (
        f'{{"at": "{ISSUED_AT}", "credential": "C1", "fact": "policy_switched", "policy": "Q"}}'.encode(),
        "line 1:",
    ),
    "a number for a text": (ISSUE.replace('"C1"', "1").encode(), "line 1: credential must be a text"),
    "a text that cannot be encoded": (ISSUE.replace("C1", "\\ud800").encode(), "line 1"),
    "not UTF-8": (ISSUE.encode() + b'\n{"at": "\xff"}', "line 2: not a JSON object"),
    "not UTF-8 in the line of columns": (b"\xffat,credential,fact\n", "facts"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "facts"),
    "not UTF-8 in a CSV": (f"{HEADER}\n".encode() + b"\xff,C1,issued", "line 2: not a line of CSV in UTF-8"),
    "CSV with an unknown column": (b"at,credential,fact,colour\n", "unknown column 'colour': line 1 names"),
    "CSV without a column": (b"at,credential\n", "no column 'fact'"),
    "CSV with a column twice": (b"at,credential,fact,at\n", "a column stands twice"),
    "CSV with too many values": (f"{HEADER}\n{ISSUED_AT},C1,issued,,".encode(), "line 2: 5 values for 3 columns"),
    "CSV with an open quote": (f'{HEADER}\n{ISSUED_AT},"C1,issued'.encode(), "line 2: "),
    "a line of two megabytes": (f'{{"at": "{"x" * (2 << 20)}"}}'.encode(), "line 1: longer than"),
    "a line of columns of two megabytes": (b"a" * (2 << 20), "facts"),
    "a gzip file that breaks off": (gzip.compress(MANY)[:-300], "damaged or breaks off"),
    "a gzip file that is damaged": (gzip.compress(ISSUE.encode())[:-8] + bytes(8), "damaged or breaks off"),
}


@contextmanager
def nothing_written() -> Generator[None]:
    before = sealbook("fsck", "--json").answer
    yield
    assert sealbook("fsck", "--json").answer == before
    assert before["clean"] is True


@pytest.mark.parametrize("what", FACTS)
def test_a_facts_file_that_is_wrong_is_not_imported(ledger: str, folder: Path, what: str) -> None:
    assert ledger
    content, needle = FACTS[what]
    (folder / "facts").write_bytes(content)

    with nothing_written():
        sealbook("import", "facts").failed(2, "facts", needle)


@pytest.mark.parametrize("what", FACTS)
def test_a_facts_file_that_is_wrong_is_not_replayed(folder: Path, what: str) -> None:
    content, needle = FACTS[what]
    (folder / "facts").write_bytes(content)

    sealbook("whatif", "--facts", "facts", "--policy", "X").failed(2, "facts", needle)


@pytest.mark.parametrize(
    ("content", "needle"),
    [
        ("customer,used_at\nA,noon", "line 2: used_at is 'noon': write Unix seconds"),
        ("customer,used_at\nA,20\nB,20\nA,10", "line 4: A goes back in time"),
        ("customer,used_at\n,10", "line 2: the field 'customer' is missing"),
        ("customer,used_at,why\nA,10,x", "unknown column 'why'"),
        ("customer\nA", "no column 'used_at'"),
    ],
)
def test_a_uses_file_that_is_wrong_is_not_imported(ledger: str, folder: Path, content: str, needle: str) -> None:
    assert ledger
    write(folder / "uses.csv", content)

    with nothing_written():
        sealbook("import", "--format", "uses", "uses.csv").failed(2, "uses.csv", needle)


POLICIES: dict[str, tuple[str, str]] = {
    "an unknown field": (
        '{"policy_id": "P", "validity": null, "renew_on": "never", "colour": 1}',
        "colour: unknown field",
    ),
    "a period that is none": ('{"policy_id": "P", "validity": "P2X", "renew_on": "never"}', "validity: "),
    "no time as validity": ('{"policy_id": "P", "validity": "P0D", "renew_on": "never"}', "validity: "),
    "no uses": (
        '{"policy_id": "P", "validity": "P1Y", "renew_on": "use", "eligible_after": "P0D", "min_uses": 0}',
        "min_uses",
    ),
    "a missing field": ('{"policy_id": "P", "renew_on": "never"}', "validity"),
    "what belongs together": ('{"policy_id": "P", "validity": "P1Y", "renew_on": "use"}', "eligible_after"),
    "broken JSON": ('{"policy_id": ', "not a JSON document"),
    "no object": ("[]", "policy"),
    "several policies": ('{"A": {"renew_on": "never"}}', "pick one, like policy.json#A"),
}


@pytest.mark.parametrize("what", POLICIES)
@pytest.mark.parametrize(
    "typed",
    [["policy", "check", "policy.json"], ["whatif", "--facts", "life", "--policy", "policy.json"]],
    ids=["check", "whatif"],
)
def test_a_policy_file_that_is_wrong_is_named_with_its_mistake(folder: Path, what: str, typed: list[str]) -> None:
    content, needle = POLICIES[what]
    write(folder / "policy.json", content)
    write_json_lines(folder / "life", *LIFE)

    sealbook(*typed).failed(2, "policy.json", needle)


@pytest.mark.parametrize(
    ("typed", "needle"),
    [
        (["frobnicate"], "frobnicate"),
        (["import"], "FILE"),
        (["report", "--colour"], "--colour"),
        (["import", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["import", "."], ".: is a directory"),
        (["import", "life", "--format", "facts", "--reissue-when-expired"], "--format uses"),
        (["import", "life", "--format", "csv"], "csv"),
        (["import", "life", "--kind", "passport"], "passport"),
        (["import", "life", "--policy", "nowhere.json"], "nowhere.json: no such file"),
        (["import", "life", "--skip-bad", "nowhere/aside"], "nowhere/aside: no such file"),
        (["whatif"], "--policy"),
        (["whatif", "--policy", "nowhere.json"], "nowhere.json: no such file"),
        (["whatif", "--policy", "."], ".: is a directory"),
        (["whatif", "--policy", "p" * 300], "p"),
        (["whatif", "--policy", "X", "--facts", "nowhere"], "nowhere: no such file"),
        (["whatif", "--policy", "policy.json#Q"], "no policy 'Q'"),
        (["whatif", "--policy", "X", "--switch-at", "soon"], "--switch-at is 'soon': write ISO 8601"),
        (["show", "C1", "--as-of", "2024-03-15T10:00:00"], "a time needs its offset"),
        (["report", "--as-of", "noon"], "--as-of is 'noon'"),
        (["report", "--known-at", "2024"], "--known-at is '2024'"),
        (["demo", "--customers", "0"], "--customers"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_typed_wrong_is_said_in_one_line(lived: str, folder: Path, typed: list[str], needle: str) -> None:
    assert lived
    write_json_lines(folder / "life", {**LIFE[0], "credential": "C9"})
    write_policy(folder / "policy.json")

    with nothing_written():
        sealbook(*typed).failed(2, needle)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+09:00"])
@pytest.mark.parametrize(
    "typed", [["show", "C1"], ["report"], ["history", "C1"], ["whatif", "--policy", "X"]], ids=lambda typed: typed[0]
)
@pytest.mark.usefixtures("lived")
def test_a_moment_at_the_end_of_the_calendar_is_answered_or_refused(typed: list[str], moment: str) -> None:
    said = sealbook(*typed, "--as-of", moment)

    if said.code != 0:
        said.failed(2, "--as-of")


@pytest.mark.parametrize("name", ["C9", "Hong Gildong", "\udcff"], ids=["unknown", "a customer's", "not UTF-8"])
@pytest.mark.usefixtures("lived")
def test_an_unknown_credential_is_refused(name: str) -> None:
    sealbook("show", name).failed(1, "refused: no credential has this name or id", "[not_found]")


@pytest.mark.usefixtures("lived")
def test_lines_after_one_that_is_too_long_keep_their_numbers(folder: Path) -> None:
    write(folder / "facts", f'{ISSUE.replace("C1", "C8")}\n{{"at": "{"x" * (2 << 20)}"}}\nbroken\n')

    said = sealbook("import", "facts", "--skip-bad", "aside")

    assert [line.split(":")[0] for line in said.err.splitlines()] == ["facts, line 2", "facts, line 3"]


# --- Which ledger


def test_a_ledger_that_is_not_there_is_not_made_by_a_question(folder: Path) -> None:
    for typed in (["report"], ["show", "C1"], ["fsck"], ["project"], ["policy", "list"], ["whatif", "--policy", "X"]):
        sealbook(*typed, "--ledger", "nowhere").failed(2, "there is no ledger in nowhere", "sealbook import")
    assert list(folder.iterdir()) == []


def test_a_ledger_folder_that_is_a_file_is_told_from_one(folder: Path) -> None:
    write(folder / "file", "x")
    write_json_lines(folder / "life", *LIFE)

    sealbook("import", "life", "--ledger", "file").failed(3, "file is a file, not a folder")
    assert (folder / "file").read_text() == "x"


def test_a_bad_file_makes_no_ledger(folder: Path) -> None:
    sealbook("import", "nowhere", "--ledger", "new").failed(2)
    assert list(folder.iterdir()) == []


def test_a_database_without_a_ledger_is_said_to_have_none(ledger: str) -> None:
    with psycopg.connect(ledger, autocommit=True) as connection:
        connection.execute("DROP SCHEMA sealbook, sealbook_read CASCADE")

    sealbook("report").failed(3, "there is no ledger in this database: create it with sealbook migrate")


@pytest.mark.parametrize("typed", [["report"], ["import", "life"], ["migrate"], ["fsck"]], ids=lambda typed: typed[0])
def test_a_ledger_of_a_newer_version_is_left_alone(lived: str, folder: Path, typed: list[str]) -> None:
    write_json_lines(folder / "life", {**LIFE[0], "credential": "C9"})
    with psycopg.connect(lived) as connection:
        connection.execute("INSERT INTO sealbook.migrations VALUES (99, 'x', now())")

    sealbook(*typed).failed(3, "the ledger is of a newer version (schema 99", "use a newer sealbook")


def test_a_ledger_whose_schema_was_changed_is_not_trusted(lived: str) -> None:
    with psycopg.connect(lived) as connection:
        connection.execute("UPDATE sealbook.migrations SET checksum = 'x'")

    sealbook("report").failed(3, "migration 1 of this ledger is not the one")


DAMAGED = {
    "missing": None,
    "no JSON": "{",
    "half a key": '{"epochs": {"1": "ABCDEF0123xyz"}}',
    "too short": '{"epochs": {"1": "ABCDEF0123"}}',
    "no object": "[]",
    "no epochs": "{}",
    "of another form": '{"key_id": 1, "mac_key": "ABCDEF0123"}',
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.usefixtures("lived")
def test_a_damaged_key_file_opens_no_ledger(folder: Path, damage: str) -> None:
    (folder / "keys.json").unlink()
    if text := DAMAGED[damage]:
        write(folder / "keys.json", text)

    for typed in (["report"], ["import", "life.jsonl"]):
        said = sealbook(*typed)
        said.failed(3, "key file")
        assert "ABCDEF0123" not in said.err
    assert (folder / "keys.json").exists() is (DAMAGED[damage] is not None)


@pytest.mark.usefixtures("lived")
def test_the_keys_of_another_ledger_write_nothing(folder: Path) -> None:
    FileRoot(folder / "other.json").create_epoch()
    write_json_lines(folder / "more", {**LIFE[0], "credential": "C9"})

    with nothing_written():
        sealbook("import", "more", "--keys", "other.json").failed(
            3, "not this ledger's: name the right one with --keys"
        )


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://teller:geheim@127.0.0.1:1/bank",
        "host=nowhere.invalid user=teller password=geheim",
        "host=127.0.0.1 port=1 password=geheim x",
        "postgresql://teller:geheim@127.0.0.1:port/bank",
    ],
    ids=["nobody listens", "no such host", "a word too many", "no port"],
)
@pytest.mark.usefixtures("lived")
def test_a_server_that_is_not_there_is_said_in_one_line_without_the_password(dsn: str) -> None:
    said = sealbook("report", "--dsn", dsn)

    said.failed(3, "the database cannot be reached")
    assert "geheim" not in said.err


def test_programs_that_are_not_there_are_not_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_PG_BIN", str(folder / "nowhere"))
    write_json_lines(folder / "life", *LIFE)

    sealbook("import", "life", "--ledger", "new").failed(3, "SEALBOOK_PG_BIN is", "correct or unset it")


# --- The embedded ledger


def test_a_ledger_in_a_folder_is_found_there(embedded: Path) -> None:
    assert sealbook("fsck", "--json", "--ledger", embedded).answer["clean"] is True
    assert (embedded / "development-keys.json").stat().st_mode & 0o777 == 0o600


def test_a_lost_key_file_is_not_made_anew(embedded: Path) -> None:
    keys = embedded / "development-keys.json"
    keys.unlink()

    sealbook("policy", "adopt", write_policy(embedded.parent / "p.json"), "--ledger", embedded).failed(3, "is missing")
    assert not keys.exists()


def test_a_folder_whose_server_is_somebody_elses_is_left_alone(embedded: Path) -> None:
    prefix = ("unshare", "--user", f"--map-user={NOBODY}") if os.geteuid() == 0 else ()
    command = [*prefix, binaries.find().postgres, "-D", str(embedded / "pgdata"), "-c", "listen_addresses="]
    log = embedded / "other.log"
    with log.open("w") as file:
        other = subprocess.Popen([*command, "-k", str(embedded)], stdout=file, stderr=file)
    try:
        give_up = time.monotonic() + 30
        while "ready to accept" not in log.read_text() and time.monotonic() < give_up:
            time.sleep(0.02)
        sealbook("report", "--ledger", embedded).failed(3, "is in use by another server")
        assert other.poll() is None
    finally:
        other.terminate()
        other.wait()


@as_nobody
@pytest.mark.parametrize("typed", [["report"], ["import", "life"]], ids=lambda typed: typed[0])
def test_a_folder_that_may_not_be_written_is_said_in_one_line(folder: Path, typed: list[str]) -> None:
    place = Path("/var/tmp") / f"sealbook-{folder.name[-24:]}"  # noqa: S108 - pytest's own folders are closed to others
    (place / "ledger" / "pgdata").mkdir(parents=True)
    write_json_lines(place / "life", *LIFE)
    place.chmod(0o755)
    try:
        said = apart(
            *[str(place / "life") if each == "life" else each for each in typed],
            *("--ledger", place / "ledger"),
            prefix=AS_NOBODY,
        )
        said.failed(3, "ledger", "belongs to uid 0")
    finally:
        shutil.rmtree(place)


@as_nobody
@pytest.mark.parametrize(
    "typed",
    [
        ["report", "--ledger", "CLOSED/nowhere"],
        ["whatif", "--policy", "CLOSED/p.json", "--facts", "CLOSED/f"],
        ["import", "CLOSED/f", "--ledger", "CLOSED/l"],
    ],
    ids=["ledger", "policy", "facts"],
)
def test_a_place_that_may_not_be_looked_into_is_said_in_one_line(typed: list[str]) -> None:
    # Pytest's own folder is one that only its owner may look into.
    said = apart(*(each.replace("CLOSED", str(Path.cwd())) for each in typed), prefix=AS_NOBODY)

    said.failed(3 if said.code == 3 else 2)


@pytest.mark.usefixtures("lived")
def test_a_reader_that_goes_away_is_nobody_to_tell() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        said = ended(begun("history", "C1", "--json", stdout=gone))

    assert (said.code, said.err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("option", ["--json", "--presets"])
@pytest.mark.usefixtures("lived")
def test_an_answer_that_cannot_be_written_is_said_in_one_line(option: str) -> None:
    with Path("/dev/full").open("wb") as full:
        said = ended(begun("policy", "list", option, stdout=full))

    said.failed(3, "no space left")
