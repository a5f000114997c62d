"""Commands and replies come back as they went, and what is neither is told from them."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealbook.adapters.eventstore.gatherer import Busy
from sealbook.adapters.writer.port import Answered
from sealbook.adapters.writer.remote import WriterDefect, error_of
from sealbook.adapters.writer.request_codec import (
    UNIONS,
    Reply,
    Trouble,
    Unreadable,
    decode_command,
    decode_reply,
    encode_command,
    encode_reply,
)
from sealbook.adapters.writer.server import trouble_of
from sealbook.application.commands import Command, Request
from sealbook.application.names import Name, NameKind
from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable
from sealbook.application.requests import OnCredential
from sealbook.domain.credential import Use
from sealbook.domain.errors import Refusal
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies

OFFSETS = [UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=3, minutes=30))]
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    datetime: st.datetimes(timezones=st.sampled_from(OFFSETS)),
    UUID: st.uuids(),
    str: st.text(max_size=20),
    bytes: st.binary(max_size=40),
    bool: st.booleans(),
    int: st.integers(min_value=-(2**63), max_value=2**63 - 1),
    NoneType: st.none(),
    Name: st.builds(Name, st.sampled_from(NameKind), st.text(max_size=20)),
    RenewalPolicy: st.sampled_from(list(preset_policies().values())),
}
Choice = tuple[Any, Any]


def choices() -> Iterator[Choice]:
    """Yield every class of requests, with every class of commands that may stand in it."""
    for cls in get_args(Request):
        unions = [hint for hint in get_type_hints(cls).values() if hint in UNIONS]
        if unions:
            yield from ((cls, inner) for inner in get_args(unions[0]))
        else:
            yield cls, None


def values(hint: Any, inner: Any = None) -> st.SearchStrategy[Any]:
    if hint in UNIONS and inner is not None:
        return values(inner)
    if hint in PLAIN:
        return PLAIN[hint]
    if get_origin(hint) is UnionType:
        return st.one_of(*map(values, get_args(hint)))
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    hints = get_type_hints(hint)
    if not hints:
        return st.sampled_from(hint)
    return st.builds(hint, **{each.name: values(hints[each.name], inner) for each in fields(hint)})


def commands(choice: Choice) -> st.SearchStrategy[Command]:
    hints = get_type_hints(Command) | {"request": choice[0]}
    return st.builds(Command, **{each.name: values(hints[each.name], choice[1]) for each in fields(Command)})


def named(choice: Choice) -> str:
    return " ".join(each.__name__ for each in choice if each is not None)


A_COMMAND = Command(
    request=OnCredential(credential=UUID(int=1), command=Use(at=datetime(2024, 3, 10, 9, tzinfo=UTC))),
    command_id=UUID(int=2),
    actor="holder",
    channel="app",
)


@pytest.mark.parametrize("choice", list(choices()), ids=named)
@settings(max_examples=15)
@given(data=st.data())
def test_every_command_comes_back_equal(choice: Choice, data: st.DataObject) -> None:
    command = data.draw(commands(choice))

    number, back = decode_command(encode_command(77, command))

    assert (number, back) == (77, command)
    # What a repetition is told by says more than equality: names, and a moment's offset.
    assert back.digest() == command.digest()


def test_no_two_classes_of_a_union_share_a_name() -> None:
    for union in UNIONS:
        classes = get_args(union)
        assert len({each.__name__ for each in classes}) == len(classes)


@given(cut=st.integers(min_value=0, max_value=len(encode_command(7, A_COMMAND)) - 1))
def test_half_a_command_is_none(cut: int) -> None:
    with pytest.raises(Unreadable):
        decode_command(encode_command(7, A_COMMAND)[:cut])


@given(noise=st.binary(max_size=200))
def test_noise_is_no_command_and_no_reply(noise: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_command(noise)
    with pytest.raises(Unreadable):
        decode_reply(noise)


def test_of_a_command_that_cannot_be_read_the_number_is_known() -> None:
    unknown_class = msgspec.msgpack.encode((7, (("DropEverything", ()), None, "", "", None, None)))
    naive = replace(A_COMMAND, request=OnCredential(credential=UUID(int=1), command=Use(at=datetime(2024, 3, 10))))  # noqa: DTZ001
    for frame in (unknown_class, encode_command(7, naive), encode_command(7, A_COMMAND)[:-1] + b"\xc1"):
        with pytest.raises(Unreadable) as told:
            decode_command(frame)
        assert told.value.number in {7, None}
    with pytest.raises(Unreadable) as told:
        decode_command(unknown_class)
    assert told.value.number == 7


@given(
    answered=st.builds(
        Answered,
        refusal=st.none() | st.sampled_from(Refusal),
        message=st.text(),
        stream=st.none() | st.uuids(),
        position=st.none() | st.integers(min_value=1, max_value=2**62),
        version=st.none() | st.integers(min_value=1, max_value=2**62),
        events=st.lists(st.text(max_size=30), max_size=4).map(tuple),
        repeated=st.booleans(),
    )
)
def test_an_answer_comes_back_equal(answered: Answered) -> None:
    assert decode_reply(encode_reply(Reply(9, answered))) == Reply(9, answered)


@pytest.mark.parametrize(
    "error", [Busy(0.25), Unavailable("away"), OutcomeUnknown("who knows"), LedgerDamaged("a hole")], ids=repr
)
def test_an_error_crosses_as_what_it_is(error: Exception) -> None:
    trouble = decode_reply(encode_reply(Reply(1, None, trouble_of(error)))).trouble

    assert trouble is not None
    back = error_of(trouble)
    assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))


def test_of_a_defect_nothing_crosses_that_it_was_about() -> None:
    with pytest.raises(ValueError, match="badly formed") as raised:
        UUID("Kim's id")
    trouble = trouble_of(raised.value)

    assert isinstance(error_of(trouble), WriterDefect)
    assert "badly formed" not in trouble.message
    assert "ValueError at uuid.py" in trouble.message


def test_a_busy_writer_says_when_to_come_back() -> None:
    back = error_of(Trouble("busy", "busy", 1.5))
    assert isinstance(back, Busy)
    assert back.retry_after_seconds == 1.5
