"""What a message says: every event of the catalogue, whole, and only to who wished for it."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sealbook.adapters.eventstore.codec import decode_event
from sealbook.adapters.webhooks.messages import NAMED_ONLY, message, unknown, wanted
from sealbook.domain.catalogue import EVENT_TYPES, RecordedEvent
from tests.commands import MARCH

GOLDEN = sorted((Path(__file__).resolve().parents[2] / "golden").glob("*.json"))
LEDGER, STREAM = UUID(int=1), UUID(int=2)


def stored(golden: Path) -> RecordedEvent:
    decoded = decode_event(bytes.fromhex(json.loads(golden.read_text())["body_hex"]))
    return RecordedEvent(book=0, position=2**40, stream=STREAM, version=3, recorded_at=MARCH, **decoded._asdict())


def in_utc(written: Any) -> Any:
    """Return what a golden file says with its times as a message writes them."""
    return json.loads(re.sub(r'T([0-9:.]+)\+00:00"', r'T\1Z"', json.dumps(written)))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_every_event_is_told_whole(golden: Path) -> None:
    event, written = stored(golden), json.loads(golden.read_text())
    said = json.loads(message(event, ledger=LEDGER))
    assert said["type"] == f"sealbook.{golden.stem}"
    assert said["id"] == f"{STREAM}/3"
    at = written["event"].pop("at")
    assert [said["time"], said["data"]["fields"]] == in_utc([at, written["event"]])
    assert said["data"].get("actor", "") == written["actor"]
    assert "command_id" not in json.dumps(said)


def test_the_envelope_has_the_types_that_the_standard_gives_them() -> None:
    said = json.loads(message(stored(GOLDEN[0]), ledger=LEDGER))
    assert all(isinstance(value, str) for name, value in said.items() if name != "data")
    assert all(name.isalnum() and name.islower() for name in said)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_an_event_is_wanted_by_its_name_or_a_beginning_of_it_uses_by_name_only(golden: Path) -> None:
    event = stored(golden)
    name = event.event.stored.name
    aggregate, _, rest = name.partition(".")
    assert wanted(event, ["policy.gone", name])
    assert wanted(event, [f"{aggregate}."]) == (name not in NAMED_ONLY)
    assert not wanted(event, [aggregate, name[:-1], f"{rest}.", ""])
    assert not wanted(event, [])


def test_a_wish_must_mean_some_event() -> None:
    assert not any(unknown(each.name) for each in EVENT_TYPES.values())
    assert not any(unknown(wish) for wish in ("credential.", "ledger."))
    assert all(unknown(wish) for wish in ("credential", "credential.gone", "cred", "gone.", ".", "", "*"))
