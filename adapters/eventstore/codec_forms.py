"""Forms: how a value of each type stands in msgpack, and how it comes back.

msgspec writes and reads most types itself, in C, and checks them as it reads: text, numbers, ids as
16 bytes, enumerations by their value, tuples, sets in order. Such a form converts nothing, so a field
of it costs nothing here. Only what is left is converted in Python: records, and a few values of ours.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

Convert = Callable[[Any], Any]
# Types that are made as the program runs, which no type checker follows.
_TUPLE: Any = tuple
_SEVERAL: tuple[Any, ...] = (tuple, frozenset)
_NATIVE = (str, int, bool, UUID)

pack = msgspec.msgpack.Encoder(uuid_format="bytes", order="deterministic").encode
"""Return the bytes of what forms have written. Equal values give equal bytes, sets too."""


def decoder(wires: Iterable[Any]) -> Callable[[bytes], tuple[Any, ...]]:
    """Return what reads an array of these types, neither more nor fewer. It raises msgspec.DecodeError."""
    made: msgspec.msgpack.Decoder[tuple[Any, ...]] = msgspec.msgpack.Decoder(_TUPLE[tuple(wires)])
    return made.decode


@dataclass(frozen=True, slots=True)
class Form:
    """`wire` is the type that msgspec reads, `write` and `read` lead to it and back; None: it is the type itself."""

    wire: Any
    write: Convert | None = None
    read: Convert | None = None


@dataclass(frozen=True, slots=True)
class RecordForm:
    """The fields of a class, in the order they were named in.

    `write` returns their values as they stand in msgpack; `read` makes a record of such values, which
    `wires` must have checked.
    """

    wires: tuple[Any, ...]
    write: Convert
    read: Convert


class Forms:
    """The forms of one encoding. `own` are those that it chooses itself.

    With `short`, a record within a record is nil where the field's default says as much.
    """

    def __init__(self, own: Mapping[Any, Form], *, short: bool) -> None:
        self._known: dict[Any, Form] = dict(own)
        self._short = short

    def record(self, cls: Any, names: Iterable[str]) -> RecordForm:  # noqa: ANN401 (any dataclass)
        """Return the form of these fields; to be read, a record needs all of its class's."""
        hints, defaults = get_type_hints(cls), {each.name: each.default for each in fields(cls)}
        forms = {name: self._field(hints[name], defaults[name]) for name in names}
        return RecordForm(
            wires=tuple(form.wire for form in forms.values()),
            write=_writer({name: form.write for name, form in forms.items()}),
            read=_reader(cls, {name: form.read for name, form in forms.items()}),
        )

    def _of(self, hint: object) -> Form:
        if hint not in self._known:
            self._known[hint] = self._derived(hint)
        return self._known[hint]

    def _derived(self, hint: Any) -> Form:  # noqa: ANN401 (a type hint has no type)
        origin: Any = get_origin(hint)
        arguments = get_args(hint)
        if hint in _NATIVE or origin is Literal or _is_enumeration(hint):
            return Form(hint)
        if origin is UnionType:
            (inner,) = (each for each in arguments if each is not NoneType)
            return _optional(self._of(inner))
        if is_dataclass(hint):
            record = self.record(hint, (each.name for each in fields(hint)))
            return Form(_TUPLE[record.wires], record.write, record.read)
        inner_forms = [self._of(each) for each in arguments if each is not ...]
        if origin in _SEVERAL and all(form.write is None for form in inner_forms):
            return Form(origin[tuple(each if each is ... else self._of(each).wire for each in arguments)])
        if origin is _TUPLE and arguments[1:] == (...,):
            return _sequence(inner_forms[0])
        raise TypeError(f"no form for {hint!r}: add one before storing such a field")

    def _field(self, hint: Any, default: object) -> Form:  # noqa: ANN401 (a type hint has no type)
        form = self._of(hint)
        abbreviated = self._short and default is not MISSING and is_dataclass(hint)
        return _nil_if(default, form) if abbreviated else form


def _is_enumeration(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, StrEnum)


def _optional(form: Form) -> Form:
    write, read = form.write, form.read
    return Form(
        wire=form.wire | None,
        write=write and (lambda value: None if value is None else write(value)),
        read=read and (lambda value: None if value is None else read(value)),
    )


def _sequence(form: Form) -> Form:
    write, read = cast("Convert", form.write), cast("Convert", form.read)
    return Form(
        wire=_TUPLE[form.wire, ...],
        write=lambda values: list(map(write, values)),
        read=lambda values: tuple(map(read, values)),
    )


def _nil_if(default: object, form: Form) -> Form:
    write, read = cast("Convert", form.write), cast("Convert", form.read)
    return Form(
        wire=form.wire | None,
        # Mostly it is the default itself. Where it only equals it, the bytes must be the same.
        write=lambda value: None if value is default or value == default else write(value),
        read=lambda value: default if value is None else read(value),
    )


def _writer(writes: Mapping[str, Convert | None]) -> Convert:
    """Return what takes the fields of a record as they stand in msgpack."""
    values = [f"write_{name}(record.{name})" if write else f"record.{name}" for name, write in writes.items()]
    return _made(
        "record", [f"return ({', '.join(values)},)"], {f"write_{name}": write for name, write in writes.items()}
    )


def _reader(cls: Any, reads: Mapping[str, Convert | None]) -> Convert:  # noqa: ANN401 (any dataclass)
    """Return what makes a record of its fields as they stand in msgpack.

    It sets the slots of a draft, which then becomes a record, frozen: that takes a fifth of the
    constructor's time. The constructor of a frozen dataclass does no more; a class that does has no form.
    """
    if hasattr(cls, "__post_init__"):
        raise TypeError(f"no form for {cls.__name__}: its __post_init__ would not be called")
    values = ", ".join(f"_{name}" for name in reads)
    fills = [f"draft.{name} = " + (f"read_{name}(_{name})" if read else f"_{name}") for name, read in reads.items()]
    # Only a class with the very same slots may be changed into another.
    draft = type(f"Draft{cls.__name__}", (), {"__slots__": tuple(each.name for each in fields(cls))})
    return _made(
        "values",
        [f"{values}, = values", "draft = Draft()", *fills, "draft.__class__ = Record", "return draft"],
        {"Draft": draft, "Record": cls} | {f"read_{name}": read for name, read in reads.items()},
    )


def _made(argument: str, lines: list[str], scope: dict[str, Any]) -> Convert:
    """Return a function of these lines.

    It is made as source, once a class, as `dataclasses` makes constructors: a log is read event by
    event, and a loop over the fields takes twice the time.
    """
    exec("\n    ".join([f"def made({argument}):", *lines]), scope)  # noqa: S102 (of field names, which are ours)
    return cast("Convert", scope["made"])
