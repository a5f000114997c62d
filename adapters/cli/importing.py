"""import: adopt a history from a file."""

from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sealbook.adapters.cli.output import print_json, print_line, progress, warn
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
)
from sealbook.adapters.history_files import facts_file, given_policies, set_aside, uses_file
from sealbook.application.import_forms import FactsForm, UsesForm
from sealbook.application.importing import Form, Import, ImportResult, LineError, OtherOptions
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
            str | None, typer.Option(metavar="FILE", help="Policy to issue under, FILE or FILE#ID. [default: preset D]")
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
        with ExitStack() as stack:
            opened = stack.enter_context(composition.open(Place(ledger=ledger, dsn=dsn, keys=keys), create=True))
            if format_ is Format.FACTS:
                form: Form[Any] = FactsForm(
                    store=opened.store, policies_given=policies, kind=kind, provenance=provenance, new_id=opened.new_id
                )
            else:
                form = UsesForm(
                    store=opened.store,
                    policies_given=policies,
                    kind=kind,
                    reissue=reissue,
                    provenance=provenance,
                    new_id=opened.new_id,
                )
            skip = stack.enter_context(set_aside(history, skip_bad, warn)) if skip_bad else None
            advanced = stack.enter_context(progress(f"importing {file.name}", "lines"))
            job = Import(
                store=opened.store,
                file=history,
                form=form,
                now=opened.now,
                new_id=opened.new_id,
                skip=skip,
                advanced=advanced,
            )
            result = _run(job, file)
        _print(file, result, as_json=as_json)


def _run(job: Import[Any], file: Path) -> ImportResult:
    try:
        return job.run()
    except LineError as bad:
        raise BadInput(
            f"{file}, line {bad.number}: {bad.reason} (correct it, or set bad lines aside with --skip-bad FILE)"
        ) from None
    except OtherOptions as other:
        raise BadInput(f"{file}: {other}") from None


def _print(file: Path, result: ImportResult, *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    print_line(f"{file.name}: {result.lines:,} lines became {result.events:,} events.")
    if result.resumed_at:
        print_line(f"The ledger held it up to line {result.resumed_at:,} already.")
    if result.skipped:
        print_line(f"{result.skipped:,} bad lines were set aside.")
    for reason, count in sorted(result.uses_refused.items()):
        print_line(f"{count:,} uses were refused: {reason}.")
    for fact, count in sorted(result.facts_not_applied.items()):
        print_line(f"{count:,} facts had no effect and are kept as such: {fact}.")
