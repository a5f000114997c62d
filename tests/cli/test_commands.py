"""Every command, for people and for programs."""

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.cli.terminal import apart, sealbook
from tests.cli.written import ENDS_AT, ISSUED_AT, LIFE, USED_AT, write, write_json_lines, write_policy
from tests.conftest import WORKING_KEYS

ROWS = {"history", "list", "whatif each", "kinds", "policies"}
"""Commands that answer with one object a line."""
AFTER = ["--as-of", "2026-01-01T00:00:00+09:00"]
TYPED: dict[str, list[str]] = {
    "import": ["import", "more.jsonl"],
    "show": ["show", "C1"],
    "history": ["history", "C1"],
    "report": ["report"],
    "whatif": ["whatif", "--policy", "X", *AFTER],
    "whatif each": ["whatif", "--policy", "X", "--each", "--facts", "life.jsonl", *AFTER],
    "check": ["policy", "check", "policy.json"],
    "list": ["policy", "list"],
    "adopt": ["policy", "adopt", "announced.json"],
    "project": ["project"],
    "rebuild": ["project", "--rebuild"],
    "fsck": ["fsck"],
    "migrate": ["migrate"],
    "doctor": ["doctor"],
    "demo": ["demo", "--customers", "4", "--years", "1"],
    "timers": ["timers"],
    "kinds": ["kinds"],
    "policies": ["ask", "policies"],
}


@pytest.fixture
def files(lived: str, folder: Path) -> Path:
    assert lived
    write_json_lines(folder / "more.jsonl", {"at": ENDS_AT, "credential": "C1", "fact": "revoked"})
    write_policy(folder / "policy.json")
    write_policy(folder / "announced.json", **announced(days=60))
    return folder


def announced(*, days: int) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"announced_at": now.isoformat(), "effective_from": (now + timedelta(days=days)).isoformat()}


def rows_of(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.usefixtures("files")
def test_a_command_answers_a_person(name: str) -> None:
    said = sealbook(*TYPED[name])

    assert (said.code, said.err) == (0, "")
    assert said.out.strip()


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.usefixtures("files")
def test_a_command_answers_a_program_in_json(name: str) -> None:
    said = sealbook(*TYPED[name], "--json")

    assert said.code == 0
    assert all(isinstance(row, dict) for row in said.rows)
    assert len(said.rows) > 0 if name in ROWS else len(said.rows) == 1


def test_the_command_runs_as_a_program_of_its_own(lived: str) -> None:
    said = apart("report", "--json", "--as-of", USED_AT, env={"SEALBOOK_DSN": lived})

    counted = said.answer["credentials"]
    assert {state: number for state, number in counted.items() if number} == {"active": 2}


def test_without_a_command_the_help_is_shown_and_it_is_wrong_usage() -> None:
    said = apart()

    assert said.code == 2
    assert "whatif" in said.out


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_need_no_ledger(option: str) -> None:
    said = sealbook(option)

    assert (said.code, said.err) == (0, "")
    assert "sealbook" in said.out


# --- import


def test_an_import_tells_what_it_did(ledger: str, folder: Path) -> None:
    assert ledger
    path = write_json_lines(folder / "life.jsonl", *LIFE, {"at": ENDS_AT, "credential": "C1", "fact": "used"})

    answer = sealbook("import", path, "--json").answer

    seconds, lines_per_second = answer.pop("seconds"), answer.pop("lines_per_second")
    assert answer == {
        "lines": 4,
        "resumed_at": 0,
        "skipped": 0,
        "events": 11,
        "uses_refused": {"expired": 1},
        "facts_not_applied": {},
    }
    assert lines_per_second == pytest.approx(4 / seconds, rel=0.1)


@pytest.mark.usefixtures("ledger")
def test_whoever_watches_an_import_sees_how_far_it_is_how_fast_and_the_time_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_json_lines(folder / "a [life].jsonl", *LIFE)
    # With this, what is shown is as on a terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")

    said = sealbook("import", path)

    assert said.code == 0
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", said.err)
    assert "importing a [life].jsonl" in shown
    assert "3 of 3 lines" in shown
    assert "left" in shown


@pytest.mark.usefixtures("lived")
def test_a_second_import_adds_nothing_whatever_the_file_is_called_or_packed_with() -> None:
    text = Path("life.jsonl").read_bytes()
    Path("again.gz").write_bytes(gzip.compress(text))

    answers = [sealbook("import", path, "--json").answer for path in ("life.jsonl", "again.gz")]

    assert [(answer["events"], answer["resumed_at"]) for answer in answers] == [(0, 3), (0, 3)]


@pytest.mark.usefixtures("lived")
def test_json_lines_csv_and_gzip_say_the_same(folder: Path) -> None:
    asked = ["whatif", "--policy", "D", "--policy", "X", "--each", "--json", *AFTER]
    table = "fact,credential,at,customer\n" + "".join(
        f"{line['fact']},{line['credential']},{line['at']},{line.get('customer', '')}\n" for line in LIFE
    )
    write(folder / "life.csv", table)
    write(folder / "bom.csv", "\ufeff" + table.replace("\n", "\r\n"))
    (folder / "life.csv.gz").write_bytes(gzip.compress(table.encode()))

    files = ("life.jsonl", "life.csv", "bom.csv", "life.csv.gz")
    answers = {sealbook(*asked, "--facts", file).out for file in files}

    assert len(answers) == 1


def test_bad_lines_are_set_aside_as_a_file_that_can_be_mended_and_imported(ledger: str, folder: Path) -> None:
    assert ledger
    header = "at,credential,fact"
    write(folder / "life.csv", f"{header}\n{ISSUED_AT},C1,issued\nnoon,C1,used\n{USED_AT},C1,used,?\n")

    said = sealbook("import", "life.csv", "--skip-bad", "aside.csv", "--json")

    assert (said.code, said.rows[0]["lines"], said.rows[0]["skipped"]) == (0, 1, 2)
    assert [line.split(": ")[0] for line in said.err.splitlines()] == ["life.csv, line 3", "life.csv, line 4"]
    assert Path("aside.csv").read_text() == f"{header}\nnoon,C1,used\n{USED_AT},C1,used,?\n"
    write(Path("aside.csv"), f"{header}\n{USED_AT},C1,used\n")
    assert sealbook("import", "aside.csv", "--json").answer["lines"] == 1


def test_a_file_that_can_be_read_only_once_is_imported_whole_or_refused(ledger: str, folder: Path) -> None:
    write_json_lines(folder / "life.jsonl", *LIFE)
    read_once = ("sh", "-c", 'cat life.jsonl | "$@"', "sh")

    said = apart("import", "/dev/stdin", "--json", prefix=read_once, env={"SEALBOOK_DSN": ledger})

    if said.code == 0:
        assert said.rows[0]["lines"] == len(LIFE)
    else:
        said.failed(2)
    # Whichever it was, the file itself can be imported, and is in once.
    sealbook("import", "life.jsonl")
    assert sealbook("report", "--json").answer["events"]["credential.issued"] == 2


# --- show and history


@pytest.mark.usefixtures("lived")
def test_a_standing_is_shown_as_of_a_moment() -> None:
    def state(as_of: str) -> tuple[str, str]:
        answer = sealbook("show", "C1", "--as-of", as_of, "--json").answer
        return answer["validity"]["state"], answer["eligibility"]["status"]

    assert state("2024-03-15T09:59:59+09:00") == ("not_issued", "n/a")
    assert state(ISSUED_AT) == ("active", "not_yet")
    assert state("2025-06-30T00:00:00+09:00") == ("active", "awaiting_use")
    assert state(USED_AT) == ("active", "not_yet")
    assert state(ENDS_AT) == ("expired", "n/a")


@pytest.mark.usefixtures("lived")
def test_nothing_was_known_before_the_import() -> None:
    answer = sealbook("show", "C1", "--as-of", ENDS_AT, "--known-at", ISSUED_AT, "--json").answer

    assert answer["validity"]["state"] == "not_issued"


@pytest.mark.usefixtures("lived")
def test_a_history_tells_the_cause_of_a_renewal() -> None:
    rows = sealbook("history", "C1", "--json").rows

    assert [row["event"] for row in rows] == ["credential.issued", "credential.used", "credential.auto_renewed"]
    assert (rows[2]["caused_by"], rows[2]["occurred_at"]) == (2, USED_AT)
    assert rows[2]["after"]["term.bounds.expires_at"] == ENDS_AT


@pytest.mark.usefixtures("lived")
def test_a_name_of_several_kinds_is_looked_up_where_it_is_told_to() -> None:
    (first, *_) = sealbook("history", "P2", "--of", "customer", "--json").rows

    assert first["event"] == "customer.enrolled"
    sealbook("history", "P2", "--of", "credential").failed(1, "not_found")


@pytest.mark.usefixtures("lived")
def test_times_are_told_with_their_offset() -> None:
    answer = sealbook("report", "--json").answer

    assert {datetime.fromisoformat(answer[key]).utcoffset() for key in ("as_of", "known_at")} == {timedelta(hours=9)}


# --- whatif


@pytest.mark.usefixtures("lived")
def test_each_row_holds_what_the_contract_names() -> None:
    (row, _) = sealbook("whatif", "--policy", "X", "--each", "--json", *AFTER).rows

    assert row == {
        "policy": "X",
        "credential": "C1",
        "state": "active",
        "expires_at": "2026-03-16T00:00:00+09:00",
        "eligible_from": "2025-03-16T00:00:00+09:00",
        "auto_renewal": "earned",
        "renewed_at": [],
    }


@pytest.mark.usefixtures("lived")
def test_what_was_not_issued_yet_has_nulls() -> None:
    (row, _) = sealbook("whatif", "--policy", "X", "--each", "--json", "--as-of", "2020-01-01T00:00:00Z").rows

    assert list(row.values()) == ["X", "C1", "not_issued", None, None, "n/a", []]


@pytest.mark.usefixtures("lived")
def test_times_are_in_the_zone_of_the_policy(folder: Path) -> None:
    write_policy(folder / "utc.json", zone="UTC")

    (row, _) = sealbook("whatif", "--policy", "utc.json", "--each", "--json", *AFTER).rows

    assert row["renewed_at"] == ["2025-06-30T23:30:00+00:00"]


@pytest.mark.usefixtures("lived")
def test_the_ledger_and_its_facts_file_give_the_same_rows() -> None:
    asked = ["whatif", "--policy", "X", "--policy", "NV", "--policy", "D", "--each", "--json", *AFTER]

    assert sealbook(*asked).out == sealbook(*asked, "--facts", "life.jsonl").out


@pytest.mark.parametrize(
    ("mode", "expires_at"),
    [
        ("keep", "2026-03-16T00:00:00+09:00"),
        ("restart", "2028-02-02T00:00:00+09:00"),
        ("recompute", "2027-03-16T00:00:00+09:00"),
    ],
)
@pytest.mark.usefixtures("lived")
def test_a_policy_may_apply_from_a_moment_on(folder: Path, mode: str, expires_at: str) -> None:
    write_policy(folder / "three.json", validity="P3Y", renew_on="never")
    switch = ["--switch-at", "2025-02-01T12:00:00+09:00", "--mode", mode]

    row, _ = sealbook("whatif", "--policy", "three.json", *switch, "--each", "--json", *AFTER).rows

    assert row["expires_at"] == expires_at


@pytest.mark.usefixtures("lived")
def test_a_mode_without_a_switch_is_wrong_usage() -> None:
    sealbook("whatif", "--policy", "X", "--mode", "keep").failed(2, "--switch-at")


@pytest.mark.usefixtures("lived")
def test_versions_of_one_policy_are_told_apart_by_their_labels(folder: Path) -> None:
    write_policy(folder / "one.json")
    write_policy(folder / "two.json", version=2, renew_on="never")

    rows = sealbook("whatif", "--policy", "one.json", "--policy", "two.json", "--each", "--json").rows

    assert {row["policy"] for row in rows} == {"OWN", "OWN@2"}
    twice = ["--policy", "one.json", "--policy", "two.json", "--policy", "one.json"]
    assert sealbook("whatif", *twice[:4], "--policy", "two.json").code == 2
    assert sealbook("whatif", "--policy", "X", "--policy", "X", "--policy", "X").code == 2


def test_another_version_of_the_default_policy_may_be_asked_about(folder: Path) -> None:
    write_json_lines(folder / "life.jsonl", *LIFE)
    write_policy(folder / "d2.json", policy_id="D", version=2, renew_on="never")

    said = sealbook("whatif", "--facts", "life.jsonl", "--policy", "d2.json", "--each", "--json", *AFTER)

    assert (said.code, [row["renewed_at"] for row in said.rows]) == (0, [[], []])


def test_another_reading_of_the_default_policy_is_compared_with_the_default(folder: Path) -> None:
    write_json_lines(folder / "life.jsonl", *LIFE)
    write_policy(folder / "d.json", policy_id="D", renew_on="never")

    answer = sealbook("whatif", "--facts", "life.jsonl", "--policy", "d.json", "--json", *AFTER).answer

    assert (answer["policies"][0]["renewals"], answer["policies"][0]["changed"]) == (0, 2)


def test_a_fact_that_names_a_given_policy_means_that_one_and_not_the_preset(folder: Path) -> None:
    issued = {"at": "2024-03-15T10:00:00+09:00", "credential": "C1", "fact": "issued"}
    switched = {"at": "2024-04-15T10:00:00+09:00", "credential": "C1", "fact": "policy_switched", "policy": "D"}
    write_json_lines(folder / "life.jsonl", issued, {**switched, "mode": "restart"})
    write_policy(folder / "d5.json", policy_id="D", validity="P5Y", renew_on="never")

    said = sealbook(
        "whatif", "--facts", "life.jsonl", "--policy", "NV", "--policy", "d5.json", "--each", "--json", *AFTER
    )

    assert {row["expires_at"] for row in said.rows} == {"2029-04-16T00:00:00+09:00"}


# --- policy


@pytest.mark.usefixtures("lived")
def test_an_announced_policy_is_listed(folder: Path) -> None:
    path = write_policy(folder / "p.json", version=3, **announced(days=60))

    answer = sealbook("policy", "adopt", path, "--json").answer

    assert answer["policy"] == "OWN@3"
    assert [row["policy"] for row in sealbook("policy", "list", "--json").rows] == ["D@1", "OWN@3"]
    assert sealbook("policy", "adopt", path, "--json").answer["position"] is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "policy_notice"),
        (announced(days=20), "policy_notice"),
        (announced(days=-1), "policy_notice"),
        ({"version": 1, **announced(days=60)}, "policy_version"),
    ],
    ids=["not announced", "too late", "backwards", "an older version"],
)
@pytest.mark.usefixtures("lived")
def test_a_policy_that_may_not_take_effect_is_refused(folder: Path, fields: dict[str, object], code: str) -> None:
    sealbook("policy", "adopt", write_policy(folder / "first.json", version=2, **announced(days=90)))
    before = sealbook("fsck", "--json").answer["events"]

    sealbook("policy", "adopt", write_policy(folder / "p.json", **{"version": 4, **fields})).failed(1, f"[{code}]")

    assert sealbook("fsck", "--json").answer["events"] == before


@pytest.mark.usefixtures("lived")
def test_a_law_needs_no_notice(folder: Path) -> None:
    path = write_policy(folder / "p.json", law_forced=True, **announced(days=1))

    assert sealbook("policy", "adopt", path).code == 0


def test_the_presets_need_no_ledger() -> None:
    rows = sealbook("policy", "list", "--presets", "--json").rows

    assert {"D@1", "X@1", "N@1"} <= {row["policy"] for row in rows}


# --- project, migrate, doctor


def test_read_models_built_anew_hold_the_same_rows(lived: str, folder: Path) -> None:
    sealbook("project")
    write_json_lines(
        folder / "more.jsonl", {"at": ENDS_AT, "credential": "C1", "fact": "revoked"}, {**LIFE[0], "credential": "C3"}
    )
    sealbook("import", "more.jsonl")
    tables = {"credentials": "stream", "event_counts": "name", "tracking": "position"}
    followed = sealbook("project", "--json").answer
    before = [rows_of(lived, f"SELECT * FROM sealbook_read.{table} ORDER BY {key}") for table, key in tables.items()]

    rebuilt = sealbook("project", "--rebuild", "--json").answer

    after = [rows_of(lived, f"SELECT * FROM sealbook_read.{table} ORDER BY {key}") for table, key in tables.items()]
    assert after == before
    assert (followed["rebuilt"], rebuilt["rebuilt"]) == (False, True)
    assert followed["position"] == rebuilt["position"] == sealbook("fsck", "--json").answer["events"]


@pytest.mark.usefixtures("lived")
def test_a_ledger_of_this_version_needs_no_migration() -> None:
    assert sealbook("migrate", "--json").answer == {"migrations": []}


def test_an_empty_database_becomes_a_ledger(ledger: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(ledger, autocommit=True) as connection:
        connection.execute("DROP SCHEMA sealbook, sealbook_read CASCADE")
        connection.execute(f"DROP DATABASE {connection.info.dbname}_keys".encode())
    monkeypatch.setenv("SEALBOOK_KEYS", str(folder / "made.json"))
    sealbook("report").failed(3, "there is no ledger in this database: create it with sealbook migrate")

    assert sealbook("migrate", "--json").answer["migrations"][:1] == [1]
    assert (folder / "made.json").stat().st_mode & 0o777 == 0o600
    assert sealbook("report", "--json").answer["credentials"]["active"] == 0


def test_the_doctor_says_what_will_not_do(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("SEALBOOK_PG_BIN", str(folder / "nowhere"))

    said = sealbook("doctor", "--json")

    assert said.code == 3
    (found,) = said.rows
    assert (found["postgresql"]["ok"], found["ledger"]["ok"]) == (False, True)


# --- Secrets


def test_no_answer_and_no_table_shows_a_key_or_a_name_that_was_not_asked_for(lived: str) -> None:
    commands = [typed for name, typed in TYPED.items() if name not in ("import", "check", "adopt", "demo")]
    answers = [sealbook(*typed, *more) for typed in commands for more in ((), ("--json",))]
    said = "".join(each.out + each.err for each in answers)
    with psycopg.connect(lived) as connection:
        tables = [("sealbook", each) for each in ("events", "heads", "names", "commands", "imports", "ledger")]
        tables += [("sealbook_read", each) for each in ("credentials", "event_counts")]
        stored = json.dumps(
            [
                connection.execute(f"SELECT t::text FROM {schema}.{table} t".encode()).fetchall()
                for schema, table in tables
            ]
        )

    for key in (*WORKING_KEYS.mac_keys.values(), *WORKING_KEYS.name_keys.values(), WORKING_KEYS.command_key):
        assert key.hex() not in said + stored
        assert repr(key) not in said
    assert "Hong Gildong" not in said
    assert "Hong Gildong" not in stored
    assert b"Hong Gildong".hex() not in stored
