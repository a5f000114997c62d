"""Shapes: the JSON schema of what `adapters.plain` makes of a value, read from the types of its class."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum, StrEnum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import BaseModel

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
_PLAIN: Mapping[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: TEXT,
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    NoneType: {"type": "null"},
    object: {},
}
PERIOD: Schema = {
    "type": "string",
    "pattern": "^P(?=[0-9])(?:[0-9]{1,4}Y)?(?:[0-9]{1,4}M)?(?:[0-9]{1,4}W)?(?:[0-9]{1,5}D)?$",
}


def shape(hint: Any) -> Schema:  # noqa: ANN401 (any type)
    """Return the schema of a type's plain values. Raises TypeError for a type that has none here."""
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [shape(each) for each in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (tuple, list, frozenset, Sequence, Collection):
        return _row(arguments)
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": shape(arguments[1])}
    if isinstance(hint, type):
        return _shape_of_class(cast("type[Any]", hint))
    raise TypeError(f"{hint!r} has no shape")


def _row(arguments: tuple[Any, ...]) -> Schema:
    if len(arguments) == 1 or arguments[1:] == (...,):
        return {"type": "array", "items": shape(arguments[0])}
    length = len(arguments)
    return {
        "type": "array",
        "prefixItems": [shape(each) for each in arguments],
        "minItems": length,
        "maxItems": length,
    }


def _shape_of_class(cls: type[Any]) -> Schema:
    if issubclass(cls, StrEnum):
        return {"type": "string", "enum": [str(each) for each in cls]}
    if issubclass(cls, Enum):
        return {"enum": [each.value for each in cls]}
    if issubclass(cls, BaseModel):
        return document_shape(cls, mode="serialization")
    if is_dataclass(cls):
        # One that writes itself as text is told so.
        return _record(cls) if cls.__str__ is object.__str__ else dict(TEXT)
    raise TypeError(f"{cls.__name__} has no shape")


@cache
def _record(cls: type) -> Schema:
    hints = get_type_hints(cls)
    names = [each.name for each in fields(cast("Any", cls))]
    return record({name: shape(hints[name]) for name in names})


def record(members: Mapping[str, Schema], *, optional: Collection[str] = ()) -> Schema:
    """Return the schema of an object with these members and no others."""
    return {
        "type": "object",
        "properties": dict(members),
        "required": [name for name in members if name not in optional],
        "additionalProperties": False,
    }


def rows(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def document_shape(model: type[BaseModel], *, mode: Literal["validation", "serialization"]) -> Schema:
    """Return the schema of a document with all that it refers to in its place; periods are text."""
    schema = model.model_json_schema(mode=mode)
    definitions = {**schema.pop("$defs", {}), "Period": PERIOD}
    return cast("Schema", _inlined(schema, definitions))


def _inlined(value: Any, definitions: Mapping[str, Schema]) -> Any:  # noqa: ANN401 (a part of a schema)
    if isinstance(value, dict):
        part = cast("Schema", value)
        reference = part.get("$ref")
        if reference is not None:
            # What else stands beside a reference is a default, in the form of Python's own value.
            return _inlined(definitions[reference.rpartition("/")[2]], definitions)
        return {name: _inlined(each, definitions) for name, each in part.items()}
    if isinstance(value, list):
        return list(map(partial(_inlined, definitions=definitions), cast("Sequence[object]", value)))
    return value
