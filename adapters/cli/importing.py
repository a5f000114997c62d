"""import: adopt a history from a file."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated, cast

import typer

from sealbook.adapters.cli.output import Advanced, counted, plain, print_json, print_line, progress, warn
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    OpenLedger,
    Place,
)
from sealbook.adapters.collecting import seldom_collected
from sealbook.adapters.history_files import HistoryFile, facts_file, given_policies, set_aside, uses_file
from sealbook.application.import_forms import FactsForm, UsesForm
from sealbook.application.importing import Form, Import, ImportResult, Line, LineError, OtherOptions, Row
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
        history = facts_file(file) if format_ is Format.FACTS else uses_file(file)
        policies = given_policies([policy] if policy else [])
        # What is wrong with the file is said before a ledger is made for it.
        provenance = f"import {history.digest.hex()[:16]}"
        # The collector looks once more at its end: by then the ledger is left.
        with seldom_collected(), ExitStack() as stack:
            opened = stack.enter_context(composition.open(Place(ledger=ledger, dsn=dsn, keys=keys), create=True))
            skip = stack.enter_context(set_aside(history, skip_bad, warn)) if skip_bad else None
            bar = progress(f"importing {file.name}", "lines", before=f"checking {file.name}")
            run = _Run(opened, history, skip, stack.enter_context(bar))
            begun = perf_counter()
            if format_ is Format.FACTS:
                result = run(
                    FactsForm(
                        store=opened.store,
                        policies_given=policies,
                        kind=kind,
                        provenance=provenance,
                        new_id=opened.new_id,
                    )
                )
            else:
                result = run(
                    UsesForm(
                        store=opened.store,
                        policies_given=policies,
                        kind=kind,
                        reissue=reissue,
                        provenance=provenance,
                        new_id=opened.new_id,
                    )
                )
            seconds = perf_counter() - begun
        if as_json:
            counts = cast("dict[str, object]", plain(result))
            print_json({**counts, "seconds": round(seconds, 3), "lines_per_second": round(result.lines / seconds)})
        else:
            _print(file, result)


@dataclass(frozen=True, slots=True)
class _Run:
    """One import, in whatever form its lines are."""

    opened: OpenLedger
    history: HistoryFile
    skip: Callable[[Row, str], None] | None
    advanced: Advanced

    def __call__(self, form: Form[Line]) -> ImportResult:
        job = Import(
            store=self.opened.store,
            file=self.history,
            form=form,
            now=self.opened.now,
            new_id=self.opened.new_id,
            skip=self.skip,
            advanced=self.advanced,
        )
        try:
            return job.run()
        except LineError as bad:
            raise BadInput(
                f"{self.history.path}, line {bad.number}: {bad.reason}"
                " (correct it, or set bad lines aside with --skip-bad FILE)"
            ) from None
        except OtherOptions as other:
            raise BadInput(f"{self.history.path}: {other}") from None


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
