"""What the products have written where everybody looks: log lines, standard error, problems, metrics, errors."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, NamedTuple

from tests.secrets_known import as_bytes

LINES_MAX = 20_000
"""How many different texts of one place are kept of a test: no more are read through."""


class Text(NamedTuple):
    place: str
    content: bytes


class _File:
    """A file that processes write to. It is read on from where it ended, also when it has lost its name since."""

    def __init__(self, place: str, file: IO[bytes], writer: "subprocess.Popen[Any] | None") -> None:
        self.place, self.writer = place, writer
        self._file = file

    def read(self) -> bytes:
        return self._file.read()

    def ended(self) -> bool:
        return self.writer is not None and self.writer.returncode is not None

    def close(self) -> None:
        self._file.close()


class Heard:
    """What was written since it was taken last. Equal texts of one place count once."""

    def __init__(self) -> None:
        self._texts = dict[str, dict[bytes, None]]()
        self._files = list[_File]()

    def add(self, place: str, text: str | bytes) -> None:
        texts = self._texts.setdefault(place, {})
        if text and len(texts) < LINES_MAX:
            texts[as_bytes(text)] = None

    def follow(self, place: str, path: str | int, writer: "subprocess.Popen[Any] | None" = None) -> None:
        """Hear what is written to a file from now on; `path` may be a descriptor. What is no file says nothing."""
        name = f"/proc/self/fd/{path}" if isinstance(path, int) else path
        with suppress(OSError):
            if os.path.isfile(name):  # noqa: PTH113 (it may be a link of the kernel's)
                file = open(name, "rb")  # noqa: SIM115, PTH123 (it is closed when its writer has ended)
                self._files.append(_File(place, file, writer))

    def take(self) -> Iterator[Text]:
        """Give what was written, and forget it."""
        for followed in list(self._files):
            ended = followed.ended()
            self.add(followed.place, followed.read())
            if ended:
                followed.close()
                self._files.remove(followed)
        texts, self._texts = self._texts, {}
        for place, contents in texts.items():
            yield Text(place, b"\n".join(contents))
