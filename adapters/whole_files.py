"""Files that appear whole or not at all."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sealbook.adapters.history_files import BadFile

_FOR_ALL, _FOR_THE_OWNER = 0o666, 0o600


@contextmanager
def whole(path: Path, *, private: bool = False) -> Generator[BinaryIO]:
    """Give a file that takes its place when the block ends well; else, whatever happens, it was never there.

    A link stays, and what it points to is replaced. What is `private` only its owner may read. Raises BadFile where
    none can be written.
    """
    check_place(path)
    target, mode = written_to(path), _FOR_THE_OWNER if private else _FOR_ALL
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        # Left by a process that was killed; of its mode nothing is to remain.
        draft.unlink(missing_ok=True)
        file = os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")
    except OSError as error:
        raise BadFile(f"{path} cannot be written: {(error.strerror or 'unknown').lower()}") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)


def written_to(path: Path) -> Path:
    """Return the file that a name stands for: links are followed."""
    return Path(os.path.realpath(path))


def check_place(path: Path) -> None:
    """Raise BadFile where no file of this name can be: asked before the work whose outcome it is to hold."""
    try:
        target = written_to(path)
        if target.is_dir():
            raise BadFile(f"{path} cannot be written: it is a folder")
        if target.exists() and not target.is_file():
            raise BadFile(f"{path} cannot be written: it is there already and not a regular file")
        if not target.parent.is_dir():
            raise BadFile(f"{path} cannot be written: there is no folder {path.parent}")
    except OSError as error:
        raise BadFile(f"{path} cannot be written: {(error.strerror or 'unknown').lower()}") from None


def check_places(outputs: Sequence[Path], *, inputs: Sequence[Path]) -> None:
    """Raise BadFile where one cannot be written, or would take the place of what is read, or of another."""
    read, taken = {_identity(each): each for each in inputs}, dict[object, Path]()
    for path in outputs:
        check_place(path)
        identity = _identity(path)
        if identity in read:
            raise BadFile(f"{path} cannot be written: it is {read[identity]}, which is read")
        if identity in taken:
            raise BadFile(f"{taken[identity]} and {path} are the same file: each needs a name of its own")
        taken[identity] = path


def _identity(path: Path) -> object:
    """Return what two names of one file have in common."""
    try:
        found = path.stat()
    except OSError:
        return str(written_to(path))
    return found.st_dev, found.st_ino
