"""Facts, uses and policy files on disk: JSON Lines or CSV, plain or gzipped, streamed."""

import csv
import gzip
import hashlib
import json
import stat
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar, cast

import msgspec
from pydantic import ValidationError

from sealbook.application.facts import COLUMNS, USE_COLUMNS, BadLine
from sealbook.application.import_forms import Policies
from sealbook.application.importing import Row
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import DEFAULT_POLICY, preset_policies

GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LINE_BYTES_MAX = 1 << 20
CHUNK_BYTES = 1 << 20
TOO_LONG = BadLine(f"longer than {LINE_BYTES_MAX:,} bytes")
_TEXTS = msgspec.json.Decoder(dict[str, str])
_QUOTES_A_FIELD = 4

Item = TypeVar("Item")


class BadFile(Exception):
    """The file cannot be used as it is. The message names it and says why."""


class Content(NamedTuple):
    """What a file holds, whatever it is compressed with: its SHA-256, and how many line ends."""

    digest: bytes
    lines: int


@dataclass(slots=True)
class HistoryFile:
    """A file of facts or uses. `columns` are those that a CSV may have; `required` those that it must.

    `known` is its content where that has been read already.
    """

    path: Path
    columns: Sequence[str]
    required: Sequence[str]
    known: Content | None = None

    @property
    def content(self) -> Content:
        """What the file holds; read once. Raises BadFile."""
        if self.known is None:
            self.known = self._read_through()
        return self.known

    @property
    def digest(self) -> bytes:
        return self.content.digest

    def _read_through(self) -> Content:
        digest, lines = hashlib.sha256(), 0
        with self._open() as file:
            for chunk in _guarded(self.path, iter(lambda: file.read(CHUNK_BYTES), b"")):
                digest.update(chunk)
                lines += chunk.count(b"\n")
        return Content(digest.digest(), lines)

    def rows(self) -> Iterator[Row]:
        """Yield the lines, blank ones left out. Raises BadFile when the file breaks off."""
        with self._open() as file:
            lines = _guarded(self.path, _lines(file))
            first = next(lines, None)
            if first is None:
                return
            if _is_json(first[1]):
                yield from _json_rows(first, lines)
            else:
                yield from self._csv_rows(first, lines)

    @property
    def header(self) -> bytes:
        """The line that names the columns; empty for JSON Lines."""
        with self._open() as file:
            first = next(_guarded(self.path, _lines(file)), (0, b""))[1]
        return b"" if _is_json(first) else first.rstrip(b"\r\n") + b"\n"

    def _open(self) -> BinaryIO:
        try:
            # Asked before it is opened: opening a pipe waits for whoever writes to it.
            if not stat.S_ISREG(self.path.stat().st_mode) and not self.path.is_dir():
                raise BadFile(f"{self.path}: not a file that can be read twice: save what it gives as a file first")
            file = self.path.open("rb")
            if not file.peek(2).startswith(GZIP_MAGIC):
                return file
            file.close()
            return cast("BinaryIO", gzip.open(self.path, "rb"))
        except OSError as error:
            raise BadFile(f"{self.path}: {(error.strerror or 'cannot be read').lower()}") from error

    def _csv_rows(self, first: tuple[int, bytes], lines: Iterator[tuple[int, bytes]]) -> Iterator[Row]:
        try:
            header = _csv_values(first[1].removeprefix(BYTE_ORDER_MARK))
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadFile(f"{self.path}: neither JSON Lines nor CSV in UTF-8") from error
        unknown = [column for column in header if column not in self.columns]
        missing = [column for column in self.required if column not in header]
        if unknown or missing or len(set(header)) != len(header):
            what = f"unknown column {unknown[0]!r}" if unknown else f"no column {', '.join(missing)!r}"
            raise BadFile(
                f"{self.path}: {what if unknown or missing else 'a column stands twice'}: "
                f"line 1 names the columns, of {', '.join(self.columns)}"
            )
        for number, line in lines:
            yield Row(number, line, _csv_fields(header, line))


@contextmanager
def set_aside(history: HistoryFile, path: Path, told: Callable[[str], None]) -> Generator[Callable[[Row, str], None]]:
    """Give a place for bad lines: a file that can be mended and imported; `told` hears why. Raises BadFile."""
    try:
        if path.exists() and path.samefile(history.path):
            raise BadFile(f"{path}: bad lines cannot be put into the file that they come from")
        with path.open("ab") as file:
            if file.tell() == 0:
                file.write(history.header)

            def skip(row: Row, reason: str) -> None:
                file.write(row.text.rstrip(b"\r\n") + b"\n")
                # Out of our hands before the import goes on: whoever is killed later has told of it.
                file.flush()
                told(f"{history.path}, line {row.number}: {reason}")

            yield skip
    except OSError as error:
        raise BadFile(f"{path}: {(error.strerror or 'cannot be written').lower()}") from error


def is_there(path: str | Path) -> bool:
    """Tell whether there is a file or folder; a name that the system will not take has none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def facts_file(path: Path) -> HistoryFile:
    return HistoryFile(path, columns=COLUMNS, required=COLUMNS[:3])


def uses_file(path: Path) -> HistoryFile:
    return HistoryFile(path, columns=USE_COLUMNS, required=USE_COLUMNS)


def _csv_values(line: bytes) -> list[str]:
    return next(csv.reader([_decoded(line)], strict=True))


def _csv_fields(header: Sequence[str], line: bytes) -> dict[str, object] | BadLine:
    if len(line) == LINE_BYTES_MAX:
        return TOO_LONG
    try:
        values = _plain_values(line) or _csv_values(line)
    except (csv.Error, UnicodeDecodeError) as error:
        return BadLine(f"not a line of CSV in UTF-8: {error}")
    if len(values) != len(header):
        return BadLine(f"{len(values)} values for {len(header)} columns")
    return dict(zip(header, values, strict=True))


def _plain_values(line: bytes) -> list[str] | None:
    """Return the values of a line in which no character has a meaning to CSV but the comma; None for another."""
    text = _decoded(line)
    return None if '"' in text or "\r" in text else text.split(",")


def _is_json(line: bytes) -> bool:
    return line.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"{")


def _json_rows(first: tuple[int, bytes], lines: Iterator[tuple[int, bytes]]) -> Iterator[Row]:
    yield Row(*first, _json_fields(first[1]))
    for number, line in lines:
        yield Row(number, line, _json_fields(line))


def _json_fields(line: bytes) -> dict[str, object] | BadLine:
    if len(line) == LINE_BYTES_MAX:
        return TOO_LONG
    return _plain_fields(line) or _any_fields(line)


def _plain_fields(line: bytes) -> dict[str, object] | None:
    """Return the fields of a line in which all are texts and none stands twice; None for another.

    This is for speed. Each field has four quotes, so more of them belong to a field that stands
    twice, or are written with a backslash: that is for the parser which tells.
    """
    try:
        fields = _TEXTS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return cast("dict[str, object]", fields) if line.count(b'"') == _QUOTES_A_FIELD * len(fields) else None


def _any_fields(line: bytes) -> dict[str, object] | BadLine:
    try:
        fields = json.loads(_decoded(line.removeprefix(BYTE_ORDER_MARK)), object_pairs_hook=_unique)
    except BadLine as bad:
        return bad
    except (ValueError, RecursionError):
        return BadLine("not a JSON object on one line")
    return cast("dict[str, object]", fields) if isinstance(fields, dict) else BadLine("not a JSON object on one line")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadLine("a field stands twice")
    return fields


def _decoded(line: bytes) -> str:
    return line.decode("utf-8").rstrip("\r\n")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(LINE_BYTES_MAX):
        number += 1
        rest = line
        while len(rest) == LINE_BYTES_MAX and not rest.endswith(b"\n"):
            rest = file.readline(LINE_BYTES_MAX)
        if line.strip() or len(line) == LINE_BYTES_MAX:
            yield number, line


def _guarded(path: Path, items: Iterator[Item]) -> Iterator[Item]:
    try:
        yield from items
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadFile(f"{path}: the gzip file is damaged or breaks off") from error
    except OSError as error:
        raise BadFile(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error


def policies_of(given: Sequence[RenewalPolicy]) -> Policies:
    """Return the given policies, over the presets, by their ids."""
    presets = preset_policies()
    default = presets[DEFAULT_POLICY]
    return Policies(
        given=given[0] if given else default,
        otherwise=default,
        named={**presets, **{document.policy_id: document for document in given}},
    )


def read_policy(argument: str) -> RenewalPolicy:
    """Return the policy of FILE, of FILE#ID where the file maps ids to policies, or a preset. Raises BadFile.

    A file goes before a preset of the same name.
    """
    name, _, picked = argument.partition("#")
    if not is_there(name):
        preset = preset_policies().get(argument)
        if preset is None:
            presets = ", ".join(preset_policies())
            raise BadFile(f"{name}: no such file, and no preset either; the presets are {presets}")
        return preset
    try:
        if not (Path(name).is_file() or Path(name).is_dir()):
            raise BadFile(f"{name}: not a regular file")
        document: object = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(f"{name}: {(error.strerror or 'cannot be read').lower()}") from error
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{name}: not a JSON document ({error})") from error
    held = _mapping(document)
    if picked and picked not in held:
        raise BadFile(f"{name}: no policy {picked!r} in this file")
    if not picked and held and all(isinstance(value, dict) for value in held.values()):
        raise BadFile(f"{name}: the file holds {len(held)} policies: pick one, like {name}#{next(iter(held))}")
    return policy_of(held[picked] if picked else document, where=argument)


def _mapping(document: object) -> dict[str, object]:
    return cast("dict[str, object]", document) if isinstance(document, dict) else {}


def policy_of(document: object, *, where: str) -> RenewalPolicy:
    """Return the validated policy. Raises BadFile with every mistake in one line."""
    try:
        return RenewalPolicy.model_validate_json(json.dumps(document))
    except ValidationError as error:
        mistakes = "; ".join(_mistake(dict(each)) for each in error.errors(include_url=False, include_context=False))
        raise BadFile(f"{where}: {mistakes}") from None


def _mistake(error: dict[str, object]) -> str:
    place = ".".join(str(each) for each in cast("tuple[object, ...]", error["loc"]) if each != "function-before")
    text = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        text = "unknown field"
    return f"{place}: {text}" if place else text
