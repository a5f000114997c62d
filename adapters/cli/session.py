"""What every command shares: which ledger it speaks to, how it answers, and what it may not know.

The composition root hands in an `Opener`; no command knows a store, a server or a clock of its own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol
from uuid import UUID

import typer

from sealbook.application.agenda import Agenda
from sealbook.application.ports import EventStore, ReadModels
from sealbook.application.retention import Archive
from sealbook.application.vault import Vault
from sealbook.domain.calendar import EARLIEST, LATEST
from sealbook.domain.kind_document import KindBook

if TYPE_CHECKING:
    from sealbook.adapters.cli.configuration import Configuration
    from sealbook.adapters.keys.keyring import Keyring
    from sealbook.adapters.keys.status import KeysStatus
    from sealbook.adapters.seal.desk import SealDesk

DEFAULT_LEDGER = Path("sealbook-data")
TEXT_LENGTH_MAX = 200

LedgerOption = Annotated[
    Path | None,
    typer.Option("--ledger", metavar="DIR", help="Folder of the embedded ledger. [default: ./sealbook-data]"),
]
DsnOption = Annotated[
    str | None,
    typer.Option("--dsn", metavar="DSN", help="A PostgreSQL of your own instead; SEALBOOK_DSN does the same."),
]
KeysOption = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", help="The ledger's key file; SEALBOOK_KEYS does the same."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
SealOption = Annotated[
    Path | None,
    typer.Option(
        "--seal", metavar="DIR", help="Folder of the seal; SEALBOOK_SEAL does the same. [default: LEDGER/seal]"
    ),
]
AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", metavar="T", help="What was true then: ISO 8601 with offset. [default: now]"),
]
KnownAtOption = Annotated[
    str | None,
    typer.Option("--known-at", metavar="T", help="By what the ledger knew then. [default: now]"),
]


class BadInput(Exception):
    """What was typed cannot be used. The message says what to type instead."""


class Interrupted(Exception):
    """Ctrl-C ended a command of which not the usual is to be said. The message says what became of its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which ledger a command was told to use; None where nothing was said."""

    ledger: Path | None = None
    dsn: str | None = field(default=None, repr=False)
    keys: Path | None = None
    seal: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLedger:
    """A ledger that a command may use until it returns. `kinds` is what the bank allows.

    `findings` reads all of it and yields a line for each contradiction. It tells how far it is, and what is
    worth knowing and no contradiction. `reach` is how another process of ours gets at the ledger,
    `archive` what the maintenance role moves and destroys, `agenda` when the timers are to look at what, `vault`
    what is kept of persons.
    """

    store: EventStore
    read_models: ReadModels
    findings: Callable[[Callable[[int], None], Callable[[str], None]], Iterator[str]]
    now: datetime
    new_id: Callable[[], UUID]
    kinds: KindBook
    reach: Mapping[str, object] = field(repr=False)
    keys: "Keyring"
    desk: "SealDesk"
    archive: Callable[[], AbstractContextManager[Archive]]
    agenda: Agenda
    vault: Vault


class Composition(Protocol):
    """What the composition root can do for a command."""

    @property
    def version(self) -> str:
        """The version of Sealbook."""
        ...

    def open(
        self, place: Place, *, create: bool = False, reconciling: bool = False
    ) -> AbstractContextManager[OpenLedger]:
        """Open a ledger; `create` makes one where there is none. Raises BadInput and Unavailable.

        Only who is `reconciling` gets one whose keys are not as far as its erasures.
        """
        ...

    def migrate(self, place: Place) -> list[int]:
        """Create a ledger or bring it up to date; return the numbers of the migrations that ran."""
        ...

    def create_keys(self, place: Place) -> "tuple[bool, KeysStatus]":
        """Make the keys of a ledger that is not there yet; tell whether there were none, and what there is now."""
        ...

    def keep_command_days(self, place: Place, *, kept_days: int) -> tuple[int, int]:
        """Make the partitions of the coming days of command ids, drop those before the kept days; return how many."""
        ...

    def serve(
        self, place: Place, *, host: str, port: int, workers: int, development: bool, listening: Callable[[int], None]
    ) -> None:
        """Run the service until it is told to end; `listening` is told its port. Raises BadInput, Unavailable."""
        ...

    def development_token(
        self, place: Place, *, role: str, subject: str, customer: str | None, lifetime_seconds: int
    ) -> tuple[str, Sequence[str]]:
        """Return a token that a service in development mode takes, and what is to be said of it. Raises BadInput."""
        ...

    def doctor(self, place: Place) -> list[tuple[str, str, bool]]:
        """Return what was found on this computer: a thing, what it is like, and whether that will do."""
        ...

    def configuration(self, place: Place) -> "Configuration":
        """Return every setting as it holds for a place, with secrets hidden, and variables that nobody reads."""
        ...

    def seal_folder(self, place: Place) -> Path:
        """Return the folder of the seal that a place means; it need not be there."""
        ...

    def now(self) -> datetime: ...

    def kinds(self) -> KindBook:
        """Return the kinds of credential: the bank's own, or what the package brings. Raises BadInput."""
        ...


def short_text(typed: str, *, option: str) -> str:
    """Return what was typed, which the ledger keeps for good. Raises BadInput."""
    text = typed.strip()
    if not text or len(text) > TEXT_LENGTH_MAX or not text.isprintable():
        raise BadInput(f"{option} is a short text or a reference: up to {TEXT_LENGTH_MAX} characters, on one line")
    return text


def moment(text: str | None, *, option: str) -> datetime | None:
    """Return the moment that was typed. Raises BadInput."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{option} is {text!r}: write ISO 8601 with offset, like 2024-03-15T10:00:00+09:00") from None
    if found.tzinfo is None:
        raise BadInput(f"{option} is {text!r}: a time needs its offset, like +09:00 or Z")
    if not EARLIEST.year < found.year < LATEST.year:
        raise BadInput(f"{option} lies outside the years {EARLIEST.year + 1} to {LATEST.year - 1}")
    return found
