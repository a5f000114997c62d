"""Files that appear whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sealbook.adapters.history_files import BadFile


@contextmanager
def whole(path: Path) -> Generator[BinaryIO]:
    """Give a file that takes its place when the block ends well; else, whatever happens, it was never there.

    Raises BadFile where none can be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_dir():
            raise BadFile(f"{path} cannot be written: it is a folder")
        file = draft.open("wb")
    except OSError as error:
        raise BadFile(f"{path} cannot be written: {(error.strerror or 'unknown').lower()}") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
