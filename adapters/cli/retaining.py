"""retention: records of erased customers, set apart and then destroyed when their time is over."""

from typing import Annotated

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line, print_table
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
    SealOption,
    short_text,
)
from sealbook.application import retention
from sealbook.application.retention import Due
from sealbook.domain.catalogue import EVENT_TYPES
from sealbook.domain.kind_document import KindBook

RULE = "retention"


def register(app: typer.Typer, composition: Composition) -> None:
    sub_app = typer.Typer(name="retention", help="Records whose time is over.", no_args_is_help=True)

    @sub_app.callback()
    def root() -> None:
        """Set apart and destroy records whose time is over."""

    @sub_app.command()
    def run(
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what is due, and do nothing.")] = False,
        approved_by: Annotated[
            str | None, typer.Option("--approved-by", metavar="REF", help="Who approved it; the ledger notes that.")
        ] = None,
        rule: Annotated[
            str, typer.Option("--rule", metavar="TEXT", help="By what right; the ledger notes that.")
        ] = RULE,
        folder: SealOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Do what is due by the bank's periods; needs the database's maintenance role, and the seal."""
        if not dry_run and not approved_by:
            raise BadInput("give --approved-by: what is destroyed is destroyed on somebody's word; or --dry-run")
        by_what_right = short_text(rule, option="--rule")
        approver = None if dry_run or approved_by is None else short_text(approved_by, option="--approved-by")
        with (
            composition.open(Place(ledger=ledger, dsn=dsn, keys=keys, seal=folder)) as opened,
            opened.archive() as archive,
        ):
            _check_classes(opened.kinds)
            what = retention.due(
                opened.store,
                archive,
                bank=opened.kinds.bank,
                now=opened.now,
                sealed_to=opened.desk.sealed_to(),
            )
            if approver is not None:
                what = retention.run(
                    opened.store, archive, what, rule=by_what_right, approved_by=approver, at=opened.now
                )
                # What is apart, now or since a run that was killed, is out of the log that the models are a fold of.
                opened.read_models.catch_up()
        _tell(what, done=approver is not None, as_json=as_json)

    app.add_typer(sub_app)


def _check_classes(kinds: KindBook) -> None:
    unknown = retention.unknown_classes(kinds.bank, [kind.name for kind in EVENT_TYPES.values()])
    if unknown:
        raise BadInput(f"the bank's document keeps records called {unknown[0]!r}, and no event begins so")


def _tell(what: Due, *, done: bool, as_json: bool) -> None:
    records = sum(what.by_name.values())
    if as_json:
        print_json(
            {
                "done": done,
                "streams_set_apart": len(what.apart),
                "records_destroyed": records,
                "by_event": dict(sorted(what.by_name.items())),
                "streams_not_sealed": what.unsealed,
                "streams_changed_meanwhile": what.changed,
                "customers_held": what.held,
            }
        )
        return
    would = "" if done else "would be "
    print_line(f"{counted(len(what.apart), 'stream')} {would}set apart, {counted(records, 'record')} {would}destroyed.")
    if what.by_name:
        print_table(["event", "records"], sorted(what.by_name.items()))
    if what.unsealed:
        print_line(f"{counted(what.unsealed, 'stream')} left alone: not all of it is sealed yet.")
    if what.changed:
        print_line(f"{counted(what.changed, 'stream')} left alone: something happened meanwhile; run it again.")
    if what.held:
        print_line(f"{counted(what.held, 'customer')} left alone: a legal hold stands.")
