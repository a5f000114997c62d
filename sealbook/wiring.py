"""The composition root: which store, which server, which clock a command gets."""

import importlib
import os
import platform
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from psycopg import Connection

from sealbook import __version__
from sealbook.adapters.cli.configuration import Configuration
from sealbook.adapters.cli.session import BadInput, OpenLedger, Place
from sealbook.adapters.eventstore import command_days, schema
from sealbook.adapters.eventstore.archive import PostgresArchive
from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected, translated
from sealbook.adapters.eventstore.reach import reach_of
from sealbook.adapters.history_files import is_there
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.status import KeysStatus, status_of
from sealbook.adapters.kind_files import BadKinds, read_kinds
from sealbook.adapters.postgres import binaries
from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.adapters.read_models.agenda import PostgresAgenda
from sealbook.adapters.read_models.postgres import PostgresReadModels
from sealbook.adapters.vault.postgres import PostgresVault
from sealbook.application.ports import Unavailable
from sealbook.configured import configuration
from sealbook.domain.kind_document import KindBook
from sealbook.domain.presets import preset_kinds
from sealbook.key_wiring import bind, has_ledger, make_keystore, opened_keyring
from sealbook.seal_wiring import found_seal, seal_check, seal_desk
from sealbook.settings import Settings

DATA_FOLDER = "pgdata"


class Wiring:
    """What a command may ask of the world, made of the adapters that there are."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def version(self) -> str:
        return __version__

    def now(self) -> datetime:
        return datetime.now(UTC)

    def kinds(self) -> KindBook:
        """Return the kinds of SEALBOOK_KINDS, or those that the package brings. Raises BadInput."""
        folder = self._settings.kinds
        try:
            return preset_kinds() if folder is None else read_kinds(folder)
        except BadKinds as bad:
            raise BadInput(str(bad)) from None

    @contextmanager
    def open(self, place: Place, *, create: bool = False, reconciling: bool = False) -> Generator[OpenLedger]:
        """Open a ledger until the block ends. Raises BadInput, Unavailable."""
        settings, kinds = self._settings.for_place(place), self.kinds()
        with ExitStack() as stack:
            dsn = stack.enter_context(_database(settings, create=create))
            keys = stack.enter_context(opened_keyring(settings, dsn, create=create))
            _prepare(settings, dsn, keys, create=create)
            store = PostgresEventStore.connect(dsn, keys=keys, randomness=os.urandom, reconciling=reconciling)
            stack.callback(store.close)
            yield OpenLedger(
                store=store,
                read_models=PostgresReadModels(store.connection, store),
                findings=lambda advanced, noted: Fsck(store.connection, keys=keys, seal=seal_check(settings)).findings(
                    advanced=advanced, noted=noted
                ),
                now=self.now(),
                new_id=new_id,
                kinds=kinds,
                reach=reach_of(store),
                keys=keys,
                desk=seal_desk(settings, store),
                archive=lambda: _archive(dsn),
                agenda=PostgresAgenda(store.connection, store),
                vault=PostgresVault(store.connection, keys=keys, randomness=os.urandom),
            )

    def migrate(self, place: Place) -> list[int]:
        settings = self._settings.for_place(place)
        with _database(settings, create=True) as dsn, opened_keyring(settings, dsn, create=True) as keys:
            return _migrate(dsn, keys)

    def create_keys(self, place: Place) -> tuple[bool, KeysStatus]:
        settings = self._settings.for_place(place)
        with _database(settings, create=True) as dsn:
            made = make_keystore(settings, dsn, create=True).made
            with opened_keyring(settings, dsn, create=True) as keys:
                return made, status_of(keys)

    def keep_command_days(self, place: Place, *, kept_days: int) -> tuple[int, int]:
        settings = self._settings.for_place(place)
        with _database(settings, create=False) as dsn, _closing(connected(dsn)) as connection:
            with translated():
                schema.check_version(connection)
            return command_days.keep_command_days(connection, today=self.now().date(), kept_days=kept_days)

    def configuration(self, place: Place) -> Configuration:
        return configuration(self._settings, place, environment=os.environ)

    def seal_folder(self, place: Place) -> Path:
        return self._settings.for_place(place).seal_folder

    def serve(
        self, place: Place, *, host: str, port: int, workers: int, development: bool, listening: Callable[[int], None]
    ) -> None:
        service_wiring = _service_wiring()
        settings = self._settings.for_place(place)
        with self.open(place) as opened:
            service_wiring.serve(
                settings,
                opened,
                host=host,
                port=port,
                workers=workers,
                development=development,
                listening=listening,
            )

    def development_token(
        self, place: Place, *, role: str, subject: str, customer: str | None, lifetime_seconds: int
    ) -> tuple[str, Sequence[str]]:
        service_wiring = _service_wiring()
        folder = self._settings.for_place(place).ledger
        made: tuple[str, Sequence[str]] = service_wiring.development_token(
            folder, role=role, subject=subject, customer=customer, lifetime_seconds=lifetime_seconds
        )
        return made

    def doctor(self, place: Place) -> list[tuple[str, str, bool]]:
        settings = self._settings.for_place(place)
        return [
            ("sealbook", __version__, True),
            ("python", platform.python_version(), True),
            _found_postgres(settings),
            _found_ledger(self, place, settings),
            found_seal(settings),
        ]


def _service_wiring() -> ModuleType:
    """Return the composition of the service, for which not everybody has the packages. Raises BadInput."""
    try:
        return importlib.import_module("sealbook.service_wiring")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("sealbook"):
            raise
        raise BadInput(f"the service needs {missing.name}: install sealbook with its extra server") from None


@contextmanager
def _database(settings: Settings, *, create: bool) -> Generator[str]:
    """Give a connection string as the maintenance role, which every command leaves at once for its own."""
    if settings.dsn is not None:
        yield settings.dsn
        return
    if not create and not is_there(settings.ledger / DATA_FOLDER):
        raise BadInput(
            f"there is no ledger in {settings.ledger}: name one with --ledger DIR or --dsn,"
            " or make one with sealbook import or sealbook demo"
        )
    with EmbeddedServer.join(settings.ledger) as server:
        yield server.dsn()


def _prepare(settings: Settings, dsn: str, keys: Keyring, *, create: bool) -> None:
    # An embedded ledger is ours to bring up to date; in a bank's own database only an empty one is filled.
    if settings.dsn is None or (create and not _has_ledger(dsn)):
        _migrate(dsn, keys)


def _migrate(dsn: str, keys: Keyring) -> list[int]:
    with _closing(connected(dsn)) as connection, translated():
        ran = schema.migrate(connection, keys=keys, new_id=new_id)
        bind(keys, connection)
    return ran


def _has_ledger(dsn: str) -> bool:
    with _closing(connected(dsn)) as connection, translated():
        return has_ledger(connection)


@contextmanager
def _archive(dsn: str) -> Generator[PostgresArchive]:
    with _closing(connected(dsn)) as connection:
        yield PostgresArchive(connection)


@contextmanager
def _closing(connection: Connection) -> Generator[Connection]:
    try:
        yield connection
    finally:
        connection.close()


def _found_postgres(settings: Settings) -> tuple[str, str, bool]:
    if settings.dsn is not None:
        return "postgresql", "a server of your own, by SEALBOOK_DSN or --dsn", True
    try:
        found = binaries.find()
    except Unavailable as error:
        return "postgresql", str(error), False
    return "postgresql", f"{found.major} in {found.folder}", True


def _found_ledger(wiring: Wiring, place: Place, settings: Settings) -> tuple[str, str, bool]:
    where = "the given database" if settings.dsn is not None else str(settings.ledger)
    try:
        with wiring.open(place) as opened:
            return "ledger", f"{where}: {opened.store.last_position():,} events", True
    except BadInput:
        return "ledger", f"{where}: none yet", True
    except Unavailable as error:
        return "ledger", str(error), False
