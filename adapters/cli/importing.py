"""import: adopt a history from a file."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated, cast

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line, progress, warn
from sealbook.adapters.cli.session import BadInput, Composition, DsnOption, JsonOption, KeysOption, LedgerOption, Place
from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.history_files import read_policy, set_aside
from sealbook.adapters.importing.shared import import_shared, shared
from sealbook.adapters.importing.task import ImportTask
from sealbook.adapters.plain import plain
from sealbook.application.importing import ImportResult, LineError, OtherOptions
from sealbook.domain.values import Kind


class Format(StrEnum):
    FACTS = "facts"
    USES = "uses"


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command(name="import")
    def import_(
        file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines or CSV, plain or .gz.")],
        format_: Annotated[Format, typer.Option("--format", help="What the file holds.")] = Format.FACTS,
        policy: Annotated[
            str | None,
            typer.Option(metavar="FILE", help="FILE, FILE#ID or a preset to issue under. [default: D]"),
        ] = None,
        kind: Annotated[
            Kind, typer.Option(help="Kind of the credentials that do not say theirs.")
        ] = Kind.KB_MOBILE_CERTIFICATE,
        reissue: Annotated[
            bool, typer.Option("--reissue-when-expired", help="Uses only: issue anew at an attempt after the end.")
        ] = False,
        skip_bad: Annotated[Path | None, typer.Option(metavar="FILE", help="Put bad lines there and go on.")] = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Adopt a history: facts, or bare attempts to use. A second run of the same file adds nothing."""
        if reissue and format_ is Format.FACTS:
            raise BadInput("--reissue-when-expired goes with --format uses: facts say themselves what was issued")
        task = ImportTask(
            path=file,
            uses=format_ is Format.USES,
            policy=read_policy(policy) if policy else None,
            kind=kind,
            reissue=reissue,
            now=composition.now(),
        )
        history = task.file()
        # What is wrong with the file is said before a ledger is made for it.
        content = history.content
        # The collector looks once more at its end: by then the ledger is left.
        with seldom_collected(), ExitStack() as stack:
            opened = stack.enter_context(composition.open(Place(ledger=ledger, dsn=dsn, keys=keys), create=True))
            skip = stack.enter_context(set_aside(history, skip_bad, warn)) if skip_bad else None
            bar = progress(f"importing {file.name}", "lines", before=f"checking {file.name}")
            advanced = stack.enter_context(bar)
            begun = perf_counter()
            with _told(file):
                if shared(content):
                    result = import_shared(task, opened.reach, content=content, skip=skip, advanced=advanced)
                else:
                    result = task.job(opened.store, history, skip=skip, advanced=advanced).run()
            seconds = perf_counter() - begun
        if as_json:
            counts = cast("dict[str, object]", plain(result))
            print_json({**counts, "seconds": round(seconds, 3), "lines_per_second": round(result.lines / seconds)})
        else:
            _print(file, result)


@contextmanager
def _told(file: Path) -> Generator[None]:
    """Say of what stops an import which line or file it is."""
    try:
        yield
    except LineError as bad:
        raise BadInput(
            f"{file}, line {bad.number}: {bad.reason} (correct it, or set bad lines aside with --skip-bad FILE)"
        ) from None
    except OtherOptions as other:
        raise BadInput(f"{file}: {other}") from None


def _print(file: Path, result: ImportResult) -> None:
    print_line(f"{file.name}: {counted(result.lines, 'line')} became {counted(result.events, 'event')}.")
    if result.resumed_at:
        print_line(f"The ledger held it up to line {result.resumed_at:,} already.")
    if result.skipped:
        print_line(f"Set aside: {counted(result.skipped, 'bad line')}.")
    for reason, count in sorted(result.uses_refused.items()):
        print_line(f"Refused as {reason}: {counted(count, 'use')}.")
    for fact, count in sorted(result.facts_not_applied.items()):
        print_line(f"Without effect, and kept as such: {counted(count, 'fact')} ({fact}).")
