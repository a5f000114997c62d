"""The service as a bank runs it: `sealbook serve`, in processes of its own."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.processes import check_listener

WORKERS = 2
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
FIRST_LOOK_SECONDS_MAX = 600
LOOK_SECONDS = 0.2
TIMERS_RAN = b'"timers ran"'
TOLD_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Running:
    address: tuple[str, int]
    pid: int


@contextmanager
def service(surroundings: dict[str, str], log: Path) -> Generator[Running]:
    """Let the service run with two HTTP processes, in development mode, on a port that is free.

    `surroundings` are the settings that name its ledger. Raises RuntimeError if it does not begin.
    """
    command = [sys.executable, "-m", "sealbook", "serve", "--development", "--workers", str(WORKERS)]
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*command, "--port", "0", "--json"],
            env=os.environ | surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=written,
        )
    try:
        address = _address(process, log)
        check_listener(address[1], process.pid)
        _await_first_look(process, log)
        yield Running(address, process.pid)
    finally:
        _end(process)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> tuple[str, int]:
    """Wait until the service says where it listens."""
    if process.stdout is None:
        raise TypeError("the process was begun without its pipe")
    begun, _, _ = select.select([process.stdout], [], [], START_SECONDS_MAX)
    line = process.stdout.readline() if begun else b""
    if not line:
        raise RuntimeError(f"sealbook serve did not begin: {log.read_text(errors='replace')[-TOLD_CHARACTERS_MAX:]}")
    told: dict[str, str] = json.loads(line)
    place = urlsplit(told["listening"])
    return str(place.hostname), int(place.port or 0)


def _await_first_look(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the timers have looked at every credential once: a new service does so, a running one never again."""
    until = time.monotonic() + FIRST_LOOK_SECONDS_MAX
    while TIMERS_RAN not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the timers did not run: {log.read_text(errors='replace')[-TOLD_CHARACTERS_MAX:]}")
        time.sleep(LOOK_SECONDS)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
