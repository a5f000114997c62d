"""What schemathesis is told beside the description of the interface. It loads this file by SCHEMATHESIS_HOOKS.

Whatever it makes up would be of nobody. So what it says of a form that is right is put in relation to what is in the
ledger, by INTERFACE_IDS: a JSON object of ids by the thing they are of.
"""

import json
import os
from collections.abc import MutableMapping
from itertools import count
from typing import Any, TypeAlias, cast
from uuid import UUID, uuid4

import schemathesis
from schemathesis.core import NotSet
from schemathesis.core.parameters import ParameterLocation

# Of any operation; what is known of it is not typed.
Case: TypeAlias = "schemathesis.Case[Any]"
IDS: dict[str, str] = json.loads(os.environ.get("INTERFACE_IDS", "{}"))
KEY, REASON = "Idempotency-Key", "Access-Reason"
_numbers = count()


@schemathesis.hook  # pyright: ignore[reportUnknownMemberType]
def before_call(_context: schemathesis.HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """Give each command a key of its own, and two of three an address and a body that lead to something."""
    headers = _headers(case)
    if _is_key(headers.get(KEY)):
        # A key that came before with another request is refused, and rightly so.
        headers[KEY] = str(uuid4())
    _make_possible(case)
    if next(_numbers) % 3 == 0:
        return
    thing = case.path.removeprefix("/v1/").partition("s/")[0]
    right = case.meta is None or not case.meta.is_negative_at(ParameterLocation.PATH)
    if thing in IDS and "id" in case.path_parameters and right:
        case.path_parameters["id"] = IDS[thing]
    if isinstance(case.body, dict):
        body = cast("dict[str, Any]", case.body)
        for field in IDS.keys() & body.keys():
            if isinstance(body[field], str) and body[field]:
                body[field] = IDS[field]


def _make_possible(case: Case) -> None:
    """Mend what no schema can say."""
    if case.meta is None or case.meta.is_negative_at(ParameterLocation.QUERY):
        return
    # Cursors are made by the service alone.
    case.query.pop("cursor", None)
    if not case.meta.is_negative_at(ParameterLocation.HEADER) and any(
        each.name == REASON for each in case.operation.headers
    ):
        # The staff says why it looks, an app need not.
        _headers(case).setdefault(REASON, "complaint 7")
    # No body, where none is asked for, would be taken for a wrong one if it was set anew.
    if not isinstance(case.body, NotSet) and not case.meta.is_negative_at(ParameterLocation.BODY):
        case.body = _whole(case.body)


def _headers(case: Case) -> MutableMapping[str, str]:
    return cast("Any", case).headers  # type: ignore[no-any-return]  # as requests has them, without types


def _whole(value: Any) -> Any:
    """Write 7.0 as 7: to JSON Schema, it is a whole number as well, to most readers of JSON it is not."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [_whole(each) for each in items]
    return value


def _is_key(text: object) -> bool:
    try:
        return UUID(str(text)).version in (4, 7)
    except ValueError:
        return False
