"""Columns of a batch as PostgreSQL's arrays, in their binary form.

psycopg's own dumper looks at each element by itself, which for a batch of commands costs as much as
deciding them. What a column holds is known here beforehand.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import cast
from uuid import UUID

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_INTEGER, _BYTEA, _TEXT, _UUID, _TIMESTAMPTZ = 23, 17, 25, 2950, 1184
"""The types' numbers, the same in every PostgreSQL."""
_HEADER = Struct("!5i")
_LENGTH = Struct("!i").pack
_NULL = _LENGTH(-1)
_NOTHING = Struct("!3i")
_EIGHT, _LONG = _LENGTH(8), Struct("!q").pack
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
"""PostgreSQL counts moments in microseconds from here."""


class Column(bytes):
    """An array as it goes to the server; its type is the one that the statement's cast says."""

    __slots__ = ()


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Column) -> Buffer:
        return obj


def register(context: AdaptContext) -> None:
    """Let a connection take columns as parameters."""
    context.adapters.register_dumper(Column, _ColumnDumper)


def integers(values: Sequence[int | None]) -> Column:
    """Return an integer[]; each value of 32 bits."""
    if None in values:
        return _column(_INTEGER, len(values), map(_integer, values))
    elements = array("i", [4]) * (2 * len(values))
    elements[1::2] = array("i", cast("Sequence[int]", values))
    if sys.byteorder == "little":
        elements.byteswap()
    return _column(_INTEGER, len(values), (elements.tobytes(),))


def uuids(values: Sequence[UUID | None]) -> Column:
    """Return a uuid[]."""
    length = _LENGTH(16)
    elements = [_NULL if value is None else length + value.int.to_bytes(16, "big") for value in values]
    return _column(_UUID, len(values), elements)


def moments(values: Sequence[datetime | None]) -> Column:
    """Return a timestamptz[]."""
    return _column(_TIMESTAMPTZ, len(values), [_NULL if value is None else _moment(value) for value in values])


def blobs(values: Sequence[bytes | None]) -> Column:
    """Return a bytea[]."""
    return _column(_BYTEA, len(values), _sized(values))


def texts(values: Sequence[str | None]) -> Column:
    """Return a text[]."""
    return _column(_TEXT, len(values), _sized([None if value is None else value.encode() for value in values]))


def _moment(value: datetime) -> bytes:
    return _EIGHT + _LONG((value - _EPOCH) // _MICROSECOND)


def _integer(value: int | None) -> bytes:
    return _NULL if value is None else _LENGTH(4) + _LENGTH(value)


def _sized(values: Sequence[bytes | None]) -> list[bytes]:
    return [_NULL if value is None else _LENGTH(len(value)) + value for value in values]


def _column(kind: int, count: int, elements: Iterable[bytes]) -> Column:
    if not count:
        return Column(_NOTHING.pack(0, 0, kind))
    # One dimension that begins at 1; PostgreSQL looks at the elements for nulls, whatever the flag says.
    return Column(_HEADER.pack(1, 1, kind, count, 1) + b"".join(elements))
