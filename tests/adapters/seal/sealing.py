"""What the tests of the seal share: lives to seal, desks to seal them at, and files to compare."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.log_signer import FileLogSigner, LogSigner
from sealbook.adapters.seal.desk import SealDesk, Sealed
from sealbook.adapters.seal.folder import HEADS, LOCK, SealFolder
from sealbook.adapters.seal.rows import LedgerRows
from sealbook.application.ledger import execute
from tests.commands import MARCH, Script

ORIGIN = "bank.example/sealbook"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CREDENTIALS, USES = 5, 7


def signer(name: str = ORIGIN, number: int = 1, _make: bool = False, *, seed: bytes = b"s") -> LogSigner:
    own = bytes([seed[0] + number - 1])
    return FileLogSigner(name=name, key=Ed25519PrivateKey.from_private_bytes(own * 32))


def desk_of(store: PostgresEventStore, folder: Path) -> SealDesk:
    return SealDesk(
        folder=SealFolder(folder), store=store, rows=LedgerRows(store.connection), keys=store.keys, signer=signer
    )


def credential(number: int) -> UUID:
    return UUID(int=0xC << 64 | number)


def live(store: PostgresEventStore, *, seed: int = 0, credentials: int = CREDENTIALS) -> None:
    """Let customers apply for nothing, hold a credential each, and use it: about a dozen events a customer."""
    script = Script(seed=seed)
    execute(store, [script.adopt_policy()] if seed == 0 else [])
    for number in range(credentials):
        held = credential(seed * 1000 + number)
        person, phone = script.new_id(), script.new_id()
        commands = [script.enroll(person), script.register(phone), script.issue(held, customer=person, device=phone)]
        uses = [script.use(held, device=phone, at=MARCH + timedelta(hours=hour)) for hour in range(USES)]
        execute(store, [*commands, *uses])


def sealed(desk: SealDesk) -> Sealed:
    """Seal all that there is."""
    with desk.sealer(ORIGIN) as sealer:
        return desk.seal(sealer)


def mapped(desk: SealDesk) -> int:
    """Seal all that there is, and a map of it; return its streams."""
    with desk.sealer(ORIGIN) as sealer:
        desk.seal(sealer)
        return desk.map_heads(sealer, at=NOON)


def published(folder: Path) -> dict[str, bytes]:
    """What the folder shows to others, by file. What the sealer keeps for itself is no part of it."""
    own = {HEADS, LOCK}
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in own)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
