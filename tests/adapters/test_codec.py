"""The stored bytes: what is written is read back equal, written again the same, and never taken for something else.

`python -m tests.adapters.test_codec` writes the golden files of event types that have none yet. A
golden file is never written again: what is stored must stay readable, to the byte.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sealbook.adapters.eventstore.codec import (
    HEAD_SCHEMA,
    DecodedEvent,
    decode_event,
    decode_head,
    encode_event,
    encode_head,
)
from sealbook.application.ports import LedgerDamaged, NewEvent
from sealbook.domain.calendar import EARLIEST, LATEST
from sealbook.domain.catalogue import EVENT_TYPES, Aggregate, Event
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer, Enrolled
from sealbook.domain.device import App, Device
from sealbook.domain.policy import Policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import HolderSubkind, PolicyRef
from tests.commands import FEBRUARY, JANUARY, MARCH

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SEOUL = timezone(timedelta(hours=9))
STREAM, COMMAND = UUID(int=7), UUID(int=8)
EVENT_CLASSES = sorted(EVENT_TYPES, key=lambda cls: EVENT_TYPES[cls].name)
PHONE = Device(app=App(version="6.2.10", store="google_play"), os_version="16", customer=STREAM)
STATES = [Customer, Device, Application, Credential, Policy]
MOMENTS = st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None), timezones=st.just(UTC))


def numbered(policy: RenewalPolicy, version: int) -> RenewalPolicy:
    return RenewalPolicy.model_validate(policy.model_dump() | {"version": version})


POLICIES = st.builds(numbered, st.sampled_from(list(preset_policies().values())), st.integers(1, 2**31 - 1))
PLAIN: dict[Any, SearchStrategy[Any]] = {
    str: st.text(),
    int: st.integers(0, 2**31 - 1),
    bool: st.booleans(),
    datetime: MOMENTS,
    UUID: st.uuids(),
    PolicyRef: st.builds(PolicyRef, st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", fullmatch=True), st.integers(1)),
    RenewalPolicy: POLICIES,
}
by_class = pytest.mark.parametrize("cls", EVENT_CLASSES, ids=lambda cls: EVENT_TYPES[cls].name)


def values(hint: Any) -> SearchStrategy[Any]:
    """Every value that a type hint of an event or a state admits."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is NoneType:
        return st.none()
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is UnionType:
        return st.one_of(*map(values, arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=4).map(tuple) if arguments[1] is ... else pairs(arguments)
    if origin is frozenset:
        return st.frozensets(values(arguments[0]), max_size=4)
    if origin is Literal:
        return st.sampled_from(arguments)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        built = {each.name: values(hints[each.name]) for each in fields(hint)}
        return st.builds(cast("Callable[..., Any]", hint), **built)
    return st.sampled_from(list(cast("type[StrEnum]", hint)))


def pairs(hints: tuple[Any, ...]) -> SearchStrategy[Any]:
    return st.tuples(*map(values, hints))


@st.composite
def new_events(draw: st.DrawFn) -> NewEvent:
    event = draw(st.sampled_from(EVENT_CLASSES).flatmap(values))
    return NewEvent(
        stream=STREAM,
        version=2,
        actor=draw(st.text()),
        channel=getattr(event, "channel", draw(st.text())),
        command_id=draw(st.none() | st.uuids()),
        caused_by=draw(st.none() | st.integers(1, 2**31 - 1)),
        event=event,
    )


def new(event: Event) -> NewEvent:
    channel = getattr(event, "channel", "branch")
    return NewEvent(
        stream=STREAM, version=2, actor="teller 7", channel=channel, command_id=COMMAND, caused_by=1, event=event
    )


def again(decoded: DecodedEvent) -> bytes:
    return encode_event(
        NewEvent(
            stream=STREAM,
            version=2,
            actor=decoded.actor,
            channel=decoded.channel,
            command_id=decoded.command_id,
            caused_by=decoded.caused_by,
            event=decoded.event,
        )
    )


def sample(hint: Any, name: str = "") -> Any:
    """One readable value of a type hint; every optional field has one."""
    origin, arguments = get_origin(hint), get_args(hint)
    known: dict[Any, Any] = {
        str: name,
        int: 3,
        bool: True,
        datetime: {"base": JANUARY, "anchor": FEBRUARY}.get(name, MARCH),
        UUID: UUID(int=sum(name.encode())),
        PolicyRef: PolicyRef("D", 1),
        RenewalPolicy: preset_policies()["G30"],
    }
    if hint in known:
        return known[hint]
    if origin is UnionType:
        return sample(next(each for each in arguments if each is not NoneType), name)
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (sample(arguments[0], name),)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        given = {each.name: sample(hints[each.name], each.name) for each in fields(hint)}
        return cast("Callable[..., Any]", hint)(**given)
    return next(iter(cast("type[StrEnum]", hint)))


ENROLLED = encode_event(new(Enrolled(at=MARCH, subkind=HolderSubkind.INDIVIDUAL, provenance=None)))


def elements(body: bytes = ENROLLED) -> list[Any]:
    return cast("list[Any]", msgspec.msgpack.decode(body))


# --- There and back.


@by_class
def test_an_event_of_every_type_is_read_back_equal(cls: type[Event]) -> None:
    event = sample(cls)
    decoded = decode_event(encode_event(new(event)))
    assert decoded.event == event
    assert (decoded.actor, decoded.command_id, decoded.caused_by) == ("teller 7", COMMAND, 1)
    assert decoded.channel == getattr(event, "channel", "branch")


@settings(max_examples=400)
@given(new_events())
def test_any_event_is_read_back_equal_and_written_again_the_same(written: NewEvent) -> None:
    body = encode_event(written)
    decoded = decode_event(body)
    assert (decoded.event, decoded.channel) == (written.event, written.channel)
    assert (decoded.actor, decoded.command_id, decoded.caused_by) == (
        written.actor,
        written.command_id,
        written.caused_by,
    )
    assert again(decoded) == body


def test_the_same_instant_gives_the_same_bytes_in_any_zone() -> None:
    here, there = MARCH, MARCH.astimezone(SEOUL)
    assert encode_event(new(Enrolled(at=there, subkind=HolderSubkind.INDIVIDUAL, provenance=None))) == ENROLLED
    assert here.isoformat() != there.isoformat()


def test_a_policy_written_in_another_order_of_fields_gives_the_same_bytes() -> None:
    policy = preset_policies()["G30"]
    turned = RenewalPolicy.model_validate(dict(reversed(policy.model_dump().items())))
    assert encode_head(Policy(versions=(turned,))) == encode_head(Policy(versions=(policy,)))


@pytest.mark.parametrize("cls", STATES, ids=lambda cls: cls.__name__)
def test_a_head_is_read_back_equal_and_written_again_the_same(cls: type) -> None:
    @settings(max_examples=100)
    @given(values(cls))
    def holds(state: Aggregate) -> None:
        stored = encode_head(state)
        assert decode_head(stored) == state
        assert encode_head(decode_head(stored)) == stored

    holds()


def test_a_head_without_a_state_is_read_back_as_none() -> None:
    assert decode_head(encode_head(None)) is None


def test_the_order_in_which_a_set_was_filled_does_not_show_in_a_head() -> None:
    one, other = Policy(announced=frozenset([8, 1, 16])), Policy(announced=frozenset([16, 8, 1]))
    assert encode_head(one) == encode_head(other)


# --- Damage.


@by_class
def test_a_body_cut_short_anywhere_is_damage(cls: type[Event]) -> None:
    body = encode_event(new(sample(cls)))
    for length in range(len(body)):
        with pytest.raises(LedgerDamaged):
            decode_event(body[:length])


@by_class
def test_a_body_with_an_element_too_many_or_too_few_is_damage(cls: type[Event]) -> None:
    written = elements(encode_event(new(sample(cls))))
    own = written[8:]
    for damaged in ([*written, None], [*written, 1], written[:-1] if own else written[:7]):
        with pytest.raises(LedgerDamaged):
            decode_event(msgspec.msgpack.encode(damaged))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "customer.enroled"),
        (0, None),
        (0, ["customer.enrolled"]),
        (1, 2),
        (1, "1"),
        (2, None),
        (2, "2024-03-10"),
        (2, 2**63 - 1),
        (2, 1.5),
        (5, b"short"),
        (6, "D"),
        (6, "D@1"),
        (8, "somebody"),
    ],
)
def test_a_body_with_a_foreign_element_is_damage(place: int, value: object) -> None:
    written = elements()
    written[place] = value
    with pytest.raises(LedgerDamaged):
        decode_event(msgspec.msgpack.encode(written))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc0", b"\x80", b"text", ENROLLED + b"\xc0", msgspec.msgpack.encode(["a topic", b"state"])],
    ids=["nothing", "nil", "a map", "text", "more behind it", "one of the library's"],
)
def test_what_is_no_body_is_damage(body: bytes) -> None:
    with pytest.raises(LedgerDamaged):
        decode_event(body)


def test_a_body_that_says_the_same_in_other_bytes_is_damage() -> None:
    version_one, longer = b"\xb1customer.enrolled\x01", b"\xb1customer.enrolled\xcc\x01"
    assert version_one in ENROLLED
    with pytest.raises(LedgerDamaged):
        decode_event(ENROLLED.replace(version_one, longer))


@settings(max_examples=600)
@given(st.sampled_from(EVENT_CLASSES), st.data())
def test_a_changed_byte_is_damage_or_another_event_never_the_same_one(cls: type[Event], data: st.DataObject) -> None:
    body = bytearray(encode_event(new(sample(cls))))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_event(bytes(body))
    except LedgerDamaged:
        return
    assert again(decoded) == bytes(body)


def test_a_head_of_another_schema_is_damage() -> None:
    stored = elements(encode_head(PHONE))
    stored[0] = HEAD_SCHEMA + 1
    with pytest.raises(LedgerDamaged):
        decode_head(msgspec.msgpack.encode(stored))


@pytest.mark.parametrize("length", [0, 1, 5], ids=str)
def test_a_head_cut_short_is_damage(length: int) -> None:
    with pytest.raises(LedgerDamaged):
        decode_head(encode_head(PHONE)[:length])


# --- Golden files.


def golden_file(cls: type[Event]) -> Path:
    kind = EVENT_TYPES[cls]
    return GOLDEN / f"{kind.name}.v{kind.version}.json"


def readable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, RenewalPolicy):
        return json.loads(value.document)
    if isinstance(value, UUID | PolicyRef):
        return str(value)
    if isinstance(value, tuple):
        return [readable(each) for each in cast("Iterable[Any]", value)]
    if is_dataclass(value):
        return {each.name: readable(getattr(value, each.name)) for each in fields(value)}
    return value


def written_down(decoded: DecodedEvent) -> dict[str, Any]:
    return {
        "event": readable(decoded.event),
        "actor": decoded.actor,
        "channel": decoded.channel,
        "command_id": readable(decoded.command_id),
        "caused_by": decoded.caused_by,
    }


@by_class
def test_stored_bytes_of_every_event_type_stay_what_they_are(cls: type[Event]) -> None:
    file = golden_file(cls)
    assert file.exists(), "run python -m tests.adapters.test_codec once"
    golden = json.loads(file.read_text(encoding="utf-8"))
    body = bytes.fromhex(golden.pop("body_hex"))
    decoded = decode_event(body)
    assert type(decoded.event) is cls
    assert written_down(decoded) == golden
    assert again(decoded) == body


def test_every_golden_file_is_of_a_type_that_is_still_read() -> None:
    assert {file.name for file in GOLDEN.glob("*.json")} == {golden_file(cls).name for cls in EVENT_TYPES}


def test_the_catalogue_names_every_event_once_in_lower_snake_case() -> None:
    names = [(kind.name, kind.version) for kind in EVENT_TYPES.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name, _ in names)


def write_missing_golden_files() -> None:
    for cls in EVENT_CLASSES:
        file = golden_file(cls)
        if not file.exists():
            body = encode_event(new(sample(cls)))
            golden = {**written_down(decode_event(body)), "body_hex": body.hex()}
            file.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_missing_golden_files()
