"""The server's log: opened for a start, and read when a start takes long or fails."""

import os
import re

from sealbook.adapters.postgres.ledger_folder import LedgerFolder

LOG_BYTES_MAX = 10 * 1024 * 1024
READ_BYTES_MAX = 64 * 1024
RECOVERING = ("automatic recovery in progress", "redo starts", "redo in progress", "syncing data directory")
RECOVERED = ("redo done", "redo is not required")
WORTH_TELLING = re.compile(r"FATAL:|PANIC:|\berror:|\bfailed:|Error:")
STAMP = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] (?:LOG|FATAL|PANIC):\s*")


def begin(folder: LedgerFolder) -> int:
    """Return where the log of this start begins; a log that has grown large becomes the one before."""
    size_bytes = folder.log.stat().st_size if folder.log.exists() else 0
    if size_bytes <= LOG_BYTES_MAX:
        return size_bytes
    folder.log.replace(folder.log.with_name("server.log.1"))
    return 0


def opened(folder: LedgerFolder) -> int:
    return os.open(folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def since(folder: LedgerFolder, *, offset_bytes: int) -> str:
    """Return what was written after the offset, the end of it if that is much."""
    if not folder.log.exists():
        return ""
    with folder.log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(min(offset_bytes, end), end - READ_BYTES_MAX))
        return file.read().decode("utf-8", "replace")


def is_recovering(said: str) -> bool:
    return _last(said, RECOVERING) > _last(said, RECOVERED)


def _last(said: str, phrases: tuple[str, ...]) -> int:
    return max(said.rfind(phrase) for phrase in phrases)


def names_no_failure(said: str) -> bool:
    return WORTH_TELLING.search(said) is None


def meaningful_line(said: str) -> str:
    """Return the last line that names a failure, else the last line, without its time stamp."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if WORTH_TELLING.search(line)]
    last = (telling or lines or ["it said nothing"])[-1]
    return STAMP.sub("", last)
