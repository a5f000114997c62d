"""maintain: what a ledger needs done once a day."""

from typing import Annotated

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line
from sealbook.adapters.cli.session import Composition, DsnOption, JsonOption, KeysOption, LedgerOption, Place

KEPT_DAYS = 30
KEPT_DAYS_MAX = 36_500


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def maintain(
        keep_days: Annotated[
            int,
            typer.Option(
                "--keep-days", min=1, max=KEPT_DAYS_MAX, metavar="DAYS", help="How many days of command ids are kept."
            ),
        ] = KEPT_DAYS,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Make room for the coming days' command ids and drop the old ones; needs the database's maintenance role."""
        place = Place(ledger=ledger, dsn=dsn, keys=keys)
        made, dropped = composition.keep_command_days(place, kept_days=keep_days)
        if as_json:
            print_json({"days_made": made, "days_dropped": dropped, "days_kept": keep_days})
        else:
            print_line(f"Made room for {counted(made, 'day')}, dropped {counted(dropped, 'day')} of command ids.")
