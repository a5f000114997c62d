"""Snapshots of facts files and of uses files."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sealbook.adapters.history_files import BadFile
from sealbook.adapters.replay.contract import FactKind
from sealbook.adapters.replay.from_files import write_from_facts, write_from_uses
from sealbook.adapters.replay.moments import seconds_of
from sealbook.adapters.replay.snapshot import BadSnapshot, Snapshot
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import Kind
from tests.adapters.replay.snapshots import Chain

BEGIN = datetime(2018, 3, 1, 9, tzinfo=UTC)
AS_OF = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KIND = Kind.KB_MOBILE_CERTIFICATE
POLICIES = preset_policies()
SHARED_USES = Path(__file__).resolve().parents[4] / "shared" / "data" / "uses-a.csv.gz"
Line = dict[str, str]


def line(days: int, credential: str, fact: str, **more: str) -> Line:
    return {"at": (BEGIN + days * DAY).isoformat(), "credential": credential, "fact": fact, **more}


def of_facts(folder: Path, *lines: Line | str, as_of: datetime = AS_OF) -> Snapshot:
    path = folder / "facts.jsonl"
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return write_from_facts(folder / "snapshot", path, in_force=POLICIES["D"], named=POLICIES, kind=KIND, as_of=as_of)


def of_uses(folder: Path, text: str, *, as_of: datetime = AS_OF) -> Snapshot:
    path = folder / "uses.csv"
    path.write_text(text)
    return write_from_uses(folder / "snapshot", path, in_force=POLICIES["D"], kind=KIND, as_of=as_of)


def second(days: int) -> int:
    return seconds_of(BEGIN + days * DAY)


def test_each_fact_has_its_place(tmp_path: Path) -> None:
    snapshot = of_facts(
        tmp_path,
        line(0, "C", "issued", customer="P", kind="mobile_otp", channel="branch"),
        line(1, "C", "used", channel="web", purpose="login"),
        line(2, "C", "suspended"),
        line(2, "C", "refused"),
        line(3, "C", "resumed"),
        line(4, "C", "used"),
        line(4, "C", "renewal_requested"),
        line(5, "C", "policy_switched", policy="X", mode="restart"),
        line(6, "C", "renewed"),
        line(7, "C", "expired"),
        line(8, "C", "refused", reason="bad_proof"),
        line(9, "C", "refused", reason="expired"),
        line(9, "C", "revoked"),
    )
    chain = Chain(snapshot, "C")
    assert chain.issued_at == second(0)
    assert chain.accepted == [second(1), second(4)]
    assert [snapshot.use_classes.of[each] for each in chain.classes] == [("web", "login"), ("app", None)]
    assert chain.refused == [second(2), second(9)]
    assert chain.facts == [
        (FactKind.SUSPENDED, second(2), 1),
        (FactKind.RESUMED, second(3), 2),
        (FactKind.REQUESTED, second(4), 3),
        (FactKind.SWITCHED, second(5), 3),
        (FactKind.REVOKED, second(9), 4),
    ]
    assert snapshot.policies[chain.details[3] // 4].digest == POLICIES["X"].digest
    assert chain.details[3] % 4 == 1
    assert (chain.renewals, chain.lapses) == ([second(6)], [second(7)])
    part = snapshot.read(0, attempts=False, days=False)
    assert (snapshot.kinds[part.kind[0]], snapshot.channels[part.channel[0]]) == ("mobile_otp", "branch")
    assert chain.policy.digest == POLICIES["D"].digest


def test_chains_of_a_customer_stand_side_by_side(tmp_path: Path) -> None:
    lines = [line(n, f"C{n}", "issued", customer=f"P{n % 5}") for n in range(40)]
    snapshot = of_facts(tmp_path, *lines)
    customers = snapshot.read(0, attempts=False, days=False).customer.tolist()
    runs = Counter(customer for place, customer in enumerate(customers) if customers[place - 1 : place] != [customer])
    assert (snapshot.chains, snapshot.customers) == (40, 5)
    assert set(runs.values()) == {1}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "line 2: not a JSON object"),
        (line(1, "D", "used"), "line 2: D has a fact"),
        (line(-1, "C", "used"), "line 2: C goes back in time"),
        (line(1, "C", "policy_switched", policy="Nobody"), "line 2: policy 'Nobody' is neither given"),
        (line(365 * 60, "C", "used"), "line 2: .* outside the years 1989 to 2067"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: Line | str, why: str) -> None:
    with pytest.raises(BadFile, match=f"facts.jsonl, {why}"):
        of_facts(tmp_path, line(0, "C", "issued"), bad)
    assert [each.name for each in tmp_path.iterdir()] == ["facts.jsonl"]


def test_what_lies_after_the_moment_is_left_out(tmp_path: Path) -> None:
    lines = (line(0, "C", "issued"), line(1, "C", "used"), line(2, "C", "used"), line(3, "D", "issued"))
    snapshot = of_facts(tmp_path, *lines, as_of=BEGIN + DAY)
    assert (snapshot.chains, snapshot.attempts) == (1, 1)
    with pytest.raises(BadSnapshot, match="outside the years"):
        of_facts(tmp_path, *lines, as_of=datetime(1970, 1, 1, tzinfo=UTC))


def test_a_customer_of_a_uses_file_is_issued_at_the_first_use(tmp_path: Path) -> None:
    text = "customer,used_at\nA,1519894800\nB,2018-03-02T18:00:00+09:00\nA,2018-03-03T09:00:00Z\n"
    snapshot = of_uses(tmp_path, text)
    assert (Chain(snapshot, "A").issued_at, Chain(snapshot, "A").accepted) == (second(0), [second(0), second(2)])
    assert (Chain(snapshot, "B").issued_at, Chain(snapshot, "B").accepted) == (second(1), [second(1)])
    assert (snapshot.truncated, snapshot.position) == (0, None)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("A,soon", "line 3: used_at is 'soon': write Unix seconds, like 1710464400, or ISO 8601"),
        ("A,2018-03-03T09:00:00", "line 3: used_at"),
        ("A,", "line 3: the field 'used_at' is missing"),
        (",1519894800", "line 3: the field 'customer' is missing"),
        ("A,1519894700", "line 3: A goes back in time"),
        ("A", "line 3: 1 values for 2 columns"),
        ("A,9999999999", "line 3: .* outside the years"),
    ],
)
def test_a_bad_use_is_named(tmp_path: Path, bad: str, why: str) -> None:
    with pytest.raises(BadFile, match=f"uses.csv, {why}"):
        of_uses(tmp_path, f"customer,used_at\nA,1519894800\n{bad}\n")


def test_a_uses_file_may_be_gzipped_and_batches_come_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "customer,used_at\n" + "".join(f"C{n % 7},{1519894800 + n * 5_000}\n" for n in range(100))
    plain = of_uses(tmp_path, text)
    (tmp_path / "uses.csv.gz").write_bytes(gzip.compress(text.encode()))
    monkeypatch.setattr("sealbook.adapters.replay.from_files.LINES_A_BATCH", 9)
    monkeypatch.setattr("sealbook.adapters.replay.snapshot_events.EVENTS_A_SHARE", 11)
    told = list[int]()
    zipped = write_from_uses(
        tmp_path / "zipped",
        tmp_path / "uses.csv.gz",
        in_force=POLICIES["D"],
        kind=KIND,
        as_of=AS_OF,
        advanced=told.append,
    )
    assert zipped.digest == plain.digest
    assert told == sorted(told)
    assert len(told) > 2


@pytest.mark.skipif(not SHARED_USES.exists(), reason="the shared data folder is not beside the repository")
def test_a_real_file_of_uses(tmp_path: Path) -> None:
    lines = gzip.decompress(SHARED_USES.read_bytes()).decode().splitlines()[1:]
    snapshot = write_from_uses(tmp_path / "snapshot", SHARED_USES, in_force=POLICIES["D"], kind=KIND, as_of=AS_OF)
    assert (snapshot.chains, snapshot.attempts) == (3_749, len(lines))
    uses = Counter(each.partition(",")[0] for each in lines)
    part, names = snapshot.read(0, attempts=True, days=True), snapshot.names(0)
    assert part.accepted is not None
    counts = (part.accepted.begin[1:] - part.accepted.begin[:-1]).tolist()
    assert dict(zip(names, counts, strict=True)) == uses
