"""config: what the settings are, and where each of them comes from."""

from dataclasses import asdict

import typer

from sealbook.adapters.cli.configuration import Configuration
from sealbook.adapters.cli.output import print_json, print_table
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
    SealOption,
)


def register(app: typer.Typer, composition: Composition) -> None:
    config = typer.Typer(no_args_is_help=True, help="What the settings are, and where they come from.")

    @config.callback()
    def root() -> None:
        """Keep `show` a command of its own, for it would be the only one."""

    @config.command()
    def show(
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
        seal: SealOption = None,
    ) -> None:
        """Show every setting with its value and where that comes from; secrets are hidden.

        A variable SEALBOOK_... that no setting has is named, and ends this with exit code 2.
        """
        found = composition.configuration(Place(ledger=ledger, dsn=dsn, keys=keys, seal=seal))
        if as_json:
            print_json({"settings": [asdict(each) for each in found.settings], "unknown": _names(found)})
        else:
            rows = [(each.name, each.value, each.source, each.variable) for each in found.settings]
            print_table(("setting", "value", "from", "variable"), rows)
        if found.unknown:
            raise BadInput(f"the environment holds what no setting is called: {', '.join(map(_said, found.unknown))}")

    app.add_typer(config, name="config")


def _names(found: Configuration) -> list[str]:
    return [name for name, _ in found.unknown]


def _said(unknown: tuple[str, str | None]) -> str:
    name, meant = unknown
    return name if meant is None else f"{name} (did you mean {meant}?)"
