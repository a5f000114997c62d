"""The one error of the embedded server, and how the system's own errors become it."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sealbook.application.ports import Unavailable

DISK_FULL = ("No space left on device", "Disk quota exceeded")
LOG_LINE_BYTES = 8192


class ServerUnavailable(Unavailable):
    """There is no PostgreSQL to talk to; the message is one line: what happened and what to do."""


@contextmanager
def one_clear_line(folder: Path) -> Generator[None, None, None]:
    """Turn what the system says about the folder into ServerUnavailable, never a traceback for the user."""
    try:
        yield
    except OSError as error:
        raise ServerUnavailable(_explained(error, folder)) from error


def has_no_space(folder: Path) -> bool:
    """Tell whether the disk is so full that even the reason of a failure may not have been logged."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize < LOG_LINE_BYTES


def disk_is_full(folder: Path) -> str:
    return f"the disk that holds {folder} is full: free some space and run the command again"


def _explained(error: OSError, folder: Path) -> str:
    path = error.filename if isinstance(error.filename, str) else str(folder)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return disk_is_full(folder)
        case errno.ENOTDIR | errno.EEXIST:
            kind = "is in the way" if Path(path).is_dir() else "is a file, not a folder"
            return f"{path} {kind}: move it away or choose another ledger folder"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{path} cannot be written by uid {os.geteuid()}: choose a ledger folder of your own"
        case _:
            reason = error.strerror or type(error).__name__
            return f"{path} cannot be used ({reason}): correct it or choose another ledger folder"
