"""Answers: JSON for programs, tables for people; progress only where somebody watches."""

import json
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from sealbook.adapters.plain import plain

WIDTH_WITHOUT_TERMINAL = 160


def counted(number: int, unit: str) -> str:
    """Return a number with its unit, in the plural where it is due."""
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def print_json(value: object) -> None:
    print_line(json.dumps(plain(value), ensure_ascii=False))


def print_line(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def warn(text: str) -> None:
    sys.stderr.write(text + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("-" if each is None else str(plain(each)) for each in row))
    console = Console(soft_wrap=False, highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(width=WIDTH_WITHOUT_TERMINAL, highlight=False, markup=False)
    console.print(table)


class Advanced(Protocol):
    """Who is told how much is done, and of how much once that is known."""

    def __call__(self, done: int, total: int | None = None) -> None: ...


@contextmanager
def progress(what: str, unit: str, *, before: str | None = None) -> Generator[Advanced]:
    """Show how much is done, how fast, and the time left, while somebody watches standard error; else nothing.

    `before` is what is done while the total is not known, where that is something else.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _unseen
        return
    described = TextColumn("{task.description}", markup=False)
    columns = (described, BarColumn(), _Amount(unit), TimeElapsedColumn(), _TimeLeft())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(before or what, total=None)

        def advanced(done: int, total: int | None = None) -> None:
            if total is not None and bar.tasks[0].total is None:
                # The rate begins anew: what went before was something else.
                bar.reset(task, total=total, completed=done, description=what)
            bar.update(task, completed=done)

        yield advanced


class _Amount(ProgressColumn):
    """How much is done, of how much, and how fast."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        of = "" if task.total is None else f" of {task.total:,.0f}"
        rate = "" if task.speed is None else f", {task.speed:,.0f} a second"
        return Text(f"{task.completed:,.0f}{of} {self._unit}{rate}")


class _TimeLeft(TimeRemainingColumn):
    """The time left, where there is an end in sight."""

    def render(self, task: Task) -> Text:
        return Text("") if task.total is None else super().render(task).append(" left")


def _unseen(done: int, total: int | None = None) -> None:
    """Nobody watches."""
