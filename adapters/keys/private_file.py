"""Development key files: JSON that its owner alone reads, on disk whole or not at all."""

import fcntl
import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from sealbook.application.ports import Unavailable

WARNING = "Development keys, readable by whoever reads this file. Not for a bank's own data."


def read_private(path: Path) -> Mapping[str, Any]:
    """Return what a key file says. Raises Unavailable if it is missing or no JSON object."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Unavailable(f"the key file {path} is missing: bring back the one of this ledger") from error
    except OSError as error:
        raise Unavailable(f"the key file {path} cannot be read: {error.strerror}") from error
    except ValueError:
        # From None: what could not be parsed may be half a key.
        raise damaged(path) from None
    if not isinstance(document, dict):
        raise damaged(path)
    return cast("Mapping[str, Any]", document)


def damaged(path: Path) -> Unavailable:
    return Unavailable(f"the key file {path} is damaged: bring back the one of this ledger")


@contextmanager
def alone_with(path: Path) -> Generator[None]:
    """See that no other one of ours changes a key file meanwhile. Raises Unavailable."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, document: Mapping[str, object], *, replaces: bool = False) -> None:
    """Write a key file. One that is there stays, unless the new one `replaces` it. Raises Unavailable."""
    text = json.dumps({"warning": WARNING, **document}, indent=1)
    try:
        _put(path, text + "\n", replaces=replaces)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"the key file {path} cannot be written: {(error.strerror or 'unknown').lower()}")


def _put(path: Path, text: str, *, replaces: bool) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Put into place whole: of two that write at once one wins, and no half file is ever seen.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    # What a killed process of the same number left would be in the way for ever.
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replaces:
            draft.rename(path)
        else:
            with suppress(FileExistsError):
                os.link(draft, path)
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # A ledger must not outlive its only keys: the name of their file is on disk before the first event.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
