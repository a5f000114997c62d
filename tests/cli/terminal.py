"""A terminal to type commands in: in this process, or in one of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import IO, Any, cast

from sealbook.adapters.cli import app
from sealbook.settings import Settings
from sealbook.wiring import Wiring

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared" / "data"


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [cast("dict[str, Any]", json.loads(line)) for line in self.out.splitlines()]

    @property
    def answer(self) -> dict[str, Any]:
        """The one object of --json. The command must have gone well."""
        assert (self.code, self.err) == (0, "")
        (row,) = self.rows
        return row

    def failed(self, code: int, *needles: str) -> None:
        """It ended with the code and said why in one line, on standard error alone."""
        assert (self.code, len(self.err.splitlines())) == (code, 1), self
        assert self.out == ""
        assert self.err.startswith("sealbook: ")
        assert "Traceback" not in self.err
        assert [needle for needle in needles if needle not in self.err] == [], self.err


def sealbook(*typed: str | Path) -> Said:
    """Run a command in this process, as `python -m sealbook` would."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), _typed("sealbook", *map(str, typed)):
        code = app.run(app.build(Wiring(Settings()), version="0"))
    return Said(code, out.getvalue(), err.getvalue())


@contextmanager
def _typed(*words: str) -> Generator[None]:
    before, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = before


def environment(**more: str) -> dict[str, str]:
    """Of this process, with what a child needs to find the package."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", **more}


def begun(
    *typed: str | Path,
    prefix: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] = subprocess.PIPE,
) -> "Child":
    """Start a command in a process of its own."""
    command = [*prefix, sys.executable, "-m", "sealbook", *map(str, typed)]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**(env or {})),
        preexec_fn=_answer_to_ctrl_c,  # noqa: PLW1509 (it starts no thread and takes no lock)
    )


def _answer_to_ctrl_c() -> None:
    # Started in the background of a shell, the tests have it ignored, and so would their children.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


Child = subprocess.Popen[str]


def ended(child: Child, *, within_seconds: float = 60) -> Said:
    out, err = child.communicate(timeout=within_seconds)
    return Said(child.returncode, out or "", err)


def apart(*typed: str | Path, prefix: tuple[str, ...] = (), env: Mapping[str, str] | None = None) -> Said:
    """Run a command in a process of its own, to its end."""
    return ended(begun(*typed, prefix=prefix, env=env))
