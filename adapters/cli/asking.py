"""ask: questions about the whole bank, each at a moment on both axes of time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

import typer

from sealbook.adapters.cli.output import print_json, print_line, print_table
from sealbook.adapters.cli.session import (
    AsOfOption,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    KnownAtOption,
    LedgerOption,
    Place,
    moment,
)
from sealbook.adapters.plain import iso, named
from sealbook.application.bank_questions import (
    Answer,
    Asked,
    ask_fees,
    ask_holdings,
    ask_liability,
    ask_links,
    ask_notices,
    ask_policies,
    ask_revocations,
    ask_slots,
    ask_stuck,
    ask_unlawful,
)
from sealbook.domain.credential import LinkedId
from sealbook.projections.holdings import Advisory

COLUMNS = {
    "holdings": "credential kind state last_valid_day next_step device ids services unlock_methods advisories",
    "slots": "customer subkind used allowed devices full_for",
    "links": "credential customer kind linked to owner purpose",
    "stuck": "application customer kind waits_at failures attempts_left awaiting_issuer fee_open escalated hours_left",
    "notices": "credential customer kind notice lead about due_at sent_at",
    "fees": "kind fee_version charged failed waived refunded sum_krw",
    "liability": "credential liability used_at recorded_at channel purpose lost_at reported_at",
    "policies": "policy standing made_known made_known_at in_force_from in_force_until withdrawn_at applies_to kinds",
    "unlawful": "credential kind renewed_at cause policy used_at notified_at consented_at basis lacks",
    "revocations": "credential customer kind reference code name since reason",
}
"""What a person is shown of each answer, in this order; a program gets everything."""

WithoutName = Callable[[Asked], Answer[object]]
WithName = Callable[[Asked, str | None], Answer[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a question was asked: about when, of which ledger, and by a person or a program."""

    as_of: str | None
    known_at: str | None
    as_json: bool
    place: Place


def register(app: typer.Typer, composition: Composition) -> None:
    ask = typer.Typer(name="ask", help="Ask about customers, applications, fees, losses and the law.")
    app.add_typer(ask)
    _register_holdings(ask, composition)
    for name, of_one, told in (
        ("slots", ask_slots, "Tell who uses how many device slots, of how many. NAME is a customer."),
        (
            "links",
            ask_links,
            "List the IDs and services that credentials stand for. NAME is a customer or a credential.",
        ),
    ):
        _register_with_name(ask, composition, name, of_one, told)
    for name, question, told in (
        ("stuck", ask_stuck, "List open applications: the step that each waits at, and how long it has left."),
        ("notices", ask_notices, "List notices that are due, and those that were sent."),
        ("fees", ask_fees, "Sum up fees by kind and version of the schedule: charged, failed, waived, paid back."),
        ("liability", ask_liability, "List uses after a loss: since its report the bank is liable."),
        ("policies", ask_policies, "List policy versions: made known when, in force when, and what they apply to."),
    ):
        _register_without_name(ask, composition, name, question, told)
    _register_unlawful(ask, composition)
    _register_revocations(ask, composition)


def _register_holdings(ask: typer.Typer, composition: Composition) -> None:
    @ask.command()
    def holdings(
        name: Annotated[str, typer.Argument(help="A customer's name or id.")],
        as_of: AsOfOption = None,
        known_at: KnownAtOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Tell what a customer holds and applied for, with links, unlock methods and what to see to."""
        how = How(as_of=as_of, known_at=known_at, as_json=as_json, place=Place(ledger=ledger, dsn=dsn, keys=keys))
        _tell(composition, how, "holdings", lambda asked: ask_holdings(asked, name))


def _register_with_name(ask: typer.Typer, composition: Composition, question: str, answer: WithName, told: str) -> None:
    @ask.command(question, help=told)
    def ask_of_one(
        name: Annotated[str | None, typer.Argument(help="Its name or id.")] = None,
        as_of: AsOfOption = None,
        known_at: KnownAtOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        how = How(as_of=as_of, known_at=known_at, as_json=as_json, place=Place(ledger=ledger, dsn=dsn, keys=keys))
        _tell(composition, how, question, lambda asked: answer(asked, name))


def _register_without_name(
    ask: typer.Typer, composition: Composition, question: str, answer: WithoutName, told: str
) -> None:
    @ask.command(question, help=told)
    def ask_of_all(
        as_of: AsOfOption = None,
        known_at: KnownAtOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        how = How(as_of=as_of, known_at=known_at, as_json=as_json, place=Place(ledger=ledger, dsn=dsn, keys=keys))
        _tell(composition, how, question, answer)


def _register_unlawful(ask: typer.Typer, composition: Composition) -> None:
    @ask.command()
    def unlawful(
        all_renewals: Annotated[bool, typer.Option("--all", help="Also those with a basis, and which it is.")] = False,
        as_of: AsOfOption = None,
        known_at: KnownAtOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """List automatic renewals without the notice or consent that the enforcement decree 6(1) asks for."""
        how = How(as_of=as_of, known_at=known_at, as_json=as_json, place=Place(ledger=ledger, dsn=dsn, keys=keys))
        _tell(composition, how, "unlawful", lambda asked: ask_unlawful(asked, all_renewals=all_renewals))


def _register_revocations(ask: typer.Typer, composition: Composition) -> None:
    @ask.command()
    def revocations(
        since: Annotated[
            str | None, typer.Option("--since", metavar="T", help="Only what changed after then: a delta.")
        ] = None,
        as_of: AsOfOption = None,
        known_at: KnownAtOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """List the credentials that are revoked or held, with the reason codes of RFC 5280."""
        after = moment(since, option="--since")
        how = How(as_of=as_of, known_at=known_at, as_json=as_json, place=Place(ledger=ledger, dsn=dsn, keys=keys))
        _tell(composition, how, "revocations", lambda asked: ask_revocations(asked, since=after))


def _tell(composition: Composition, how: How, question: str, answer: WithoutName) -> None:
    as_of, known_at = moment(how.as_of, option="--as-of"), moment(how.known_at, option="--known-at")
    with composition.open(how.place) as opened:
        asked = Asked(store=opened.store, kinds=opened.kinds, as_of=as_of or opened.now, known_at=known_at)
        found = answer(asked)
    if how.as_json:
        for row in found.rows:
            print_json(named(row, found.names))
    elif found.rows:
        columns = COLUMNS[question].split()
        cells = [[_cell(getattr(row, each), found.names) for each in columns] for row in found.rows]
        print_table([each.replace("_", " ") for each in columns], cells)
    else:
        print_line(f"Nothing as of {iso(asked.as_of)}.")


def _cell(value: object, names: Mapping[UUID, str]) -> object:
    """Return a value as a person reads it: times to the second, of an advice the text, of a linked ID its reference."""
    match value:
        case () | False:
            return None
        case True:
            return "yes"
        case datetime():
            return iso(value.replace(microsecond=0))
        case tuple():
            return ", ".join(str(_cell(each, names)) for each in cast("tuple[object, ...]", value))
        case Advisory(en=text) | LinkedId(bank_id=text):
            return text
        case _:
            return named(value, names)
