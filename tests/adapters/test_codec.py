"""The stored bytes: what is written is read back equal, written again the same, and never taken for something else.

`python -m tests.adapters.test_codec` writes the golden files of event types that have none yet. A
golden file is never written again: what is stored must stay readable, to the byte. The heads have one
file, which is written anew when HEAD_SCHEMA has grown: an older head is rebuilt, not read.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, FrozenInstanceError, dataclass, fields, is_dataclass, replace
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
    OutdatedHead,
    decode_canonical,
    decode_event,
    decode_head,
    encode_event,
    encode_head,
)
from sealbook.adapters.eventstore.codec_forms import Forms
from sealbook.application.ports import LedgerDamaged, NewEvent, Unavailable
from sealbook.domain.calendar import EARLIEST, LATEST
from sealbook.domain.catalogue import EVENT_TYPES, Aggregate, Event
from sealbook.domain.credential import Application, Credential
from sealbook.domain.credential.standing import Lockout
from sealbook.domain.customer import Customer, Enrolled
from sealbook.domain.device import App, Device
from sealbook.domain.ledger import Ledger
from sealbook.domain.policy import Policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import HolderSubkind, PolicyRef
from tests.commands import FEBRUARY, JANUARY, MARCH

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
GOLDEN_HEADS = GOLDEN / "heads" / "heads.json"
SEOUL = timezone(timedelta(hours=9))
STREAM, COMMAND = UUID(int=7), UUID(int=8)
EVENT_CLASSES = sorted(EVENT_TYPES, key=lambda cls: EVENT_TYPES[cls].name)
PHONE = Device(app=App(version="6.2.10", store="google_play"), os_version="16", customer=STREAM)
STATES = [Customer, Device, Application, Credential, Policy, Ledger]
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
Reader = Callable[[bytes], DecodedEvent]
by_reader = pytest.mark.parametrize("read", [decode_event, decode_canonical], ids=lambda read: read.__name__)
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
    if origin in (tuple, frozenset):
        return cast("Any", origin)(sample(each, name) for each in arguments if each is not ...)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        given = {each.name: sample(hints[each.name], each.name) for each in fields(hint)}
        return cast("Callable[..., Any]", hint)(**given)
    return next(iter(cast("type[StrEnum]", hint)))


def bare(cls: type) -> Any:
    """A state whose fields all have their defaults, where there is one."""
    hints = get_type_hints(cls)
    required = [each.name for each in fields(cls) if each.default is MISSING]
    return cls(**{name: sample(hints[name], name) for name in required})


ENROLLED = encode_event(new(Enrolled(at=MARCH, subkind=HolderSubkind.INDIVIDUAL, provenance=None)))


def elements(body: bytes = ENROLLED) -> list[Any]:
    return cast("list[Any]", msgspec.msgpack.decode(body))


# --- There and back.


@by_reader
@by_class
def test_an_event_of_every_type_is_read_back_equal(cls: type[Event], read: Reader) -> None:
    event = sample(cls)
    decoded = read(encode_event(new(event)))
    assert type(decoded.event) is cls
    assert decoded.event == event
    assert (decoded.actor, decoded.command_id, decoded.caused_by) == ("teller 7", COMMAND, 1)
    assert decoded.channel == getattr(event, "channel", "branch")


@by_class
def test_an_event_that_was_read_is_as_frozen_as_any(cls: type[Event]) -> None:
    event = decode_event(encode_event(new(sample(cls)))).event
    with pytest.raises(FrozenInstanceError):
        event.at = JANUARY  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


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
    assert encode_event(decoded) == body
    assert decode_canonical(body) == decoded


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


def test_a_default_that_was_made_anew_does_not_show_in_a_head() -> None:
    credential = sample(Credential)
    untouched = next(each.default for each in fields(Credential) if each.name == "lockout")
    assert encode_head(replace(credential, lockout=Lockout())) == encode_head(replace(credential, lockout=untouched))


def test_a_class_that_checks_itself_when_it_is_made_has_no_form() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        number: int

        def __post_init__(self) -> None:
            raise ValueError

    with pytest.raises(TypeError, match="Checked"):
        Forms({}, short=False).record(Checked, ["number"])


# --- Damage.


@by_reader
@by_class
def test_a_body_cut_short_anywhere_is_damage(cls: type[Event], read: Reader) -> None:
    body = encode_event(new(sample(cls)))
    for length in range(len(body)):
        with pytest.raises(LedgerDamaged):
            read(body[:length])


@by_reader
@by_class
def test_a_body_with_an_element_too_many_or_too_few_is_damage(cls: type[Event], read: Reader) -> None:
    written = elements(encode_event(new(sample(cls))))
    own = written[8:]
    for damaged in ([*written, None], [*written, 1], written[:-1] if own else written[:7]):
        with pytest.raises(LedgerDamaged):
            read(msgspec.msgpack.encode(damaged))


@by_reader
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
def test_a_body_with_a_foreign_element_is_damage(place: int, value: object, read: Reader) -> None:
    written = elements()
    written[place] = value
    with pytest.raises(LedgerDamaged):
        read(msgspec.msgpack.encode(written))


@by_reader
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\xc0", b"\x80", b"text", ENROLLED + b"\xc0"),
        msgspec.msgpack.encode(["a topic", b"state"]),
        b"\x99\xb1customer.enrolled\x01" + b"\x91" * 100_000,
    ],
    ids=["nothing", "nil", "a map", "text", "more behind it", "one of the library's", "a deep nest"],
)
def test_what_is_no_body_is_damage(body: bytes, read: Reader) -> None:
    with pytest.raises(LedgerDamaged):
        read(body)


def test_a_body_that_says_the_same_in_other_bytes_is_read_and_is_not_canonical() -> None:
    version_one, longer = b"\xb1customer.enrolled\x01", b"\xb1customer.enrolled\xcc\x01"
    assert version_one in ENROLLED
    other = ENROLLED.replace(version_one, longer)
    assert decode_event(other) == decode_event(ENROLLED)
    with pytest.raises(LedgerDamaged):
        decode_canonical(other)


@settings(max_examples=600)
@given(st.sampled_from(EVENT_CLASSES), st.data())
def test_a_changed_byte_is_damage_or_another_event_never_the_same_one(cls: type[Event], data: st.DataObject) -> None:
    body = bytearray(encode_event(new(sample(cls))))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_canonical(bytes(body))
    except LedgerDamaged:
        return
    assert encode_event(decoded) == bytes(body)


@settings(max_examples=600)
@given(st.sampled_from(EVENT_CLASSES), st.data())
def test_a_body_with_a_changed_byte_is_never_misread(cls: type[Event], data: st.DataObject) -> None:
    body = bytearray(encode_event(new(sample(cls))))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode_event(bytes(body))
    except LedgerDamaged:
        return
    assert decode_canonical(encode_event(decoded)) == decoded


# --- Heads that are none, or another version's.


def of_schema(schema: int, *rest: object) -> bytes:
    return msgspec.msgpack.encode([schema, *rest])


@pytest.mark.parametrize(
    "stored",
    [
        of_schema(HEAD_SCHEMA - 1, *elements(encode_head(PHONE))[1:]),
        of_schema(HEAD_SCHEMA - 1, None),
        of_schema(1, "device", "with other fields", [1, 2]),
    ],
    ids=["with the same fields", "without a state", "with other fields"],
)
def test_a_head_of_an_older_schema_is_outdated_and_no_damage(stored: bytes) -> None:
    with pytest.raises(OutdatedHead):
        decode_head(stored)


@pytest.mark.parametrize("rest", [(), (None,), ("device",), ({"of": "another make"},)], ids=str)
def test_a_head_of_a_newer_schema_asks_for_a_newer_version(rest: tuple[object, ...]) -> None:
    with pytest.raises(Unavailable, match="was written by a newer version: use a newer sealbook"):
        decode_head(of_schema(HEAD_SCHEMA + 1, *rest))


@pytest.mark.parametrize(
    "stored",
    [
        *(b"", b"\xc0", b"\x80", b"\x90", b"text", encode_head(PHONE) + b"\xc0"),
        of_schema(HEAD_SCHEMA),
        of_schema(HEAD_SCHEMA, None, None),
        of_schema(HEAD_SCHEMA, "ledger"),
        of_schema(HEAD_SCHEMA, ["device"]),
        of_schema(HEAD_SCHEMA, "device"),
        of_schema(HEAD_SCHEMA, *elements(encode_head(PHONE))[1:], None),
        msgspec.msgpack.encode([None, "device"]),
        b"\x92" + bytes([HEAD_SCHEMA]) + b"\x91" * 100_000,
    ],
    ids=range(14),
)
def test_what_is_no_head_is_damage(stored: bytes) -> None:
    with pytest.raises(LedgerDamaged):
        decode_head(stored)


@pytest.mark.parametrize("place", range(1, 11))
def test_a_head_with_a_foreign_element_is_damage(place: int) -> None:
    stored = elements(encode_head(PHONE))
    stored[place] = 1.5
    with pytest.raises(LedgerDamaged):
        decode_head(msgspec.msgpack.encode(stored))


def test_a_head_with_a_moment_in_no_zone_is_damage() -> None:
    stored = encode_head(replace(PHONE, handover_until=MARCH.replace(tzinfo=None)))
    with pytest.raises(LedgerDamaged):
        decode_head(stored)


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
    if isinstance(value, tuple | frozenset):
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
    assert encode_event(decoded) == body


def test_every_golden_file_is_of_a_type_that_is_still_read() -> None:
    assert {file.name for file in GOLDEN.glob("*.json")} == {golden_file(cls).name for cls in EVENT_TYPES}


def test_the_catalogue_names_every_event_once_in_lower_snake_case() -> None:
    names = [(kind.name, kind.version) for kind in EVENT_TYPES.values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name, _ in names)


def heads() -> dict[str, Any]:
    states = {f"{cls.__name__}, {how.__name__}": how(cls) for cls in STATES for how in (sample, bare)}
    return {name: {"state": readable(state), "hex": encode_head(state).hex()} for name, state in states.items()}


def test_heads_of_one_schema_stay_what_they_are() -> None:
    golden = json.loads(GOLDEN_HEADS.read_text(encoding="utf-8"))
    assert (golden["schema"], golden["heads"]) == (HEAD_SCHEMA, heads()), (
        "raise HEAD_SCHEMA, then run python -m tests.adapters.test_codec"
    )
    for head in golden["heads"].values():
        assert readable(decode_head(bytes.fromhex(head["hex"]))) == head["state"]


def write_golden_heads() -> None:
    known = json.loads(GOLDEN_HEADS.read_text(encoding="utf-8"))["schema"] if GOLDEN_HEADS.exists() else None
    if known != HEAD_SCHEMA:
        text = json.dumps({"schema": HEAD_SCHEMA, "heads": heads()}, indent=1, ensure_ascii=False)
        GOLDEN_HEADS.write_text(text + "\n", encoding="utf-8")


def write_missing_golden_files() -> None:
    for cls in EVENT_CLASSES:
        file = golden_file(cls)
        if not file.exists():
            body = encode_event(new(sample(cls)))
            golden = {**written_down(decode_event(body)), "body_hex": body.hex()}
            file.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_golden_heads()
    write_missing_golden_files()
