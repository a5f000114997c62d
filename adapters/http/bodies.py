"""Bodies of commands: models made of the classes of requests themselves, so that nothing is said twice.

What the service knows better than the client stays out: the moment, the id of what is created, and what the
address names already.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from datetime import datetime
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    WithJsonSchema,
    create_model,
)

from sealbook.adapters.http.moments import LENGTH_MAX, MOMENT
from sealbook.application.names import Name, NameKind, Ref
from sealbook.domain.credential import Attestation
from sealbook.domain.device import App
from sealbook.domain.values import PolicyRef, StorageLevel

TEXT_LENGTH_MAX = 200
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=TEXT_LENGTH_MAX, pattern=r"^[^\x00-\x1f\x7f]+$", strict=True)
]
"""A short text or a reference, on one line."""
PolicyVersion = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,40}@[0-9]{1,6}$", strict=True)]


def _of_the_form(said: object) -> object:
    # A number, or text with a blank in it, would be taken for a moment, too.
    if not (isinstance(said, str) and len(said) <= LENGTH_MAX and re.match(MOMENT, said)):
        raise ValueError("ISO 8601 with offset is expected")
    return said


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_of_the_form),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": MOMENT}),
]

KIND_OF_NAME: Mapping[str, NameKind] = {
    "identity": NameKind.IDENTITY,
    "key": NameKind.DEVICE_KEY,
    "device": NameKind.DEVICE_KEY,
    "old": NameKind.DEVICE_KEY,
    "new": NameKind.DEVICE_KEY,
    "credential": NameKind.CREDENTIAL,
    "replaces": NameKind.CREDENTIAL,
    "customer": NameKind.CUSTOMER,
    "person": NameKind.CUSTOMER,
    "by": NameKind.CUSTOMER,
    "owner": NameKind.CUSTOMER,
    "company": NameKind.CUSTOMER,
}
"""Of what a field's name or id is. `name` is that of what is created."""


class Part(BaseModel):
    """A part of a body. Unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AppBody(Part):
    """The bank's app on a device."""

    version: Text
    store: Text


class AttestationBody(Part):
    """How well the device keeps the key, by its own attestation: `digest` refers to that."""

    level: StorageLevel
    digest: Text


def body_of(
    cls: type, *, name: str, without: Collection[str] = (), more: Mapping[str, Any] = MappingProxyType({})
) -> type[BaseModel]:
    """Return the model of a command's body: the fields of its class, less those that are known without it.

    `more` are members that may be missing, by their types; `heard` returns them as they are.
    """
    hints = get_type_hints(cls)
    members = {each.name: _member(each, hints[each.name]) for each in told_fields(cls, without=without)}
    members.update({each: (hint, None) for each, hint in more.items()})
    return create_model(name, __base__=Part, __doc__=_documented(cls), **cast("dict[str, Any]", members))


def told_fields(cls: Any, *, without: Collection[str] = ()) -> list[Field[Any]]:  # noqa: ANN401 (any dataclass)
    return [each for each in fields(cls) if each.name != "at" and each.name not in without]


def _documented(cls: type) -> str | None:
    # A dataclass without words of its own has a signature there.
    text = cls.__doc__ or ""
    return None if text.startswith(f"{cls.__name__}(") else " ".join(text.split())


def _member(told: Field[Any], hint: object) -> tuple[Any, Any]:
    optional = NoneType in get_args(hint)
    if told.default is not MISSING:
        default: Any = told.default
    else:
        default = None if optional else ...
    return _spoken(hint), default


def _spoken(hint: object) -> Any:  # noqa: ANN401 (a type is made)
    """Return the type by which JSON says a field."""
    if hint == Ref or hint is Name or hint is UUID or hint is str:
        return Text
    if hint is datetime:
        return Moment
    if hint is PolicyRef:
        return PolicyVersion
    if hint is App:
        return AppBody
    if hint is Attestation:
        return AttestationBody
    if get_origin(hint) is UnionType:
        # A name and an id are both said as text.
        (spoken,) = dict.fromkeys(_spoken(each) for each in get_args(hint) if each is not NoneType)
        return spoken | None if NoneType in get_args(hint) else spoken
    return hint


def heard(cls: type, body: BaseModel, *, refs: Mapping[str, UUID], named: NameKind | None) -> dict[str, Any]:
    """Return a body's values as the class has them; `refs` are the streams that its names and ids lead to.

    `named` is what a field `name` is a name of.
    """
    hints = get_type_hints(cls)
    kinds = {**KIND_OF_NAME, **({} if named is None else {"name": named})}
    return {
        field: refs[field] if field in refs else _value(getattr(body, field), hints.get(field), kinds.get(field))
        for field in type(body).model_fields
    }


def _value(spoken: Any, hint: object, kind: NameKind | None) -> object:  # noqa: ANN401 (whatever a model holds)
    alternatives = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    match spoken:
        case str() if Name in alternatives and UUID not in alternatives and kind is not None:
            return Name(kind, spoken)
        case str() if PolicyRef in alternatives:
            return PolicyRef.parse(spoken)
        case AppBody():
            return App(version=spoken.version, store=spoken.store)
        case AttestationBody():
            return Attestation(level=spoken.level, digest=spoken.digest)
        case _:
            return spoken


def refs_of(cls: type, *, without: Collection[str] = ()) -> tuple[str, ...]:
    """Return the fields that name a stream that is there."""
    hints = get_type_hints(cls)
    optional = Ref | None
    return tuple(each.name for each in told_fields(cls, without=without) if hints[each.name] in (Ref, optional))
