"""Whether a process may be sent requests."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable

Check = Callable[[], str | None]
"""What asks whether one thing will do: None, or in a few words why it does not.

Raising Unavailable, OutcomeUnknown or LedgerDamaged says the same by the error's message.
"""
GOOD = "ok"


class Closing(Protocol):
    """What was opened, and is to be closed."""

    def close(self) -> None: ...


class Ready(NamedTuple):
    """One thing that must be in order, whether it is, and what was found."""

    name: str
    ok: bool
    what: str


def readiness(checks: Iterable[tuple[str, Check]]) -> list[Ready]:
    """Ask each check, in order, and return what was found; a service is ready if all of them are ok.

    Checks may ask the database: call it outside an event loop. What else a check raises is its type, for a message may
    hold anything: a check that fails is not ok, and never stops the others.
    """
    return [_asked(name, check) for name, check in checks]


def _asked(name: str, check: Check) -> Ready:
    try:
        wrong = check()
    except (Unavailable, OutcomeUnknown, LedgerDamaged) as error:
        return Ready(name, ok=False, what=str(error))
    except Exception as error:  # noqa: BLE001 (whatever it is, the service is not ready)
        return Ready(name, ok=False, what=type(error).__name__)
    return Ready(name, ok=wrong is None, what=wrong or GOOD)


def seal_stands(findings: Callable[[], Iterable[str]]) -> Check:
    """Return the check of a seal, from what yields its contradictions, such as `SealCheck.of_the_log`."""

    def check() -> str | None:
        return next(iter(findings()), None)

    return check


def tokens_can_be_checked(keys: Callable[[], object]) -> Check:
    """Return the check of bearer tokens, from what returns the issuer's keys or raises Unavailable if none are."""

    def check() -> None:
        keys()

    return check


def ledger_opens(connect: Callable[[], Closing]) -> Check:
    """Return the check of a ledger, from what connects as a command would, such as `PostgresEventStore.connect`.

    That raises Unavailable while a restore is not reconciled, the schema or the keystore is not this ledger's, or the
    database does not answer.
    """

    def check() -> None:
        connect().close()

    return check
