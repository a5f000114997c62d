"""Which keys a ledger gets: root keys from a file or an HSM, and the keystore that they open."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection

from sealbook.adapters.cli.session import BadInput
from sealbook.adapters.eventstore.postgres import connected, translated
from sealbook.adapters.keys import keystore
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.adapters.keys.pkcs11_root import Pkcs11Root
from sealbook.adapters.keys.pkcs11_token import HsmToken, TokenPlace
from sealbook.adapters.keys.roots import RootKeys
from sealbook.adapters.keys.working import new_working_keys
from sealbook.application.ports import Unavailable
from sealbook.settings import Settings


def root_keys(settings: Settings) -> RootKeys:
    """Return the root keys that the settings name. Raises BadInput, Unavailable."""
    if settings.pkcs11_module is None:
        return FileRoot(settings.key_file)
    return Pkcs11Root(hsm_token(settings))


def hsm_token(settings: Settings) -> HsmToken:
    """Return the token that the settings name. Raises BadInput, Unavailable."""
    if settings.pkcs11_module is None or settings.pkcs11_token is None:
        raise BadInput("SEALBOOK_PKCS11_MODULE is set: name the token too, in SEALBOOK_PKCS11_TOKEN")
    return HsmToken(TokenPlace(module=settings.pkcs11_module, token=settings.pkcs11_token, pin=_pin(settings)))


class Kept(NamedTuple):
    """Where the keystore of a ledger is, the ledger's id if it is there, and whether the keystore was made now."""

    dsn: str
    ledger: UUID | None
    made: bool


def make_keystore(settings: Settings, dsn: str, *, create: bool) -> Kept:
    """Find the keystore of a ledger; make one for a ledger that is not there yet. Raises BadInput, Unavailable."""
    with connected(dsn) as connection, translated():
        place = settings.keystore_dsn or keystore.keystore_dsn(dsn, connection.info.dbname)
        database = None if settings.keystore_dsn else connection.info.dbname + keystore.DATABASE_SUFFIX
        if has_ledger(connection):
            if database is not None and not keystore.database_is_there(connection, database):
                raise Unavailable(f"the ledger's keystore, database {database}, is missing: bring back its backup")
            return Kept(place, _ledger_id(connection), made=False)
        if not create:
            raise Unavailable("there is no ledger in this database: create it with sealbook migrate")
        if database is not None:
            keystore.create_database(connection, database)
    return Kept(place, None, made=keystore.create_keystore(place, root_keys(settings), new_working_keys()))


@contextmanager
def opened_keyring(settings: Settings, dsn: str, *, create: bool) -> Generator[Keyring]:
    """Open the keys of a ledger; `create` makes them for one that is not there yet. Raises BadInput, Unavailable."""
    place, ledger, _ = make_keystore(settings, dsn, create=create)
    store = Keystore(place)
    try:
        _check_bound(store.run(keystore.ledger), ledger)
        yield Keyring(store, root_keys(settings))
    finally:
        store.close()


def bind(keys: Keyring, connection: Connection) -> None:
    """Note in a new keystore whose keys it holds."""
    ledger = _ledger_id(connection)
    if ledger is not None:
        keys.store.run(lambda of_keys: keystore.bind(of_keys, ledger))


def _check_bound(bound: UUID | None, ledger: UUID | None) -> None:
    if bound is not None and bound != ledger:
        raise Unavailable(
            f"the keystore belongs to ledger {bound}, and this one is {ledger or 'not made yet'}:"
            " name the right one in SEALBOOK_KEYSTORE_DSN"
        )


def _pin(settings: Settings) -> str:
    if settings.pkcs11_pin is not None:
        return settings.pkcs11_pin
    if settings.pkcs11_pin_file is None:
        raise BadInput("the HSM needs its PIN: give SEALBOOK_PKCS11_PIN or SEALBOOK_PKCS11_PIN_FILE")
    try:
        return settings.pkcs11_pin_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise BadInput(f"the PIN file {settings.pkcs11_pin_file} cannot be read") from None


def has_ledger(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass('sealbook.ledger') IS NOT NULL").fetchone()
    return row is not None and bool(row[0])


def _ledger_id(connection: Connection) -> UUID | None:
    row = connection.execute("SELECT id FROM sealbook.ledger").fetchone() if has_ledger(connection) else None
    return None if row is None else row[0]
