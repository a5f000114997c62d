"""For what no method is made: any command, and any look."""

from collections.abc import Mapping
from typing import Any, Unpack

import msgspec

from sealbook.adapters.client import calls
from sealbook.adapters.client.calls import Call, How, Seen
from sealbook.adapters.client.results import Done


def command(path: str, content: Mapping[str, Any] | None = None, **how: Unpack[How]) -> Call[Done]:
    """Carry out a command by its address, like `/v1/customers/100-200/change-name`, with the members of its body."""
    return calls.command(path, msgspec.json.encode(content or {}), how, read=calls.as_done(Done))


def read(path: str, **seen: Unpack[Seen]) -> Call[Any]:
    """Read what is at an address, as JSON says it."""
    return calls.look(path, seen, read=calls.as_told(object))
