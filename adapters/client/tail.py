"""The tail: server-sent events, made of the bytes that come, and where to go on after a break."""

from collections.abc import Iterator, Sequence

import msgspec

from sealbook.adapters.client.calls import Answer, Call, Seen, decoded, look
from sealbook.adapters.client.failures import NoAnswer
from sealbook.adapters.client.results import Event

PATH = "/v1/events"
SILENCE_SECONDS_MAX = 45.0
"""The service says every fifteen seconds that it is there; whoever hears nothing for so long comes back."""


def listening(after: int | None, types: Sequence[str], seen: Seen) -> Call[bytes]:
    """Return the call for the events after a position; without one, for those to come."""
    headers = {"Accept": "text/event-stream", **({} if after is None else {"Last-Event-ID": str(after)})}
    return look(PATH, seen, read=_content, headers=headers, asked={"types": ",".join(types) or None})


class Tail:
    """What has been heard. `position` is how far that is, None before the first word."""

    def __init__(self, position: int | None) -> None:
        self.position = position
        self._rest = b""
        self._id: int | None = None
        self._data = list[bytes]()

    def hear(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that are whole with these bytes. Raises NoAnswer for what is no event."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._line(line.removesuffix(b"\r"))
            if event is not None:
                yield event

    def broken(self) -> None:
        """Forget what was heard by half: it comes again."""
        self._rest, self._id = b"", None
        self._data.clear()

    def _line(self, line: bytes) -> Event | None:
        name, _, value = line.partition(b":")
        match name:
            case b"" if not line:
                return self._whole()
            case b"id" if value.strip().isdigit():
                self._id = int(value)
            case b"data":
                self._data.append(value.removeprefix(b" "))
            case _:
                # A comment keeps the connection alive, and an event's name is in its data, too.
                pass
        return None

    def _whole(self) -> Event | None:
        data, heard = b"\n".join(self._data), self._id
        self._id = None
        self._data.clear()
        event = _event(data) if data else None
        if heard is not None:
            self.position = heard
        return event


def _event(data: bytes) -> Event:
    event: Event | None
    try:
        event = decoded(Event, data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        event = None
    if event is None:
        raise NoAnswer("what came is no event that this client reads: update it", key=None, in_doubt=False)
    return event


def _content(answer: Answer) -> bytes:
    return answer.content
