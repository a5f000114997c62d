"""whatif snapshot, run and rerun: from a file or the ledger to figures, and the same again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from sealbook.adapters.replay.snapshot_arrow import pq
from sealbook.adapters.replay.tables import COLUMNS
from tests.adapters.replay.test_snapshot import with_column
from tests.cli.terminal import Said, begun, ended, environment, sealbook
from tests.cli.written import write, write_policy

AS_OF = ("--as-of", "2026-01-01T00:00:00+09:00")
DAY_SECONDS = 86_400
BEGIN = 1_577_836_800
END = 1_767_193_200
AGAIN_SECONDS = 10
GIVE_UP_SECONDS = 60


def uses(path: Path, *, customers: int = 30) -> Path:
    random = Random(5)
    lines: list[tuple[int, str]] = []
    for customer in range(customers):
        at, gap_days = BEGIN + random.randrange(700 * DAY_SECONDS), random.choice([5, 40, 150, 400])
        while at < END:
            lines.append((at, f"P{customer}"))
            at += 1 + int(random.expovariate(1 / gap_days) * DAY_SECONDS)
    return write(path, "customer,used_at\n" + "".join(f"{customer},{at}\n" for at, customer in sorted(lines)))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("snapshot")
    assert sealbook("whatif", "snapshot", place / "bank", "--uses", uses(place / "uses.csv"), *AS_OF).code == 0
    return place / "bank"


@pytest.fixture
def bank(made_once: Path, folder: Path) -> str:
    (folder / "bank").symlink_to(made_once)
    return "bank"


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- Snapshots


def test_a_snapshot_of_uses_tells_what_it_holds(folder: Path) -> None:
    uses(folder / "uses.csv")

    answer = sealbook("whatif", "snapshot", "out", "--uses", "uses.csv", *AS_OF, "--json").answer

    assert (answer["chains"], answer["customers"], answer["position"]) == (30, 30, None)
    said = sealbook("whatif", "snapshot", "again", "--uses", "uses.csv", *AS_OF)
    assert said.out.startswith("again: 30 chains of 30 customers, ")
    assert answer["digest"] in said.out


def test_a_snapshot_of_facts_is_replayed_under_the_policy_given(folder: Path) -> None:
    facts = [
        {"at": "2020-01-01T00:00:00+09:00", "credential": "C1", "fact": "issued"},
        {"at": "2021-02-01T00:00:00+09:00", "credential": "C1", "fact": "used"},
        {"at": "2021-02-01T00:00:00+09:00", "credential": "C1", "fact": "renewed"},
        {"at": "2023-02-02T00:00:00+09:00", "credential": "C1", "fact": "expired"},
    ]
    write(folder / "facts.jsonl", "".join(json.dumps(each) + "\n" for each in facts))
    taken = ("--facts", "facts.jsonl", *AS_OF)

    assert sealbook("whatif", "snapshot", "d", *taken, "--policy", "D", "--kind", "mobile_otp").code == 0
    assert sealbook("whatif", "snapshot", "nv", *taken, "--policy", "NV").code == 0

    answer = sealbook("whatif", "run", "d", "--policy", "NV", "--strict", "--json").answer
    assert answer["self_check"]["agrees"] is True
    assert list(answer["in_force"]["by"]["kind"]) == ["mobile_otp"]
    assert sealbook("whatif", "run", "nv", "--policy", "NV", "--json").answer["self_check"]["agrees"] is False


@pytest.mark.usefixtures("lived")
def test_a_snapshot_of_the_ledger_agrees_with_the_ledger_and_can_be_gone_on_with() -> None:
    first = sealbook("whatif", "snapshot", "one", *AS_OF, "--json").answer
    again = sealbook("whatif", "snapshot", "two", "--update", "one", *AS_OF, "--json").answer

    assert again["digest"] == first["digest"]
    answer = sealbook("whatif", "run", "one", "--policy", "D", "--strict", "--json").answer
    assert answer["made_of"]["position"] == first["position"]
    assert answer["self_check"]["agrees"] is True
    assert answer["policies"][0]["changed_chains"] == 0


def python(command: str) -> Said:
    done = subprocess.run(
        [sys.executable, "-c", command], env=environment(), capture_output=True, text=True, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


# --- Runs


def test_the_answer_for_people_begins_with_the_check_and_marks_the_policy_in_force(bank: str) -> None:
    said = sealbook("whatif", "run", bank, "--policy", "D", "--policy", "NV", "--policy", "I")

    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("Factual replay of 30 chains: ")
    assert lines[1].startswith("No refusal on record tells what people do")
    assert lines[2] == "Replayed by the bitmap engine: 2, the csr engine: 1."
    assert [line for line in lines if line.startswith("D *")]


@pytest.mark.parametrize("engine", ["bitmap", "csr"])
def test_every_engine_and_number_of_processes_says_the_same(bank: str, engine: str) -> None:
    asked = ("whatif", "run", bank, "--policy", "NV", "--policy", "G30", "--json")

    answer = sealbook(*asked, "--engine", engine, "--processes", "2").answer
    reference = sealbook(*asked, "--engine", "reference").answer

    for each in (answer, reference):
        each["asked"].pop("engine")
        for policy in each["policies"]:
            policy.pop("engine")
    assert answer == reference


def test_a_sweep_runs_over_the_policy_in_force_and_marks_it(bank: str) -> None:
    answer = sealbook("whatif", "run", bank, "--grid", "validity=P1Y:P3Y:P1Y,eligible_after=P6M|P1Y", "--json").answer

    labels = [each["label"] for each in answer["policies"]]
    assert len(labels) == 6
    assert answer["asked"]["in_force"] == "validity=P2Y,eligible_after=P1Y"
    assert answer["frontier"]
    assert set(answer["frontier"]) <= set(labels)


def test_a_large_sweep_shows_the_frontier_alone(bank: str) -> None:
    said = sealbook("whatif", "run", bank, "--grid", "validity=P12M:P36M:P1M,eligible_after=P6M|P12M")

    assert "Of 50 policies, those that no other beats in lock-outs and exposure:" in said.out
    assert "P2Y,eligible_after=P1Y" in said.out.replace("\n", "")


def test_a_sweep_over_a_given_policy_asks_of_that_too(bank: str) -> None:
    answer = sealbook("whatif", "run", bank, "--policy", "NV", "--grid", "validity=P1Y|P5Y", "--json").answer

    assert [each["label"] for each in answer["policies"]] == ["NV", "validity=P1Y", "validity=P5Y"]
    assert {each["document"]["renew_on"] for each in answer["policies"]} == {"never"}
    assert answer["asked"]["in_force"] is None


def test_fees_are_given_by_kind_or_in_a_file(bank: str, folder: Path) -> None:
    write(folder / "fees.json", '{"kb_mobile_certificate": 300}')
    asked = ("whatif", "run", bank, "--policy", "NV", "--json")

    for typed in (("--fees", "kb_mobile_certificate=300"), ("--fees", "fees.json")):
        (policy,) = sealbook(*asked, *typed).answer["policies"]
        assert policy["totals"]["cost"]["high"] == 300 * policy["totals"]["reissues"]["high"] > 0
    assert "cost\nof" not in sealbook(*asked[:-1]).out


def test_all_files_say_what_the_answer_says(bank: str, folder: Path) -> None:
    files = ("--csv", "out.csv", "--parquet", "out.parquet", "--report", "out.html", "--who", "who.parquet")
    asked = ("whatif", "run", bank, "--policy", "NV", "--policy", "D")

    answer = sealbook(*asked, *files, "--json").answer

    table = pq.read_table(folder / "out.parquet").to_pylist()
    written = (folder / "out.csv").read_text().splitlines()
    assert written[0] == ",".join(COLUMNS)
    assert len(written) == len(table) + 1
    never, in_force = answer["policies"]
    (row,) = (row for row in table if (row["policy"], row["part"], row["metric"]) == ("NV", "total", "lapses"))
    assert (row["low"], row["high"]) == (never["totals"]["lapses"]["low"], never["totals"]["lapses"]["high"])
    who = pq.read_table(folder / "who.parquet").to_pylist()
    assert len(who) == never["changed_chains"] + in_force["changed_chains"]
    assert {row["name"] for row in who} <= {f"P{number}" for number in range(30)}
    assert {row["under_renewals"] for row in who} == {0}
    assert (folder / "who.parquet").stat().st_mode & 0o777 == (folder / "bank").stat().st_mode & 0o777 == 0o600


def test_the_page_stands_alone(bank: str, folder: Path) -> None:
    assert sealbook("whatif", "run", bank, "--policy", "NV", "--policy", "D", "--report", "out.html").code == 0

    page = (folder / "out.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 5
    for loading in ("<script", "<link", "<img", "@import", "url(", "src="):
        assert loading not in page
    assert "D (in force)" in page


# --- Once more


@pytest.mark.parametrize("more", [(), ("--sample", "50%", "--seed", "7"), ("--grid", "validity=P1Y|P3Y")])
def test_a_report_is_computed_anew_bit_by_bit(bank: str, folder: Path, more: tuple[str, ...]) -> None:
    fees = ("--fees", "kb_mobile_certificate=3", "--exposed-after", "P30D")
    write(folder / "report.json", sealbook("whatif", "run", bank, "--policy", "NV", *more, *fees, "--json").out)

    said = sealbook("whatif", "rerun", "report.json", "--snapshot", bank, "--processes", "2")

    assert (said.code, said.out) == (0, "report.json: the same, bit by bit.\n")


def test_a_report_that_was_changed_is_found_with_the_place(bank: str, folder: Path) -> None:
    report = sealbook("whatif", "run", bank, "--policy", "NV", "--json").answer
    report["policies"][0]["totals"]["lapses"]["low"] += 1
    write(folder / "report.json", json.dumps(report))

    sealbook("whatif", "rerun", "report.json", "--snapshot", bank).failed(1, "policies.0.totals.lapses.low differs")


@pytest.mark.parametrize(
    ("name", "value", "code", "needle"),
    [
        ("in_force", "NV", 1, "asked.in_force differs"),
        ("fees", {"gold": 1}, 2, "report.json: asked.fees: no kind 'gold' in this snapshot"),
        ("fees", {"kb_mobile_certificate": 10**30}, 2, "write a whole amount from 0"),
        ("engine", "foo", 2, "there is no engine 'foo'"),
    ],
)
def test_what_a_report_says_that_it_was_asked_is_not_believed(
    bank: str, folder: Path, name: str, value: object, code: int, needle: str
) -> None:
    report = sealbook("whatif", "run", bank, "--policy", "NV", "--json").answer
    report["asked"][name] = value
    write(folder / "report.json", json.dumps(report))

    sealbook("whatif", "rerun", "report.json", "--snapshot", bank).failed(code, needle)


def test_a_rerun_takes_no_snapshot_that_is_not_what_its_digest_is_of(bank: str, folder: Path) -> None:
    write(folder / "report.json", sealbook("whatif", "run", bank, "--policy", "NV", "--json").out)
    shutil.copy(folder / bank, folder / "altered")
    with_column(folder / "altered", "issued_at", of="channel")

    sealbook("whatif", "rerun", "report.json", "--snapshot", "altered").failed(2, "altered: a damaged snapshot")


def test_another_snapshot_is_refused(bank: str, folder: Path) -> None:
    write(folder / "report.json", sealbook("whatif", "run", bank, "--policy", "NV", "--json").out)
    sealbook("whatif", "snapshot", "other", "--uses", uses(folder / "u.csv", customers=3), *AS_OF)

    sealbook("whatif", "rerun", "report.json", "--snapshot", "other").failed(1, "other is not the snapshot of report")


# --- What is refused


def test_strict_ends_where_the_check_differs(folder: Path) -> None:
    facts = [
        {"at": "2020-01-01T00:00:00+09:00", "credential": "C1", "fact": "issued"},
        {"at": "2020-02-01T00:00:00+09:00", "credential": "C1", "fact": "renewed"},
    ]
    write(folder / "facts.jsonl", "".join(json.dumps(each) + "\n" for each in facts))
    sealbook("whatif", "snapshot", "bank", "--facts", "facts.jsonl", *AS_OF)

    sealbook("whatif", "run", "bank", "--policy", "D", "--csv", "out.csv", "--strict").failed(1, "1 of 1 chain differ")

    assert left(folder) == {"facts.jsonl", "bank"}
    said = sealbook("whatif", "run", "bank", "--policy", "D")
    assert "Read the figures below with that difference in mind." in said.out


@pytest.mark.parametrize(
    ("typed", "needle"),
    [
        (("bank",), "nothing is asked: give --policy, --grid, or both"),
        (("bank", "--policy", "nowhere"), "nowhere: no such file"),
        (("nowhere", "--policy", "D"), "nowhere: "),
        (("uses.csv", "--policy", "D"), "uses.csv: not a replay snapshot"),
        ((".", "--policy", "D"), ".: it is a folder"),
        (("pipe", "--policy", "D"), "pipe: not a regular file"),
        (("bank", "--policy", ""), "--policy is '': write FILE, FILE#ID or the id of a preset"),
        (("bank", "--policy", "D", "--policy", "D"), "--policy D: D@1 stands twice"),
        (("bank", "--policy", "D", "--engine", "fast"), "--engine is 'fast': there are auto, bitmap, csr, reference"),
        (("bank", "--policy", "I", "--engine", "bitmap"), "policy I@1: the bitmap engine does not replay its calendar"),
        (("bank", "--grid", "validity=P1Y:P5Y"), "is not FIRST:LAST:STEP"),
        (("bank", "--grid", "renew_on=request"), "needs a request_window"),
        (("bank", "--grid", "validity=P1M:P150M:P1M,grace=P1D:P99D:P1D"), "14,850 policies are more than 10,000"),
        (("bank", "--policy", "D", "--sample", "2"), "--sample: '2' is not a share"),
        (("bank", "--policy", "D", "--sample", "0.000001%"), "the sample holds no customer"),
        (("bank", "--policy", "D", "--exposed-after", "P3M"), "write days or weeks, like P90D"),
        (("bank", "--policy", "D", "--exposed-after", "90"), "--exposed-after is '90': write days or weeks, like P90D"),
        (("bank", "--policy", "D", "--fees", "gold=3"), "--fees: no kind 'gold' in this snapshot"),
        (("bank", "--policy", "D", "--fees", "kb_mobile_certificate=-3"), "write a whole amount from 0"),
        (("bank", "--policy", "D", "--fees", f"kb_mobile_certificate={'9' * 5000}"), "9999': write a whole amount"),
        (("bank", "--policy", "D", "--fees", "nowhere.json"), "--fees nowhere.json: no such file"),
        (("bank", "--policy", "D", "--processes", "0"), "--processes"),
        (("bank", "--policy", "D", "--csv", "."), ". cannot be written: it is a folder"),
        (("bank", "--policy", "D", "--who", "no/who"), "no/who cannot be written: there is no folder no"),
        (("bank", "--policy", "D", "--csv", "x", "--parquet", "./no/../x"), "x and no/../x are the same file"),
        (("bank", "--policy", "D", "--csv", "pipe"), "pipe cannot be written: it is there already and not a regular"),
        (("bank", "--policy", "D", "--parquet", "bank"), "bank cannot be written: it is bank, which is read"),
        (("bank", "--policy", "own.json", "--who", "link"), "link cannot be written: it is own.json, which is read"),
        (("bank", "--policy", "D", "--fees", "fees", "--report", "fees"), "fees cannot be written: it is fees, which"),
    ],
)
@pytest.mark.usefixtures("bank")
def test_what_is_typed_wrong_is_said_in_one_line_and_nothing_is_written(
    folder: Path, typed: tuple[str, ...], needle: str
) -> None:
    write(folder / "uses.csv", "customer,used_at\n")
    write(folder / "fees", "{}")
    (folder / "link").symlink_to(write_policy(folder / "own.json"))
    os.mkfifo(folder / "pipe")
    before = left(folder)

    sealbook("whatif", "run", *typed).failed(2, needle)

    assert left(folder) == before


@pytest.mark.parametrize(
    ("typed", "needle"),
    [
        (("snapshot", "out", "--facts", "a", "--uses", "b"), "a snapshot is made of one of them"),
        (("snapshot", "out", "--uses", "nowhere"), "nowhere: no such file"),
        (("snapshot", "out", "--uses", "u", "--update", "old"), "--update goes on with a snapshot of the ledger"),
        (("snapshot", "out", "--policy", "D"), "--policy is for a snapshot of a file"),
        (("snapshot", "out", "--uses", "u", "--as-of", "soon"), "--as-of is 'soon'"),
        (
            ("snapshot", "out", "--uses", "u", "--as-of", "2300-01-01T00:00:00Z"),
            "'2300-01-01T00:00:00Z', which is still",
        ),
        (("snapshot", "out", "--as-of", "2300-01-01T00:00:00Z"), "'2300-01-01T00:00:00Z', which is still to come"),
        (("snapshot", "out", "--uses", "u", "--policy", ""), "--policy is ''"),
        (("snapshot", "u", "--uses", "u"), "u cannot be written: it is u, which is read"),
        (("snapshot", "bad.json", "--uses", "u", "--policy", "bad.json"), "it is bad.json, which is read"),
        (("snapshot", "no/out", "--uses", "u"), "no/out cannot be written: there is no folder no"),
        (("rerun", "nowhere", "--snapshot", "bank"), "nowhere: no such file"),
        (("rerun", "bad.json", "--snapshot", "bank"), "bad.json: not a report of whatif run"),
        (("rerun", "other.json", "--snapshot", "bank"), "other.json: a report of schema 99, this version reads 1"),
        (("rerun", "empty.json", "--snapshot", "pipe"), "pipe: not a regular file"),
        (("--policy", "D", "run", "bank"), "--policy stands before run: write it after"),
        (("--json", "run", "bank"), "--json stands before run: write it after"),
        ((), "--policy is missing: a what-if needs one, or a command: snapshot, run, rerun"),
    ],
)
@pytest.mark.usefixtures("bank")
def test_so_it_is_with_the_other_commands(folder: Path, typed: tuple[str, ...], needle: str) -> None:
    write(folder / "u", "customer,used_at\n")
    write(folder / "bad.json", "[]")
    os.mkfifo(folder / "pipe")
    for name, schema in (("other.json", 99), ("empty.json", 1)):
        report: dict[str, object] = {"schema": schema, "sealbook": "1", "made_of": {}, "asked": {}, "policies": []}
        write(folder / name, json.dumps(report))
    before = left(folder)

    sealbook("whatif", *typed).failed(2, needle)

    assert left(folder) == before


@pytest.mark.parametrize(
    ("package", "typed"), [("numba", ("--engine", "csr")), ("pyarrow", ()), ("altair", ("--report", "out.html"))]
)
def test_a_package_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    bank: str, folder: Path, package: str, typed: tuple[str, ...]
) -> None:
    command = f"""
import sys
sys.modules[{package!r}] = None
sys.argv = {["sealbook", "whatif", "run", bank, "--policy", "D", *typed]!r}
import runpy
runpy.run_module("sealbook", run_name="__main__")
"""
    said = python(command)

    extra = "reports" if package == "altair" else "whatif"
    said.failed(2, package, "not installed", f"sealbook[{extra}]")
    assert left(folder) == {"bank"}


def test_a_package_that_is_broken_is_found_before_the_work(
    bank: str, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path_factory.mktemp("packages")
    write(packages / "vl_convert.py", "raise RuntimeError('no such symbol')")
    monkeypatch.setattr(sys, "path", [str(packages), *sys.path])
    monkeypatch.delitem(sys.modules, "vl_convert", raising=False)

    said = sealbook("whatif", "run", bank, "--policy", "D", "--report", "out.html", "--csv", "out.csv")

    said.failed(2, "--report needs vl_convert, which cannot be loaded (no such symbol): install sealbook[reports]")
    assert left(folder) == {"bank"}


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_half_written(bank: str, folder: Path, by: signal.Signals) -> None:
    many = ("--grid", "validity=P1M:P60M:P1M,eligible_after=P1M:P18M:P1M", "--engine", "reference")
    child = begun("whatif", "run", bank, *many, "--who", "who.parquet", "--csv", "out.csv")
    give_up = time.monotonic() + GIVE_UP_SECONDS
    # The file of those who change is begun with the work.
    while len(left(folder)) == 1 and time.monotonic() < give_up and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(by)
    try:
        child.wait(AGAIN_SECONDS)
    except subprocess.TimeoutExpired:
        # It came while a library was compiling or cleaning up, where Python drops it: people press again.
        child.send_signal(signal.SIGINT)

    ended(child).failed(130, "interrupted; no file is half written")

    assert left(folder) == {"bank"}
