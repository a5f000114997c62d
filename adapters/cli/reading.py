"""show, history and report: questions, at a moment on both axes of time."""

from contextlib import suppress
from datetime import datetime
from typing import Annotated, cast

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
from sealbook.adapters.plain import fields_of, iso, plain, told_entry
from sealbook.application import questions
from sealbook.application.names import NameKind
from sealbook.application.ports import ReadModelsElsewhere
from sealbook.application.questions import Standing
from sealbook.domain.catalogue import event_name
from sealbook.projections.counts import Report
from sealbook.projections.timeline import Entry
from sealbook.projections.validity import ValidityState


def register(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def show(
        credential: Annotated[str, typer.Argument(help="A credential's name or id.")],
        as_of: AsOfOption = None,
        known_at: KnownAtOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Show a credential's validity, expiry and eligibility for renewal, and why."""
        asked, known = moment(as_of, option="--as-of"), moment(known_at, option="--known-at")
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
            standing = questions.show(opened.store, credential, as_of=asked or opened.now, known_at=known)
        if as_json:
            print_json({"credential": credential, "known_at": known or opened.now, **_standing(standing)})
        else:
            _print_standing(credential, standing)
            _print_known(known)

    @app.command()
    def history(
        name: Annotated[str, typer.Argument(help="Name or id of a credential, customer, device or policy.")],
        of: Annotated[NameKind | None, typer.Option("--of", help="What the name is of, if several have it.")] = None,
        as_of: AsOfOption = None,
        known_at: KnownAtOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Tell what happened, with the state before and after each event."""
        kinds = list(NameKind) if of is None else [of]
        asked, known = moment(as_of, option="--as-of"), moment(known_at, option="--known-at")
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
            entries = questions.history(opened.store, name, kinds=_sought(kinds), as_of=asked, known_at=known)
        if as_json:
            for entry in entries:
                print_json(told_entry(entry))
        else:
            print_timeline(entries)

    @app.command()
    def report(
        as_of: AsOfOption = None,
        known_at: KnownAtOption = None,
        as_json: JsonOption = False,
        ledger: LedgerOption = None,
        dsn: DsnOption = None,
        keys: KeysOption = None,
    ) -> None:
        """Count credentials by state and kind, and events by type."""
        asked, known = moment(as_of, option="--as-of"), moment(known_at, option="--known-at")
        with composition.open(Place(ledger=ledger, dsn=dsn, keys=keys)) as opened:
            moment_asked = asked or opened.now
            counted = None
            if known is None:
                # Where they answer nothing for now, the log is folded.
                with suppress(ReadModelsElsewhere):
                    opened.read_models.catch_up()
                    counted = opened.read_models.tally(as_of=moment_asked)
            counts = questions.count(opened.store, as_of=moment_asked, known_at=known, counted=counted)
        if as_json:
            print_json({"as_of": counts.as_of, "known_at": known or opened.now, **_report(counts)})
        else:
            print_report(counts)
            _print_known(known)


def _sought(kinds: list[NameKind]) -> list[NameKind]:
    """Return the kinds with the credential first: a bank may give a customer and a credential one number."""
    return sorted(kinds, key=lambda kind: kind is not NameKind.CREDENTIAL)


def _standing(standing: Standing) -> dict[str, object]:
    return {
        "as_of": standing.as_of,
        "validity": standing.validity,
        "expiry": standing.expiry,
        "eligibility": standing.eligibility,
    }


def _print_known(known_at: datetime | None) -> None:
    """Say of an answer that it is not by what the ledger knows now."""
    if known_at is not None:
        print_line(f"by what the ledger knew at {iso(known_at)}")


def _report(counts: Report) -> dict[str, object]:
    return {
        "credentials": counts.credentials,
        "kinds": counts.kinds,
        "events": counts.events,
        "expiring_soon": counts.expiring_soon,
        "eligible_for_renewal": counts.eligible_for_renewal,
    }


def _print_standing(name: str, standing: Standing) -> None:
    validity, eligibility = standing.validity, standing.eligibility
    print_line(f"{name} as of {iso(standing.as_of)}: {validity.state.upper()}")
    print_line(f"  {why(standing)}")
    if standing.expiry is None:
        if validity.policy is not None:
            print_line(f"  applied for under {validity.policy}; folded up to version {validity.version}")
        return
    rows: list[tuple[str, object]] = [
        ("valid from", validity.valid_from),
        ("expires at (exclusive)", validity.expires_at),
        ("last valid day", validity.last_valid_day),
        ("days left", None if validity.revoked else standing.expiry.days_left),
        ("period", standing.expiry.period),
        ("automatic renewal", eligibility.status + (f" ({eligibility.reason})" if eligibility.reason else "")),
        ("eligible from", eligibility.eligible_from),
        ("qualifying uses", eligibility.qualifying_uses),
        ("last qualifying use", eligibility.last_use),
        ("blocked by", ", ".join(eligibility.blocked_by) or None),
        ("decided under", eligibility.decided_under),
        ("folded up to", f"version {validity.version}, position {validity.position}"),
    ]
    for label, value in rows:
        print_line(f"  {label:<24}{'-' if value is None else plain(value)}")


def why(standing: Standing) -> str:
    """Return in a sentence why a use would pass or not."""
    validity = standing.validity
    match validity.state:
        case ValidityState.NOT_ISSUED:
            return "Nothing was known of it, or it had not been issued."
        case ValidityState.ACTIVE if validity.expires_at is None:
            return "A use from its device passes; it has no end."
        case ValidityState.ACTIVE:
            return f"A use from its device passes, through {validity.last_valid_day}."
        case ValidityState.SUSPENDED:
            return "A use is refused until it is resumed."
        case ValidityState.LOCKED:
            return "A use is refused until the holder is identified and it is unlocked."
        case ValidityState.RESET_REQUIRED:
            return "A use is refused until it is set up again on the device."
        case ValidityState.APPLYING:
            return "It is applied for; nothing has been issued yet."
        case ValidityState.ABANDONED | ValidityState.REJECTED:
            return "The application ended without an issue."
        case ValidityState.EXPIRED:
            return f"A use is refused: its last valid day was {validity.last_valid_day}."
        case ValidityState.REVOKED:
            return "A use is refused: it was revoked, which is final."


def print_timeline(entries: list[Entry], *, most: int | None = None) -> None:
    shown = entries if most is None or len(entries) <= most else [*entries[: most // 2], *entries[-(most // 2) :]]
    rows = [
        (each.recorded.version, each.recorded.event.at, event_name(each.recorded.event), _changed(each))
        for each in shown
    ]
    print_table(("#", "when", "event", "changed"), rows)
    if len(shown) < len(entries):
        print_line(f"({len(entries) - len(shown)} events in between are not shown)")


_TOLD_BY_WHAT_MOVED = ("bounds", "document", "kind", "holder", "policy", "qualifies", "grace_until", "provenance")
"""Fields of an event that need no word of their own: they are ours alone, or stand among what it moved."""
_SHOWN = (
    "term.bounds.expires_at",
    "term.bounds.eligible_from",
    "suspended",
    "lockout.locked",
    "reset_required",
    "revoked",
    "lapsed_at",
    "policy",
    "term.objected",
)


def _changed(entry: Entry) -> str:
    fields = fields_of(entry.recorded.event)
    told = [f"{key} {_told(value)}" for key, value in fields.items() if value and key not in _TOLD_BY_WHAT_MOVED]
    moved = [
        f"{path.rpartition('.')[2]} {plain(entry.before.get(path))} -> {plain(entry.after[path])}"
        for path in _SHOWN
        if path in entry.after and path in entry.before
    ]
    begun = [
        f"{path.rpartition('.')[2]} {plain(entry.after[path])}"
        for path in _SHOWN[:2]
        if path in entry.after and path not in entry.before
    ]
    return ", ".join([*told, *begun, *moved])


def _told(value: object) -> object:
    """Return what a record says, without what it does not say."""
    if not isinstance(value, dict):
        return value
    said = cast("dict[str, object]", value)
    return " ".join(f"{key} {each}" for key, each in said.items() if each not in (None, 0, ""))


_ALWAYS_COUNTED = (ValidityState.ACTIVE, ValidityState.SUSPENDED, ValidityState.EXPIRED, ValidityState.REVOKED)


def print_report(counts: Report) -> None:
    states = [state for state, count in counts.credentials.items() if count or state in _ALWAYS_COUNTED]
    by_kind = {**counts.kinds, "all": counts.credentials}
    print_table(
        ("credentials", *states),
        [(kind, *(by_state[state] for state in states)) for kind, by_state in by_kind.items()],
        title=f"As of {iso(counts.as_of)}",
    )
    print_line()
    print_table(("events", "count"), [(name, f"{number:,}") for name, number in counts.events.items()])
    print_line()
    print_line(f"expiring within 30 days: {counts.expiring_soon:,}")
    print_line(f"eligible for renewal: {counts.eligible_for_renewal:,}")
