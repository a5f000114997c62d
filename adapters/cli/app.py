"""The command line as a whole: commands, and how what goes wrong becomes one line and an exit code."""

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from sealbook.adapters.cli import (
    asking,
    configuring,
    demo,
    exporting,
    importing,
    keys,
    kinds,
    maintenance,
    policies,
    reading,
    retaining,
    sealing,
    seeds,
    serving,
    timing,
    upkeep,
    what_if,
    witnessing,
)
from sealbook.adapters.cli.output import print_line, warn
from sealbook.adapters.cli.session import BadInput, Composition, Interrupted
from sealbook.adapters.history_files import BadFile
from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable
from sealbook.domain.errors import Refused

STOPPED = "interrupted; what was written stays, run the command again to go on"
DONE, REFUSED, WRONG_USAGE, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 130

COMMANDS = (
    *(demo, importing, reading, asking, what_if, policies, kinds, timing, maintenance, upkeep),
    *(sealing, witnessing, exporting, retaining, serving, seeds, keys, configuring),
)
"""In the order in which help lists them."""


def build(composition: Composition, *, version: str) -> typer.Typer:
    app = typer.Typer(
        name="sealbook",
        help="An event-sourced ledger of authentication credentials.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        epilog="Exit codes: 0 done, 1 refused or disproved, 2 bad usage or input, 3 unavailable, 130 interrupted.",
    )

    def told_version(asked: bool) -> None:
        if asked:
            print_line(f"sealbook {version}")
            raise typer.Exit

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        _version: Annotated[
            bool, typer.Option("--version", callback=told_version, is_eager=True, help="Tell the version.")
        ] = False,
    ) -> None:
        """Keep the record of authentication credentials: durable, replayable, provable."""
        if context.invoked_subcommand is None:
            print_line(context.get_help())
            raise typer.Exit(WRONG_USAGE)

    for commands in COMMANDS:
        commands.register(app, composition)
    return app


def run(app: typer.Typer) -> int:
    """Run the command that was typed; return its exit code. What goes wrong is said in one line."""
    try:
        # In this mode Exit and Ctrl-C come back as a number, and a reader that has gone as SystemExit.
        code: object = app(standalone_mode=False)
        sys.stdout.flush()
    except typer.Exit as ended:
        return ended.exit_code
    except SystemExit:
        return _nobody_reads()
    except TyperException as usage:
        return _said(f"{usage.format_message()} (sealbook --help lists what there is)", WRONG_USAGE)
    except Refused as refused:
        return _said(f"refused: {refused}", REFUSED)
    except (BadInput, BadFile) as bad:
        return _said(str(bad), WRONG_USAGE)
    except (Unavailable, OutcomeUnknown, LedgerDamaged) as error:
        return _said(str(error), UNAVAILABLE)
    except KeyboardInterrupt:
        return _said(STOPPED, INTERRUPTED)
    except Interrupted as interrupted:
        return _said(str(interrupted), INTERRUPTED)
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        _nobody_reads()
        return _said(f"the system refused: {(error.strerror or type(error).__name__).lower()}", UNAVAILABLE)
    if code == INTERRUPTED:
        return _said(STOPPED, INTERRUPTED)
    return code if isinstance(code, int) else DONE


def _nobody_reads() -> int:
    # What is still to be flushed has nowhere to go: without this, the interpreter would complain at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE


def _said(text: str, code: int) -> int:
    warn(f"sealbook: {' '.join(text.split())}")
    return code
