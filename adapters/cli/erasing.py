"""keys erase, reconcile and hold: a person's data goes for good, is gone again, or has to stay."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line
from sealbook.adapters.cli.session import (
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    OpenLedger,
    Place,
    short_text,
)
from sealbook.application import erasure, questions
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.names import NameKind
from sealbook.application.requests import OnCustomer
from sealbook.domain import customer as domain
from sealbook.domain.errors import Refused

CustomerArgument = Annotated[str, typer.Argument(help="A customer's name or id.")]


def register(app: typer.Typer, composition: Composition) -> None:
    """Add the commands to those of the keys."""
    _register_erase(app, composition)
    _register_reconcile(app, composition)
    _register_hold(app, composition)


def _register_erase(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def erase(
        customer: CustomerArgument,
        basis: Annotated[str, typer.Option("--basis", metavar="TEXT", help="The rule that asks for it.")],
        approved_by: Annotated[
            str, typer.Option("--approved-by", metavar="REF", help="Who approved it: a reference, never a name.")
        ],
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Erase a customer's personal data: names, values and keys. The record of what happened stays, and verifies."""
        why, approver = short_text(basis, option="--basis"), short_text(approved_by, option="--approved-by")
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
            stream = _customer(opened, customer)
            erased = erasure.erase(
                opened.store,
                opened.keys,
                customer=stream,
                basis=why,
                approved_by=approver,
                at=opened.now,
                command_id=opened.new_id(),
                kinds=opened.kinds,
            )
        if as_json:
            print_json({"customer": stream, **asdict(erased)})
        elif erased.position is None:
            print_line(f"{stream} was erased before; {counted(erased.keys_destroyed, 'key')} destroyed now.")
        else:
            print_line(
                f"{stream} is erased, position {erased.position}: {counted(erased.credentials, 'credential')},"
                f" {counted(erased.devices, 'device')}, {counted(erased.keys_destroyed, 'key')} destroyed."
            )


def _register_reconcile(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def reconcile(
        restored: Annotated[
            bool,
            typer.Option("--restored", help="The ledger came back from an older backup, and what it lost is accepted."),
        ] = False,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Carry out on the keys what the ledger has erased: after a crash, or a keystore put back from a backup."""
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys), reconciling=True) as opened:
            lost: list[UUID] = []
            if restored:
                done, lost = erasure.reconcile_restored(opened.store, opened.keys)
            else:
                done = erasure.reconcile(opened.store, opened.keys)
        if as_json:
            print_json({**asdict(done), **({"erase_again": lost} if restored else {})})
        elif done.subjects:
            print_line(
                f"Erased {counted(done.subjects, 'subject')}, {counted(done.keys_destroyed, 'key')} destroyed:"
                f" the keys are as far as position {done.position}."
            )
        else:
            print_line("The keys are as far as the ledger's erasures.")
        for subject in [] if as_json else lost:
            print_line(f"The ledger has lost that {subject} was erased; its keys are gone: erase it again.")


def _register_hold(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def hold(
        customer: CustomerArgument,
        case: Annotated[str, typer.Option("--case", metavar="ID", help="The case's number: no name.")],
        lift: Annotated[bool, typer.Option("--lift", help="Let the case's hold go.")] = False,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Place a legal hold on a customer: while one stands, nothing of it is erased."""
        number = short_text(case, option="--case")
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
            stream = _customer(opened, customer)
            kind = domain.LiftLegalHold if lift else domain.PlaceLegalHold
            request = OnCustomer(customer=stream, command=kind(at=opened.now, case=number))
            command = Command(request=request, command_id=opened.new_id(), actor="operator", channel="cli")
            (outcome,) = execute(opened.store, [command], kinds=opened.kinds)
        if outcome.refusal is not None:
            raise Refused(outcome.refusal, outcome.message)
        if as_json:
            print_json({"customer": stream, "case": number, "held": not lift, "position": outcome.position})
        else:
            changed = f", position {outcome.position}" if outcome.position is not None else " already"
            print_line(f"The hold of case {number} is {'lifted' if lift else 'placed'}{changed}.")


def _customer(opened: OpenLedger, text: str) -> UUID:
    return questions.find(opened.store, text, kinds=[NameKind.CUSTOMER])
