"""whatif: the same history under other policies."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sealbook.adapters.cli import what_if_running, what_if_snapshot
from sealbook.adapters.cli.output import print_json, print_line, print_table, warn
from sealbook.adapters.cli.session import (
    AsOfOption,
    BadInput,
    Composition,
    DsnOption,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
    moment,
)
from sealbook.adapters.cli.what_if_asking import policies_typed
from sealbook.adapters.history_files import facts_file, policies_of
from sealbook.adapters.plain import iso, plain
from sealbook.adapters.scenarios import TwiceGiven, apart, labelled, scenarios_of, told, what_if
from sealbook.application import questions
from sealbook.application.histories import histories_of_facts, histories_of_ledger
from sealbook.application.importing import LineError
from sealbook.application.simulation import Recorded, Row, SelfCheck, WhatIf
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import Kind, SwitchMode


def register(app: typer.Typer, composition: Composition) -> None:
    group = typer.Typer(name="whatif", invoke_without_command=True)

    @group.callback(invoke_without_command=True)
    def whatif(
        context: typer.Context,
        policy: Annotated[
            list[str] | None,
            typer.Option("--policy", metavar="FILE", help="FILE, FILE#ID or a preset's id; may be repeated."),
        ] = None,
        facts: Annotated[Path | None, typer.Option(metavar="FILE", help="A facts file instead of the ledger.")] = None,
        as_of: AsOfOption = None,
        switch_at: Annotated[
            str | None, typer.Option(metavar="T", help="Apply the policies from then on only.")
        ] = None,
        mode: Annotated[SwitchMode | None, typer.Option(help="What the switch does. [default: keep]")] = None,
        kind: Annotated[
            Kind, typer.Option(help="Kind of the credentials that do not say theirs.")
        ] = Kind.KB_MOBILE_CERTIFICATE,
        each: Annotated[bool, typer.Option("--each", help="One row per credential and policy.")] = False,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Replay the history under other policies, after a check of how well the factual one is replayed.

        For a whole bank: snapshot once, then run.
        """
        if context.invoked_subcommand is not None:
            _check_nothing_before(context)
            return
        if not policy:
            raise BadInput("--policy is missing: a what-if needs one, or a command: snapshot, run, rerun")
        switch = moment(switch_at, option="--switch-at")
        if mode is not None and switch is None:
            raise BadInput("--mode says what a switch does: give its moment with --switch-at")
        scenarios = scenarios_of(_documents(policy), switch_at=switch, mode=mode)
        asked = moment(as_of, option="--as-of") or composition.now()
        if facts is not None:
            histories, book = _from_facts(facts, policy, kind)
        else:
            with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
                histories, book = histories_of_ledger(opened.store), questions.policies(opened.store)
        run = what_if(scenarios, book=book, as_of=asked)
        _answer(run, histories, each=each, as_json=as_json)

    for commands in (what_if_snapshot, what_if_running):
        commands.register(group, composition)
    app.add_typer(group)


def _check_nothing_before(context: typer.Context) -> None:
    """Raise BadInput for an option that stands before the name of a command: it would be lost."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            command = context.invoked_subcommand
            raise BadInput(
                f"--{name.removeprefix('as_json').replace('_', '-') or 'json'} stands before {command}: write it after"
            )


def _documents(arguments: list[str]) -> dict[str, RenewalPolicy]:
    """Return the policies asked about by the label that their answers carry. Raises BadInput, BadFile."""
    try:
        return labelled(policies_typed(arguments))
    except TwiceGiven as twice:
        raise BadInput(str(twice)) from None


def _from_facts(path: Path, policy: list[str], kind: Kind) -> tuple[list[Recorded], PolicyBook]:
    given = policies_of(policies_typed(policy))
    # The policy in force stands apart: a given one may bear its name, and then a fact that names it means that one.
    policies = replace(given, otherwise=apart(given.otherwise, 0))
    try:
        histories = histories_of_facts(facts_file(path).rows(), policies=policies, kind=kind)
    except LineError as bad:
        raise BadInput(f"{path}, line {bad.number}: {bad.reason}") from None
    return histories, PolicyBook.of(*policies.named.values(), policies.otherwise)


def _answer(run: WhatIf, histories: list[Recorded], *, each: bool, as_json: bool) -> None:
    rows = run.run(histories)
    if each and as_json:
        for row in rows:
            print_json(_row(row, run))
        for line in check_lines(run.check):
            warn(line)
        return
    # Read to the end either way: the check and the summaries fill up as the rows go by.
    answered = [_row(row, run) for row in rows if each]
    if as_json:
        print_json(told(run))
        return
    for line in check_lines(run.check):
        print_line(line)
    print_line()
    if each:
        print_table(list(answered[0]) if answered else [], [list(row.values()) for row in answered])
        print_line()
    print_summaries(run)


def _row(row: Row, run: WhatIf) -> dict[str, object]:
    answer, zone = row.answer, run.scenarios[row.policy].policy.zone
    return {
        "policy": row.policy,
        "credential": row.credential,
        "state": answer.state,
        "expires_at": plain(answer.expires_at, zone=zone),
        "eligible_from": plain(answer.eligible_from, zone=zone),
        "auto_renewal": answer.auto_renewal,
        "renewed_at": plain(answer.renewed_at, zone=zone),
    }


def check_lines(check: SelfCheck) -> list[str]:
    """Say how far a replay of the policy in force differs from what was recorded or observed."""
    lines = [f"Factual replay of {check.credentials:,} credentials under the policies in force:"]
    if check.recorded:
        same = "the same decisions for each" if check.differing == 0 else f"{check.differing:,} differ"
        lines.append(f"  recorded decisions: {same}.")
    for what, seen, replayed in (
        ("renewals", check.observed_renewals, check.observed_renewals_replayed),
        ("expiries", check.observed_expiries, check.observed_expiries_replayed),
    ):
        if seen:
            lines.append(f"  observed {what}: {replayed:,} of {seen:,} come out at the same instant.")
    if len(lines) == 1:
        lines.append("  nothing was recorded or observed to compare it with.")
    if not check.agrees:
        lines.append("  Read the figures below with that difference in mind.")
    return lines


def print_summaries(run: WhatIf) -> None:
    states = ("active", "suspended", "expired", "revoked", "not_issued")
    columns = ("policy", *states, "renewals", "lapses", "refused uses", "credentials changed")
    rows = [
        (
            each.policy,
            *(f"{each.credentials[state]:,}" for state in states),
            f"{each.renewals:,}",
            f"{each.lapses:,}",
            f"{each.refused_uses:,}",
            f"{each.changed:,}",
        )
        for each in run.summaries.values()
    ]
    print_table(columns, rows, title=f"As of {iso(run.as_of)}")
