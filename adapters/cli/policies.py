"""policy check, list and adopt: documents before and in the ledger."""

from typing import Annotated

import typer

from sealbook.adapters.cli.output import print_json, print_line, print_table
from sealbook.adapters.cli.session import (
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
)
from sealbook.adapters.history_files import read_policy
from sealbook.application import questions
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.requests import OnPolicy
from sealbook.domain import policy
from sealbook.domain.errors import Refused
from sealbook.domain.policy import Policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_meanings, preset_policies

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="A policy file, or FILE#ID.")]


def register(app: typer.Typer, composition: Composition) -> None:
    policies = typer.Typer(name="policy", help="Validate, list and announce renewal policies.")
    app.add_typer(policies)

    @policies.command()
    def check(file: FileArgument, as_json: JsonOption = False) -> None:
        """Validate a policy file; every mistake is named."""
        document = read_policy(file)
        if as_json:
            print_json({"policy": str(document.ref), "digest": document.digest, "valid": True})
        else:
            print_line(f"{document.ref} is valid; sha256 {document.digest}")

    @policies.command(name="list")
    def list_(
        as_json: JsonOption = False,
        presets: Annotated[bool, typer.Option("--presets", help="Those that the package brings.")] = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """List the policies of the ledger, or the presets."""
        if presets:
            rows = [_preset(document) for document in preset_policies().values()]
        else:
            with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
                book = questions.policies(opened.store).policies
            rows = [_row(held, document) for held in book.values() for document in held.versions]
        if as_json:
            for row in rows:
                print_json(row)
        else:
            print_table(list(rows[0]) if rows else ["policy"], [list(row.values()) for row in rows])

    @policies.command()
    def adopt(
        file: FileArgument,
        in_force: Annotated[
            bool, typer.Option("--in-force", help="It decides at the bank already: adopt it as it is, dates or none.")
        ] = False,
        preset: Annotated[bool, typer.Option("--preset", help="FILE is the id of a preset instead.")] = False,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Announce a policy version: it takes effect on its own date, unless it is in force already."""
        document = _preset_named(file) if preset else read_policy(file)
        kind = policy.Adopt if in_force else policy.Announce
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys), create=True) as opened:
            request = OnPolicy(
                policy_id=document.policy_id,
                stream=opened.new_id(),
                command=kind(at=opened.now, document=document),
            )
            command = Command(request=request, command_id=opened.new_id(), actor="analyst", channel="cli")
            (outcome,) = execute(opened.store, [command])
        if outcome.refusal is not None:
            raise Refused(outcome.refusal, outcome.message)
        if as_json:
            print_json({"policy": str(document.ref), "digest": document.digest, "position": outcome.position})
        elif outcome.position is None:
            print_line(f"{document.ref} is in the ledger already.")
        else:
            print_line(f"{document.ref} is {'adopted' if in_force else 'announced'}, position {outcome.position}.")


def _preset_named(policy_id: str) -> RenewalPolicy:
    found = preset_policies().get(policy_id)
    if found is None:
        raise BadInput(f"there is no such preset: sealbook policy list --presets names {len(preset_policies())}")
    return found


def _preset(document: RenewalPolicy) -> dict[str, object]:
    return {
        "policy": str(document.ref),
        "meaning": preset_meanings()[document.policy_id],
        "sha256": document.digest[:16],
    }


def _row(held: Policy, document: RenewalPolicy) -> dict[str, object]:
    return {
        "policy": str(document.ref),
        "renew_on": document.renew_on,
        "validity": document.validity,
        "effective_from": document.effective_from,
        "withdrawn": document.version in held.withdrawn,
        "sha256": document.digest[:16],
    }
