"""Every event that may be stored and every refusal code is reached by a request, each by a short story of its own."""

import re
from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from sealbook.adapters.eventstore.memory import MemoryEventStore
from sealbook.application.commands import Request
from sealbook.domain.catalogue import EVENT_TYPES, event_name
from sealbook.domain.errors import Refusal
from sealbook.domain.presets import preset_kinds
from tests.commands import JANUARY
from tests.invariants.event_stories import EVENTS
from tests.invariants.refusal_stories import COMMAND_IDS, IF_VERSIONS, REFUSALS, strict_kinds
from tests.invariants.teller import Teller

SECRET = re.compile(r"(^|_)(secret|seed|code|pin|password|image|photo|resident|ssn|ci|template|birth|phone)(_|$)")


def test_there_is_a_story_for_every_event() -> None:
    assert {kind.name for kind in EVENT_TYPES.values()} == set(EVENTS)


def test_there_is_a_story_for_every_refusal() -> None:
    assert set(REFUSALS) == set(Refusal)


@pytest.mark.parametrize("name", EVENTS)
def test_a_request_records_the_event(memory_store: MemoryEventStore, name: str) -> None:
    teller = Teller(memory_store)

    outcome = teller.ask(EVENTS[name](teller))

    assert name in [event_name(event) for event in outcome.events]


@pytest.mark.parametrize("code", REFUSALS)
def test_a_request_is_refused_by_the_code(memory_store: MemoryEventStore, code: Refusal) -> None:
    teller = Teller(memory_store, strict_kinds())

    request = REFUSALS[code](teller)
    outcome = teller.ask(request, command_id=COMMAND_IDS.get(code), if_version=IF_VERSIONS.get(code))

    found = [getattr(event, "reason", None) for event in outcome.events]
    # What another system refused is recorded, and is no refusal of ours.
    assert outcome.refusal is code or (code is Refusal.REPORTED and code in found)


def test_every_class_of_request_is_told_of() -> None:
    asked = set[type]()
    for stories, kinds in ((EVENTS.values(), preset_kinds()), (REFUSALS.values(), strict_kinds())):
        for story in stories:
            teller = Teller(MemoryEventStore(clock=lambda: JANUARY), kinds)
            teller.ask(story(teller))
            asked |= teller.asked

    assert asked == set(get_args(Request))


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: EVENT_TYPES[kind].name)
def test_no_field_of_an_event_is_for_a_secret(kind: type) -> None:
    assert [name for name in field_names(kind) if SECRET.search(name)] == []


def field_names(kind: type) -> list[str]:
    """The names of a class's fields, and of the fields of the classes that these hold."""
    names = list[str]()
    hints = get_type_hints(kind)
    for each in fields(kind):
        names.append(each.name)
        for held in (hints[each.name], *get_args(hints[each.name])):
            if isinstance(held, type) and is_dataclass(held):
                names += field_names(held)
    return names
