"""whatif snapshot: histories as columns, to be replayed under many policies."""

import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sealbook.adapters.cli.output import counted, print_json, print_line, progress
from sealbook.adapters.cli.session import (
    AsOfOption,
    BadInput,
    Composition,
    DsnOption,
    Interrupted,
    JsonOption,
    KeysOption,
    LedgerOption,
    Place,
    moment,
)
from sealbook.adapters.cli.what_if_asking import policies_typed, policy_files
from sealbook.adapters.history_files import policies_of
from sealbook.adapters.whole_files import check_places
from sealbook.domain.values import Kind

if TYPE_CHECKING:
    from sealbook.adapters.replay.snapshot import Snapshot

EXTRAS = {"numpy": "whatif", "numba": "whatif", "pyarrow": "whatif", "altair": "reports", "vl_convert": "reports"}
"""The packages that a run needs besides, and with which extra they come."""


def register(whatif: typer.Typer, composition: Composition) -> None:
    @whatif.command()
    def snapshot(
        out: Annotated[Path, typer.Argument(metavar="OUT", help="The snapshot to write, a Parquet file.")],
        facts: Annotated[Path | None, typer.Option(metavar="FILE", help="A facts file instead of the ledger.")] = None,
        uses: Annotated[Path | None, typer.Option(metavar="FILE", help="A uses file instead of the ledger.")] = None,
        policy: Annotated[
            list[str] | None,
            typer.Option(
                "--policy", metavar="FILE", help="Of a file: the policy in force, then those that facts name."
            ),
        ] = None,
        kind: Annotated[
            Kind, typer.Option(help="Of a file: kind of the credentials that do not say theirs.")
        ] = Kind.KB_MOBILE_CERTIFICATE,
        as_of: AsOfOption = None,
        update: Annotated[
            Path | None, typer.Option(metavar="OLD", help="An older snapshot of the ledger, to go on from.")
        ] = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Write a snapshot of the ledger, or of a file, that run replays."""
        if facts is not None and uses is not None:
            raise BadInput("--facts and --uses: a snapshot is made of one of them")
        if update is not None and (facts or uses) is not None:
            raise BadInput("--update goes on with a snapshot of the ledger, not with one of a file")
        now = composition.now()
        asked = moment(as_of, option="--as-of") or now
        if asked > now:
            raise BadInput(f"--as-of is {as_of!r}, which is still to come: a snapshot is of what happened")
        read = [each for each in (facts, uses, keys) if each is not None]
        check_places([out], inputs=[*read, *policy_files(policy or [])])
        with needed():
            if facts is not None or uses is not None:
                made = _of_file(out, _File(facts=facts, uses=uses, policies=policy or [], kind=kind), as_of=asked)
            elif policy:
                raise BadInput("--policy is for a snapshot of a file: the ledger knows which was in force")
            else:
                place = Place(ledger=ledger, dsn=dsn, keys=keys)
                made = _of_ledger(out, composition, place, as_of=asked, update=update)
        _answer(made, as_json=as_json)


@contextmanager
def needed() -> Generator[None]:
    """Say in one line what a run lacks, and what is wrong with a snapshot. Raises BadInput."""
    try:
        from sealbook.adapters.replay.snapshot import BadSnapshot
    except ImportError as missing:
        raise _lacking(missing) from None
    try:
        with _ended_as_by_ctrl_c():
            yield
    except ImportError as missing:
        raise _lacking(missing) from None
    except BadSnapshot as bad:
        raise BadInput(str(bad)) from None
    except KeyboardInterrupt:
        raise Interrupted("interrupted; no file is half written, run the command again to begin anew") from None


@contextmanager
def _ended_as_by_ctrl_c() -> Generator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does: what is half written is then taken away."""
    # Not what somebody else takes care of, nor what is ignored on purpose, as by nohup.
    taken = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for each in taken:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)


def _lacking(missing: ImportError) -> BadInput:
    cause = missing.__cause__ if isinstance(missing.__cause__, ImportError) else missing
    package = (cause.name or "").partition(".")[0]
    if package == "sealbook":
        raise missing
    extra = EXTRAS.get(package, "whatif")
    return BadInput(f"this needs {package or 'a package'}, which is not installed: install sealbook[{extra}]")


def _of_ledger(
    out: Path, composition: Composition, place: Place, *, as_of: datetime, update: Path | None
) -> "Snapshot":
    from sealbook.adapters.replay.from_ledger import write_from_ledger
    from sealbook.adapters.replay.snapshot import opened

    older = None if update is None else opened(update)
    with composition.open(place) as ledger, progress("reading the ledger", "positions") as advanced:
        store: Any = ledger.store
        last = ledger.store.last_position()
        return write_from_ledger(
            out, store, as_of=as_of, position=last, older=older, advanced=lambda done: advanced(done, last)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file to make a snapshot of: `facts` or `uses`, and the policies that it needs to be read."""

    facts: Path | None
    uses: Path | None
    policies: Sequence[str]
    kind: Kind


def _of_file(out: Path, file: _File, *, as_of: datetime) -> "Snapshot":
    from sealbook.adapters.replay.from_files import write_from_facts, write_from_uses

    given = policies_of(policies_typed(file.policies))
    in_force = given.given
    with progress("reading the file", "lines") as advanced:
        if file.facts is not None:
            return write_from_facts(
                out, file.facts, in_force=in_force, named=given.named, kind=file.kind, as_of=as_of, advanced=advanced
            )
        assert file.uses is not None  # noqa: S101 (one of the two is there)
        return write_from_uses(out, file.uses, in_force=in_force, kind=file.kind, as_of=as_of, advanced=advanced)


def _answer(made: "Snapshot", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "snapshot": made.path,
                "digest": made.digest,
                "position": made.position,
                "as_of": made.as_of,
                "chains": made.chains,
                "customers": made.customers,
                "attempts": made.attempts,
                "truncated": made.truncated,
            }
        )
        return
    print_line(
        f"{made.path}: {counted(made.chains, 'chain')} of {counted(made.customers, 'customer')}, "
        f"{counted(made.attempts, 'attempt')}; sha256 {made.digest}"
    )
