"""The loop behind `sealbook project --follow`: read models kept up to date until somebody ends it."""

import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from sealbook.adapters.cli.output import counted, print_json
from sealbook.application.ports import Lag, ReadModels

POLL_SECONDS = 0.2
"""How long after an event at most the models hold it, where the machine keeps up. A poll that finds nothing writes
nothing."""
REPORT_SECONDS = 1.0

Told = Callable[[Lag], None]


class _Stopped(Exception):
    """SIGTERM came: the batch under way is done."""


def follow(models: ReadModels, *, as_json: bool) -> Lag:
    """Keep the models up to date, and tell how far they are behind; return that at SIGTERM. Ctrl-C goes through."""
    stopping = _stopping_by_sigterm()
    with _told(as_json=as_json) as told:

        def advanced(_position: int) -> None:
            if stopping():
                raise _Stopped
            told(models.lag())

        try:
            # Once in any case: this makes models that are not there, and rebuilds those of an older version.
            models.catch_up(advanced=advanced)
            while not stopping():
                lag = models.lag()
                told(lag)
                if lag.positions:
                    models.catch_up(advanced=advanced)
                else:
                    time.sleep(POLL_SECONDS)
        except _Stopped:
            pass
    return models.lag()


def _stopping_by_sigterm() -> Callable[[], bool]:
    """Return whether SIGTERM has come: a service is stopped by it, between two batches."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    signal.signal(signal.SIGTERM, note)
    return lambda: bool(came)


@contextmanager
def _told(*, as_json: bool) -> Generator[Told]:
    """Give a way to tell of the lag: JSON Lines, a line that changes where somebody watches, or nothing."""
    console = Console(stderr=True)
    if as_json:
        yield _json_lines()
    elif console.is_terminal:
        with console.status("reading the log") as line:
            yield lambda lag: line.update(said(lag))
    else:
        yield lambda _lag: None


def _json_lines() -> Told:
    last_position, next_at = -1, time.monotonic()

    def tell(lag: Lag) -> None:
        nonlocal last_position, next_at
        if lag.position == last_position or time.monotonic() < next_at:
            return
        last_position, next_at = lag.position, time.monotonic() + REPORT_SECONDS
        print_json(lag_fields(lag))
        sys.stdout.flush()

    return tell


def lag_fields(lag: Lag) -> dict[str, object]:
    return {"position": lag.position, "lag_positions": lag.positions, "lag_seconds": round(lag.seconds, 3)}


def said(lag: Lag) -> str:
    """Return the lag as people are told it."""
    stand = f"The read models stand at position {lag.position:,}"
    if not lag.positions:
        return f"{stand}."
    return f"{stand}, {counted(lag.positions, 'position')} and {lag.seconds:,.1f} s behind."
