"""The snapshot as a file: what is written is read again, whole or not at all, and nothing else is taken for one."""

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from sealbook.adapters.replay import snapshot_writer
from sealbook.adapters.replay.contract import FactKind, Moments, UseClasses
from sealbook.adapters.replay.moments import DAY_SECONDS
from sealbook.adapters.replay.snapshot import BadSnapshot, Snapshot, opened
from sealbook.adapters.replay.snapshot_arrow import Table, arrow, pq
from sealbook.adapters.replay.snapshot_days import BITS, Span, day_words
from sealbook.adapters.replay.snapshot_form import METADATA, OWN_SWITCH, SCHEMA, Known
from sealbook.adapters.replay.snapshot_writer import ChainRow, FactRow, SnapshotWriter
from sealbook.domain.presets import preset_policies

KNOWN = Known(
    source="test",
    position=7,
    as_of=datetime(2024, 1, 1, tzinfo=UTC),
    later=0,
    first_attempt=0,
    last_attempt=200 * DAY_SECONDS,
    kinds=("otp",),
    holders=("personal",),
    channels=("app",),
    use_classes=UseClasses(of=(("app", None), ("web", "login"))),
    policies=(preset_policies()["D"],),
)
CHAINS = 40


def rows(count: int = CHAINS, *, of_each: int = 3) -> list[ChainRow]:
    """Return chains, so many of each customer; some have nothing of what a chain can have."""
    return [
        ChainRow(
            key=n * 11,
            customer=n // of_each,
            name=f"C{n}",
            issued_at=n,
            imported=n % 2 == 0,
            accepted=[day * DAY_SECONDS + n for day in range(n % 5)],
            accepted_class=[day % 2 for day in range(n % 5)],
            refused=[150 * DAY_SECONDS] * (n % 2),
            facts=[FactRow(at=9, kind=FactKind.SUSPENDED, place=1)] * (n % 3),
            renewals=[n] * (n % 2),
            lapses=[n + 1] * (n % 4),
        )
        for n in range(count)
    ]


def written(path: Path, *chains: ChainRow, known: Known = KNOWN) -> Snapshot:
    with SnapshotWriter(path, known=known) as writer:
        for each in chains:
            writer.add(each)
    return opened(path)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    snapshot = written(tmp_path / "s", *rows())
    part, recorded = snapshot.read(0, attempts=True, days=True), snapshot.recorded(0)
    assert part.accepted is not None
    assert part.refused is not None
    assert part.accepted.use_class is not None
    assert part.refused.use_class is None
    for n, row in enumerate(rows()):
        own = slice(part.accepted.begin[n], part.accepted.begin[n + 1])
        assert part.accepted.at[own].tolist() == row.accepted
        assert part.accepted.use_class[own].tolist() == row.accepted_class
        assert part.refused.at[part.refused.begin[n] : part.refused.begin[n + 1]].tolist() == row.refused
        assert part.facts.begin[n + 1] - part.facts.begin[n] == len(row.facts)
        assert (
            recorded.renewals.at[recorded.renewals.begin[n] : recorded.renewals.begin[n + 1]].tolist() == row.renewals
        )
        assert recorded.lapses.at[recorded.lapses.begin[n] : recorded.lapses.begin[n + 1]].tolist() == row.lapses
    assert part.key.tolist() == [row.key for row in rows()]
    assert part.issued_at.tolist() == list(range(CHAINS))
    assert snapshot.names(0) == [row.name for row in rows()]
    assert (snapshot.chains, snapshot.customers) == (CHAINS, 14)
    assert snapshot.attempts == sum(len(row.accepted) + len(row.refused) for row in rows())
    assert (snapshot.position, snapshot.as_of, snapshot.policies) == (7, KNOWN.as_of, KNOWN.policies)


def test_what_is_not_asked_for_is_missing(tmp_path: Path) -> None:
    part = written(tmp_path / "s", *rows()).read(0, attempts=False, days=False)
    assert (part.accepted, part.refused, part.days) == (None, None, None)


def test_lists_are_the_memory_that_was_read(tmp_path: Path) -> None:
    part = written(tmp_path / "s", *rows()).read(0, attempts=True, days=True)
    assert part.accepted is not None
    assert part.days is not None
    assert not part.accepted.at.flags.owndata
    assert not part.days.attempted.flags.owndata


def test_a_customer_is_in_one_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_writer, "CHAINS_A_PARTITION", 8)
    monkeypatch.setattr(snapshot_writer, "ROWS_A_BATCH", 5)
    many = [replace(row, customer=99) for row in rows(20)]
    snapshot = written(tmp_path / "s", *rows(), *many, ChainRow(key=1, customer=100, name="last", issued_at=1))
    customers: list[list[int]] = [
        snapshot.read(n, attempts=False, days=False).customer.tolist() for n in range(snapshot.partitions)
    ]
    seen = [set(each) for each in customers]
    assert sum(len(each) for each in seen) == len(set[int]().union(*seen)) == snapshot.customers == 16
    assert {len(each) for each in customers if 99 not in each and 100 not in each} <= {4, 6}
    assert sum(len(each) for each in customers) == snapshot.chains == CHAINS + 21


def test_a_partition_has_no_more_attempts_than_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_writer, "ATTEMPTS_A_PARTITION", 30)
    often = ChainRow(key=1, customer=100, name="often", issued_at=1, accepted=range(2, 60))
    written(tmp_path / "at once", *rows(), often)
    monkeypatch.setattr(snapshot_writer, "ROWS_A_BATCH", 3)
    snapshot = written(tmp_path / "in batches", *rows(), often)
    attempts = list[int]()
    for number in range(snapshot.partitions):
        part = snapshot.read(number, attempts=True, days=False)
        assert part.accepted is not None
        assert part.refused is not None
        attempts.append(len(part.accepted.at) + len(part.refused.at))
        assert attempts[-1] <= 30 or len(set(part.customer.tolist())) == 1
    assert sum(attempts) == snapshot.attempts
    assert max(attempts) == 58
    assert snapshot.digest == opened(tmp_path / "at once").digest


def test_days_have_a_bit_for_each_day_of_seoul(tmp_path: Path) -> None:
    row = ChainRow(
        key=1,
        customer=1,
        name="C",
        issued_at=0,
        accepted=[0, DAY_SECONDS - 1, 70 * DAY_SECONDS, 80 * DAY_SECONDS + 5, 90 * DAY_SECONDS],
        refused=[10, 60 * DAY_SECONDS, 80 * DAY_SECONDS + 4, 90 * DAY_SECONDS],
    )
    known = replace(KNOWN, first_attempt=-3 * DAY_SECONDS)
    days = written(tmp_path / "s", row, known=known).read(0, attempts=False, days=True).days
    assert days is not None
    assert days.first_day == -3

    def days_in(words: NDArray[np.uint64]) -> list[int]:
        return [
            days.first_day + place * BITS + bit
            for place, word in enumerate(words.tolist())
            for bit in range(BITS)
            if word >> bit & 1
        ]

    assert days_in(days.attempted[0]) == [0, 60, 70, 80, 90]
    assert days_in(days.refused[0]) == [60, 80]


def test_days_of_many_chains_are_those_of_each() -> None:
    generator, span = np.random.default_rng(5), Span.of(0, 300 * DAY_SECONDS)
    sizes = generator.integers(0, 6, (2, 30))
    begin = [np.append(0, np.cumsum(each)) for each in sizes]
    at: list[Moments] = [
        np.concatenate([np.sort(generator.integers(0, 300 * DAY_SECONDS, n)) for n in map(int, each)]).astype(np.int32)
        for each in sizes
    ]
    together = day_words((begin[0], at[0]), (begin[1], at[1]), span)
    for n in range(30):
        own = [(np.array([0, sizes[k][n]]), at[k][begin[k][n] : begin[k][n + 1]]) for k in range(2)]
        alone = day_words(own[0], own[1], span)
        assert (alone[0][0] == together[0][n]).all()
        assert (alone[1][0] == together[1][n]).all()


def test_the_digest_is_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = written(tmp_path / "plain", *rows()).digest
    assert written(tmp_path / "again", *rows()).digest == plain
    monkeypatch.setattr(snapshot_writer, "ROWS_A_BATCH", 3)
    assert written(tmp_path / "in batches", *rows()).digest == plain
    for number, other in enumerate(
        (
            replace(rows()[-1], renewals=[5]),
            replace(rows()[-1], name="another"),
            replace(rows()[-1], facts=[FactRow(at=9, kind=FactKind.SUSPENDED, place=0)]),
        )
    ):
        assert written(tmp_path / f"{number}", *rows()[:-1], other).digest != plain
    assert written(tmp_path / "later", *rows(), known=replace(KNOWN, position=8)).digest != plain


def test_switches_of_the_policy_itself_are_left_out(tmp_path: Path) -> None:
    switched = FactRow(at=5, kind=FactKind.SWITCHED, place=0, detail=1 + int(OWN_SWITCH))
    row = ChainRow(
        key=1,
        customer=1,
        name="C",
        issued_at=0,
        facts=[switched, replace(switched, detail=2), FactRow(at=8, kind=FactKind.REVOKED, place=0)],
    )
    snapshot = written(tmp_path / "s", row, replace(row, name="D", facts=[switched]))
    asked, was = (snapshot.read(0, attempts=False, days=False, in_fact=each).facts for each in (False, True))
    assert (asked.begin.tolist(), asked.detail.tolist()) == ([0, 2, 2], [2, 0])
    assert (was.begin.tolist(), was.detail.tolist()) == ([0, 3, 4], [1, 2, 0, 1])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_is_interrupted_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with SnapshotWriter(tmp_path / "s", known=KNOWN) as writer:
            writer.add(rows()[0])
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_what_is_interrupted_leaves_what_was_there(tmp_path: Path) -> None:
    def interrupted() -> None:
        with SnapshotWriter(tmp_path / "s", known=KNOWN) as writer:
            writer.add(rows()[0])
            raise OSError(28, "No space left on device")

    digest = written(tmp_path / "s", *rows()).digest
    with pytest.raises(BadSnapshot, match="no space left on device"):
        interrupted()
    assert opened(tmp_path / "s").digest == digest
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSnapshot, match="no such file"), SnapshotWriter(tmp_path / "a" / "s", known=KNOWN):
        pass


def test_it_goes_to_another_process(tmp_path: Path) -> None:
    snapshot = written(tmp_path / "s", *rows())
    again = pickle.loads(pickle.dumps(snapshot))  # noqa: S301 (our own)
    assert again.digest == snapshot.digest
    assert again.names(0) == snapshot.names(0)


def outer_of(path: Path) -> dict[str, object]:
    outer: dict[str, object] = json.loads(pq.ParquetFile(path).metadata.metadata[METADATA])
    return outer


def put(path: Path, table: Table, outer: dict[str, object]) -> None:
    """Write a partition with its right checksum, and at the end what it says of itself."""
    pieces: list[tuple[int, int]] = [(0, 0)]
    for _ in range(2):
        metadata = {METADATA: json.dumps({"pieces": pieces} | outer)}
        pq.write_table(table.replace_schema_metadata(metadata), path)
        group = pq.ParquetFile(path).metadata.row_group(0)
        columns = [group.column(number).to_dict() for number in range(group.num_columns)]
        begins = [column["dictionary_page_offset"] or column["data_page_offset"] for column in columns]
        end = max(at + column["total_compressed_size"] for at, column in zip(begins, columns, strict=True))
        pieces = [(end, crc32(path.read_bytes()[:end]))]


def test_a_copy_is_of_the_same_snapshot_or_none(tmp_path: Path) -> None:
    snapshot = written(tmp_path / "s", *rows())
    assert copy(snapshot).digest == snapshot.digest
    written(tmp_path / "s", *rows()[:-1])
    with pytest.raises(BadSnapshot, match="was replaced meanwhile"):
        copy(snapshot)


def test_no_other_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(BadSnapshot, match="another file has this name"):
        written(tmp_path / "keys.json", *rows())
    assert (tmp_path / "keys.json").read_text() == "{}"


def rewritten(path: Path, table: Table) -> None:
    """Write other content under what a snapshot says of itself."""
    outer = outer_of(path)
    del outer["pieces"]
    put(path, table, outer)


def of_another_schema(path: Path) -> None:
    outer = outer_of(path)
    outer["said"] = str(outer["said"]).replace(f'"schema": {SCHEMA}', f'"schema": {SCHEMA + 1}')
    put(path, pq.read_table(path), outer)


def of_the_first_schema(path: Path) -> None:
    outer = outer_of(path)
    outer["said"] = str(outer["said"]).replace(f'"schema": {SCHEMA}', '"schema": 1')
    del outer["pieces"]
    pq.write_table(pq.read_table(path).replace_schema_metadata({METADATA: json.dumps(outer)}), path)


def with_another_digest(path: Path) -> None:
    put(path, pq.read_table(path), outer_of(path) | {"digest": "0" * 64})


def with_a_partition_missing(path: Path) -> None:
    table, metadata = pq.read_table(path), pq.ParquetFile(path).metadata.metadata
    pq.ParquetWriter(path, table.schema.with_metadata({METADATA: metadata[METADATA]})).close()


def with_a_checksum_missing(path: Path) -> None:
    none: list[tuple[int, int]] = []
    put(path, pq.read_table(path), outer_of(path) | {"pieces": none})


def saying(**changes: object) -> Callable[[Path], None]:
    """Return what makes a snapshot say something else of itself, with the digest that goes with it."""

    def changed(path: Path) -> None:
        text = json.dumps(json.loads(str(outer_of(path)["said"])) | changes, sort_keys=True)
        put(path, pq.read_table(path), {"digest": hashlib.sha256(text.encode()).hexdigest(), "said": text})

    return changed


def that_is_nested_too_deep(path: Path) -> None:
    put(path, pq.read_table(path), {"digest": "", "said": "[" * 100_000})


def with_a_chain_missing(path: Path) -> None:
    rewritten(path, pq.read_table(path).slice(1))


def with_a_column_missing(path: Path) -> None:
    rewritten(path, pq.read_table(path).drop_columns(["fact_place"]))


def that_is_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def that_is_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def with_its_end_spoilt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    end = int.from_bytes(content[-8:-4], "little")
    content[-8 - end] ^= 0xFF
    path.write_bytes(content)


def that_says_nonsense(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({METADATA: "[]"}), path)


def that_is_another_parquet_file(path: Path) -> None:
    pq.write_table(arrow.table({"a": [1]}), path)


def that_is_cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def that_is_a_text(path: Path) -> None:
    path.write_text("a text")


def that_is_not_there(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        (of_another_schema, f"a snapshot of schema {SCHEMA + 1}, this version reads {SCHEMA}"),
        (of_the_first_schema, f"a snapshot of schema 1, this version reads {SCHEMA}"),
        (with_another_digest, "its digest is not that"),
        (with_a_partition_missing, "not the partitions"),
        (with_a_checksum_missing, "not the partitions"),
        (that_says_nonsense, "cannot be read"),
        (that_is_nested_too_deep, "what it says of itself cannot be read"),
        (saying(chains=f"{CHAINS}"), "what it says of itself cannot be read"),
        (saying(chains=CHAINS + 1), "it has 40 chains and says 41"),
        (saying(as_of="2024-01-01T00:00:00"), "what it says of itself cannot be read"),
        (saying(as_of="1800-01-01T00:00:00+00:00"), "what it says of itself cannot be read"),
        (saying(policies=[]), "what it says of itself cannot be read"),
        (saying(policies=["{}"]), "what it says of itself cannot be read"),
        (saying(kinds=[]), "what it says of itself cannot be read"),
        (saying(last_attempt=-1), "what it says of itself cannot be read"),
        (saying(last_attempt=2_000_000_000), "not the columns"),
        (with_a_chain_missing, "it has 39 chains and says 40"),
        (with_a_column_missing, "not the columns"),
        (with_its_end_spoilt, "damaged"),
        (that_is_a_folder, "it is a folder"),
        (that_is_a_pipe, "not a regular file"),
        (that_is_another_parquet_file, "not a replay snapshot"),
        (that_is_cut_off, "cut off"),
        (that_is_a_text, "not a replay snapshot"),
        (that_is_not_there, "no such file"),
    ],
)
def test_what_is_no_snapshot_is_refused(tmp_path: Path, spoiled: Callable[[Path], None], why: str) -> None:
    written(tmp_path / "s", *rows())
    spoiled(tmp_path / "s")
    with pytest.raises(BadSnapshot, match=why) as refused:
        opened(tmp_path / "s")
    assert str(tmp_path / "s") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    written(tmp_path / "s", *rows())
    content = bytearray((tmp_path / "s").read_bytes())
    content[200] ^= 1
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(BadSnapshot, match="partition 0 is not as it was written"):
        opened(tmp_path / "s").read(0, attempts=False, days=False)


def test_a_checksum_of_more_than_there_is_is_noticed(tmp_path: Path) -> None:
    written(tmp_path / "s", *rows())
    put(tmp_path / "s", pq.read_table(tmp_path / "s"), outer_of(tmp_path / "s") | {"pieces": [(2**62, 0)]})
    with pytest.raises(BadSnapshot, match="partition 0 is not as it was written"):
        opened(tmp_path / "s").read(0, attempts=False, days=False)


def with_column(path: Path, name: str, *, of: str) -> Snapshot:
    """Return a snapshot with the values of another column, or of none, in the place of one."""
    table = pq.read_table(path)
    field = table.schema.field(name)
    held = table[of].cast(field.type) if of else arrow.nulls(table.num_rows, field.type)
    rewritten(path, table.set_column(table.schema.get_field_index(name), field, held))
    return opened(path)


@pytest.mark.parametrize(
    ("name", "of"), [("renewals", "lapses"), ("attempted_days", "refused_days"), ("truncated", "imported")]
)
def test_content_that_was_exchanged_is_noticed(tmp_path: Path, name: str, of: str) -> None:
    written(tmp_path / "s", *rows()).verify()
    with pytest.raises(BadSnapshot, match="partition 0 is not what its digest is of"):
        with_column(tmp_path / "s", name, of=of).verify()


@pytest.mark.parametrize(("of", "why"), [("issued_at", "has a kind that it does not name"), ("", "has values missing")])
def test_numbers_without_a_meaning_are_noticed(tmp_path: Path, of: str, why: str) -> None:
    written(tmp_path / "s", *rows())
    with pytest.raises(BadSnapshot, match=why):
        with_column(tmp_path / "s", "kind", of=of).read(0, attempts=False, days=False)


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ({"facts": [FactRow(at=5, kind=FactKind.SWITCHED, place=0, detail=4)]}, "a switch that it does not explain"),
        ({"facts": [FactRow(at=5, kind=FactKind.SWITCHED, place=0, detail=3)]}, "a switch that it does not explain"),
        ({"accepted": [5], "accepted_class": [9]}, "a class of uses that it does not name"),
    ],
)
def test_codes_without_a_meaning_are_noticed(tmp_path: Path, spoilt: dict[str, Any], why: str) -> None:
    row = ChainRow(key=1, customer=1, name="C", issued_at=0, **spoilt)
    with pytest.raises(BadSnapshot, match=why):
        written(tmp_path / "s", row).read(0, attempts=True, days=False)


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "s")
    digest = written(tmp_path / "link", *rows()).digest
    assert opened(tmp_path / "folder" / "s").digest == digest
    assert (tmp_path / "link").is_symlink()
