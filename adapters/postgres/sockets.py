"""The private folder of the server's only socket."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from sealbook.adapters.postgres.errors import ServerUnavailable
from sealbook.adapters.postgres.ledger_folder import PRIVATE, LedgerFolder

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES_MAX = 107
TEMPORARY_PREFIX = "sealbook-"
TEMPORARY_NAME_SAMPLE = f"{TEMPORARY_PREFIX}12345678"


def socket_folder(folder: LedgerFolder) -> Path | None:
    """Return the folder that clients connect through, if it is there and nobody else can reach into it."""
    place = folder.run.readlink() if folder.run.is_symlink() else folder.run
    try:
        status = place.lstat()
    except FileNotFoundError:
        return None
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return place if ours and stat.S_IMODE(status.st_mode) == PRIVATE else None


def provide(folder: LedgerFolder) -> Path:
    """Make the socket's folder. The caller holds the server's lock and no server runs."""
    remove(folder)
    left = socket_folder(folder)
    if left is not None:
        return left
    if _can_hold_socket(folder.run):
        folder.run.mkdir(mode=PRIVATE)
        return folder.run
    parent = _short_parent()
    place = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent))
    folder.run.symlink_to(place)
    return place


def remove(folder: LedgerFolder) -> None:
    """Remove the socket and its folder, and nothing that was put there by others."""
    place = socket_folder(folder)
    with suppress(OSError):
        if place is not None:
            (place / SOCKET).unlink(missing_ok=True)
            (place / f"{SOCKET}.lock").unlink(missing_ok=True)
            place.rmdir()
    with suppress(OSError):
        if folder.run.is_symlink():
            folder.run.unlink()


def _short_parent() -> Path:
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - mkdtemp makes a private folder in it
        if parent.is_dir() and _can_hold_socket(parent / TEMPORARY_NAME_SAMPLE):
            return parent
    raise ServerUnavailable("no temporary folder has a path short enough for a socket: set TMPDIR to a short one")


def _can_hold_socket(place: Path) -> bool:
    # A client cuts its list of hosts at commas, and what is not printable survives no settings file.
    text = str(place)
    fits = len(os.fsencode(place / SOCKET)) <= SOCKET_PATH_BYTES_MAX
    return fits and "," not in text and text.isprintable()
