"""Locks on files of the ledger's folder (flock): the kernel drops them when their holder dies by whatever."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sealbook.adapters.postgres.errors import ServerUnavailable

POLL_SECONDS = 0.005


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def shared(path: Path) -> int:
    """Return a descriptor that holds the lock; closing it lets go, in a forked child as well."""
    descriptor = opened(path)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def try_exclusive(path: Path) -> int | None:
    descriptor = opened(path)
    if _taken(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def is_free(path: Path) -> bool:
    descriptor = try_exclusive(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


@contextmanager
def exclusive(path: Path, *, seconds_max: float) -> Generator[None, None, None]:
    descriptor = opened(path)
    try:
        _take_within(descriptor, path, seconds_max=seconds_max)
        yield
    finally:
        os.close(descriptor)


def _take_within(descriptor: int, path: Path, *, seconds_max: float) -> None:
    give_up = time.monotonic() + seconds_max
    while not _taken(descriptor):
        if time.monotonic() > give_up:
            raise ServerUnavailable(
                f"another process has been starting or stopping the server for {seconds_max:.0f} s"
                f" (it holds {path}): look at server.log beside it, end that process and run again"
            )
        time.sleep(POLL_SECONDS)


def try_sole_use(users_lock: Path) -> int | None:
    """Return an exclusive hold if nobody uses the server. The caller holds the server's lock, and no use.

    The supervisor holds the lock exclusively for an instant when it finds the users gone, before it asks for
    the server's lock. A shared lock waits for just that instant; it cannot come a second time.
    """
    descriptor = opened(users_lock)
    if _taken(descriptor):
        return descriptor
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    if _taken(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def wait_for_sole_use(*, users: int, server: int) -> None:
    """Block until nobody uses the server, then hold both locks.

    Always the server's lock first: a joiner holds it while it waits for the users' lock. So the users' lock
    is given back before the server's lock is asked for; the second look sees who joined in between.
    """
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        fcntl.flock(server, fcntl.LOCK_EX)
        if _taken(users):
            return
        fcntl.flock(server, fcntl.LOCK_UN)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
