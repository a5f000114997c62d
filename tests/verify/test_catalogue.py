"""The verifier's catalogue of events is the ledger's: no name, version, field or order that differs."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints
from uuid import UUID

from sealbook.domain.catalogue import EVENT_TYPES
from sealbook.domain.credential.use import UseEvidence
from sealbook.domain.device.standing import App
from sealbook.domain.ledger import LEDGER_STREAM as LEDGER
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import Bounds
from sealbook.domain.values import PolicyRef
from sealbook_verify.leaves import KINDS, LEDGER_STREAM, OWN_FIELDS
from sealbook_verify.msgpack import decode
from sealbook_verify.timeline import told
from tests.verify.conftest import VERIFY

IN_ENVELOPE = {"at", "channel", "policy"}
GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@cache
def catalogue() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((Path(VERIFY) / "sealbook_verify" / "catalogue.json").read_text(encoding="utf-8"))
    return read


def test_every_stored_event_has_words_and_its_fields_in_order() -> None:
    stored = {
        f"{kind.name} {kind.version}": [each.name for each in fields(cls) if each.name not in IN_ENVELOPE]
        for cls, kind in EVENT_TYPES.items()
    }

    assert {name: each["fields"] for name, each in catalogue()["events"].items()} == stored
    assert all(each["words"].strip() == each["words"] != "" for each in catalogue()["events"].values())


def test_golden_bodies_are_told_with_the_values_that_they_hold() -> None:
    files = sorted(GOLDEN.glob("*.json"))
    assert files
    for file in files:
        golden = json.loads(file.read_text(encoding="utf-8"))
        body = decode(bytes.fromhex(golden["body_hex"]))
        assert isinstance(body, list)
        said = told(body)
        assert said["event"] == file.name.rsplit(".v", 1)[0]
        assert (said["actor"], said["channel"]) == (golden["actor"], golden["channel"])
        assert said["occurred_at"] == golden["event"]["at"].replace("+00:00", "Z")
        assert [_plain(each) for each in said["fields"].items()] == [
            _plain((name, each)) for name, each in golden["event"].items() if name not in IN_ENVELOPE
        ]


def _plain(named: tuple[str, Any]) -> object:
    """Return a field as both sides can write it: golden files tell a policy document as what it holds."""
    name, value = named
    return name if name == "document" else json.loads(json.dumps(value).replace("+00:00", "Z"))


def test_fields_that_are_times_are_told_as_times_and_no_others() -> None:
    times = set(catalogue()["times"])
    named = [*_hints(), ("occurred_at", datetime)]

    assert {name for name, hint in named if datetime in (hint, *get_args(hint))} == times
    assert [name for name, hint in named if name in times and datetime not in (hint, *get_args(hint))] == []


def test_values_of_several_parts_are_told_part_by_part() -> None:
    parts = {"app": App, "bounds": Bounds, "evidence": UseEvidence}

    assert catalogue()["parts"] == {name: [each.name for each in fields(cls)] for name, cls in parts.items()}
    several = {(name, cls) for name, hint in _hints() for cls in (hint, *get_args(hint)) if is_dataclass(cls)}
    # In a body, a reference to a policy is one text, and its document too.
    assert {(name, cls) for name, cls in several if cls not in (PolicyRef, RenewalPolicy)} == {*parts.items()}


def _hints() -> Iterator[tuple[str, Any]]:
    """Yield the fields of all events, and the parts of values of several parts."""
    for cls in (*EVENT_TYPES, App, Bounds, UseEvidence):
        yield from ((name, hint) for name, hint in get_type_hints(cls).items() if name not in {"at", "stored"})


def test_the_kinds_of_entries_belong_to_events_that_there_are() -> None:
    names = {each.name for each in EVENT_TYPES.values()}

    assert KINDS.keys() <= names
    assert {name for name in names if name.startswith("ledger.")} <= KINDS.keys()
    assert UUID(bytes=LEDGER_STREAM) == LEDGER
    assert len(catalogue()["envelope"]) == OWN_FIELDS
