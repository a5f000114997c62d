"""The documents keep their word: their examples run and print what they say, and their tables are complete.

In a ```console block every line `$ sealbook ...` runs, in a folder that all blocks of the document share,
and must end well. Where output follows, it must be that output; `...` stands for any text, and a line of
nothing else for any number of lines. Other commands are not run. A ```python block runs as it stands.
"""

import dataclasses
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sealbook.domain.catalogue import EVENT_TYPES
from sealbook.domain.errors import Refusal

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.exists()]
COMMAND_SECONDS_MAX = 240
FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(
    r"^\$ (?P<command>(?:.*\\\n)*.*)\n?(?P<output>(?:(?!\$ ).*(?:\n|$))*)",
    re.MULTILINE,
)


class Block(NamedTuple):
    line: int
    text: str


class Example(NamedTuple):
    line: int
    command: str
    output: str


class Row(NamedTuple):
    """A table's row by column; cells of code hold words between backquotes."""

    cells: dict[str, str]

    def words(self, column: str) -> list[str]:
        return re.findall(r"`([^`]+)`", self.cells[column])


# --- Reading documents


def blocks(text: str, kind: str) -> Iterator[Block]:
    for fence in FENCE.finditer(text):
        if fence["kind"] == kind:
            lines = fence["text"].splitlines()
            inner = "\n".join(line.removeprefix(fence["indent"]) for line in lines)
            yield Block(text.count("\n", 0, fence.start("text")) + 1, inner)


def examples(text: str) -> Iterator[Example]:
    """Yield the commands of the console blocks with the output that follows each."""
    for block in blocks(text, "console"):
        for found in COMMAND.finditer(block.text):
            line = block.line + block.text.count("\n", 0, found.start())
            if re.match(r"(?:\w+=\S+ )*sealbook\b", found["command"]):
                yield Example(line, found["command"], found["output"].strip("\n"))


def pattern(output: str) -> re.Pattern[str]:
    """Return what the printed text must match as a whole."""
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else f"{_line(line)}\n" for line in output.splitlines()]
    return re.compile("".join(lines))


def _line(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.rstrip().split("...")) + " *"


def rows(text: str, *columns: str) -> Iterator[Row]:
    """Yield the rows of every table that has these columns, whatever others it has."""
    header: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if not cells:
            header = []
        elif not header:
            header = [cell.lower() for cell in cells]
        elif set(columns) <= set(header) and not set(line) <= set("|:- "):
            yield Row(dict(zip(header, cells, strict=True)))


# --- Examples


def named(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def with_blocks(kind: str) -> list[Path]:
    return [each for each in DOCUMENTS if any(blocks(each.read_text(encoding="utf-8"), kind))]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user who has only this product and an empty home; commands work where their document's folder is."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for program, module in (("sealbook", "sealbook"), ("sealbook-verify", "sealbook_verify")):
        (programs / program).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (programs / program).chmod(0o755)
    kept = {name: os.environ[name] for name in ("TMPDIR", "SEALBOOK_PG_BIN") if name in os.environ}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    plain = {"NO_COLOR": "1", "COLUMNS": "100", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return (
        kept
        | plain
        | {
            "PATH": path,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'verify'}",
            "HOME": str(tmp_path),
            "CHECKOUT": str(ROOT),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "here"
    made.mkdir()
    return made


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("document", with_blocks("console"), ids=named)
def test_the_commands_print_what_the_document_says(document: Path, folder: Path, environment: dict[str, str]) -> None:
    for example in examples(document.read_text(encoding="utf-8")):
        place = f"{named(document)}:{example.line}: {example.command}"
        done = run(example.command, folder, environment)

        assert done.returncode == 0, f"{place}\n{done.stdout}"
        if example.output:
            printed = done.stdout.strip("\n") + "\n"
            same = pattern(example.output).fullmatch(printed) is not None
            assert same, f"{place}\n{example.output}\n--- but it printed\n{printed}"


def run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-ec", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=COMMAND_SECONDS_MAX,
        check=False,
    )


@pytest.mark.parametrize("document", with_blocks("python"), ids=named)
def test_the_python_examples_run(document: Path, folder: Path, environment: dict[str, str]) -> None:
    """All blocks of a document are one program, on the lines where they stand: a traceback leads to the document."""
    program: list[str] = []
    for block in blocks(document.read_text(encoding="utf-8"), "python"):
        program += [""] * (block.line - 1 - len(program)) + block.text.splitlines()
    (folder / "example.py").write_text("\n".join(program), encoding="utf-8")

    done = run(f'"{sys.executable}" -W error example.py', folder, environment)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_the_targets_that_a_document_names_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))

    assert set(re.findall(r"(?:^\$ |`)make ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE)) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_the_links_of_a_document_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", document.read_text(encoding="utf-8"))

    assert [target for target in targets if not (document.parent / target).exists()] == []


# --- Tables


def test_every_stored_event_has_its_row() -> None:
    document = ROOT / "docs" / "events.md"

    described = [
        (row.words("event")[0], int(row.cells["version"]), sorted(row.words("fields")))
        for row in rows(document.read_text(encoding="utf-8"), "event", "version", "fields")
    ]

    stored = [
        (kind.name, kind.version, sorted(field.name for field in dataclasses.fields(event)))
        for event, kind in EVENT_TYPES.items()
    ]
    assert sorted(described) == sorted(stored)


def test_every_refusal_has_its_row() -> None:
    found = [row for each in DOCUMENTS for row in rows(each.read_text(encoding="utf-8"), "refusal")]

    described = Counter(code for row in found for code in row.words("refusal"))

    assert described == Counter(str(code) for code in Refusal)


# --- The reading itself

SAMPLE = """
Text with `$ sealbook no` inside.

```console
$ make demo
...
$ sealbook show \\
    --json
{"at": "..."}
...
last
$ DATE=1 sealbook check
```

1. a list
   ```console
   $ sealbook inside
   printed
   ```

```python
x = 1
```

| Event | Version | Fields |
|---|:-:|---|
| `a.b` | 1 | `at`, `what` \\| more |
"""


def test_the_commands_are_read_with_their_output() -> None:
    assert list(examples(SAMPLE)) == [
        Example(7, "sealbook show \\\n    --json", '{"at": "..."}\n...\nlast'),
        Example(12, "DATE=1 sealbook check", ""),
        Example(17, "sealbook inside", "printed"),
    ]
    assert list(blocks(SAMPLE, "python")) == [Block(22, "x = 1")]


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ('{"at": "2027"}\nlast\n', True),
        ('{"at": "2027"}   \none\n\ntwo\nlast\n', True),
        ('{"at": "2027"}\nlast\nmore\n', False),
        ('{"at": \n"2027"}\nlast\n', False),
        ('{"on": "2027"}\nlast\n', False),
    ],
)
def test_the_output_is_compared_but_for_what_is_left_out(printed: str, same: bool) -> None:
    assert bool(pattern('{"at": "..."}\n...\nlast').fullmatch(printed)) is same


def test_the_rows_are_read_from_tables_with_the_columns() -> None:
    (row,) = rows(SAMPLE, "event", "fields")

    assert (row.words("event"), row.cells["version"], row.words("fields")) == (["a.b"], "1", ["at", "what"])
    assert list(rows(SAMPLE, "refusal")) == []
