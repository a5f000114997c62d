"""What the attacks share: a bank with a DBA who may do anything to its database, and auditors outside."""

import json
import os
import shutil
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from struct import Struct
from typing import Any, LiteralString
from uuid import UUID, uuid4

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sealbook.adapters.eventstore.fsck import Fsck
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.keys.memory import MemoryKeys
from sealbook.adapters.seal.checking import SealCheck
from sealbook.adapters.seal.desk import SealDesk
from sealbook.adapters.seal.folder import SealFolder
from sealbook.adapters.seal.leaves import NO_LEAF
from sealbook.adapters.seal.notes import Checkpoint, Note, log_key, signed
from sealbook.adapters.seal.rows import StoredRow, leaf_of
from sealbook.adapters.seal.tiles import TileWriter
from sealbook.adapters.seal.witness import Verdict, Witness
from sealbook.adapters.seal.witness_asking import Witnessing
from sealbook_verify.cli import main
from tests.adapters.seal.sealing import ORIGIN, credential, desk_of, signer
from tests.conftest import WORKING_KEYS, Server

PROVEN, DISPROVED, BAD_INPUT, CANNOT_TELL = 0, 1, 2, 3
HELD = credential(0)
ACTOR = 3
"""Where a body has who did it."""
_RECORD = Struct(">16sIQI")
DESTROYED = 1 << 31
_UPDATE: LiteralString = "UPDATE sealbook.events SET salt = %s, mac = %s, body = %s WHERE position = %s"
_INSERT: LiteralString = "INSERT INTO sealbook.events VALUES (%s, now(), %s, %s, 0, %s, %s, %s)"


@dataclass
class Bank:
    """A ledger on a real server, and the folder of its seal. Its keys know of no other ledger's erasures."""

    dsn: str
    folder: Path
    keys: MemoryKeys = field(default_factory=lambda: MemoryKeys(WORKING_KEYS))
    databases: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.store = self._opened(self.dsn)

    @property
    def desk(self) -> SealDesk:
        return desk_of(self.store, self.folder)

    @property
    def note(self) -> Note:
        note = SealFolder(self.folder).checkpoint()
        assert note is not None
        return note

    def rows(self, stream: UUID | None = None) -> list[StoredRow]:
        return self.desk.rows.after(0, 100_000) if stream is None else self.desk.rows.of_stream(stream.bytes)

    def position(self, version: int, stream: UUID = HELD) -> int:
        return self.rows(stream)[version - 1].position

    def findings(self) -> list[str]:
        with connected(self.dsn) as connection:
            return list(Fsck(connection, keys=self.keys, seal=SealCheck(SealFolder(self.folder))).findings())

    # --- What a DBA can do

    @contextmanager
    def dba(self) -> Generator[psycopg.Connection]:
        """A superuser, past the triggers."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute("SET session_replication_role = replica")
            yield connection

    def alter(self, statement: LiteralString, *given: object) -> None:
        with self.dba() as dba:
            dba.execute(statement, given)

    def rewrite(self, position: int, *, key_stolen: bool, place: int = ACTOR, said: object = "nobody") -> None:
        """Let an event say something else; if nothing is given, that somebody else did it."""
        (row,) = self.desk.rows.after(position - 1, 1)
        body = retold(row.body, place=place, said=said)
        mac = row.mac or b""
        if key_stolen:
            mac = self.keys.mac(book=BOOK, stream=row.stream, version=row.version, salt=row.salt, body=body)
        self.alter(_UPDATE, row.salt, mac, body, position)

    def insert(self, *, stream: bytes, version: int, salt: bytes, mac: bytes, body: bytes) -> int:
        """Put an event at the end as if it had been appended; return its position."""
        with self.dba() as dba:
            stepped = "UPDATE sealbook.books SET position = position + 1 RETURNING position"
            ((position,),) = dba.execute(stepped).fetchall()
            dba.execute(_INSERT, [position, UUID(bytes=stream), version, salt, mac, body])
        return int(position)

    def backed_up(self) -> str:
        """Copy the database as it is now; return the copy's name."""
        self.store.close()
        self.databases.append(f"backup_{uuid4().hex}")
        self._administer("CREATE DATABASE {} TEMPLATE {}", self.databases[-1], _name(self.dsn))
        self.store = self._opened(self.dsn)
        return self.databases[-1]

    def restore(self, backup: str) -> None:
        self.store.close()
        self._administer("DROP DATABASE {} WITH (FORCE)", _name(self.dsn))
        self._administer("CREATE DATABASE {} TEMPLATE {}", _name(self.dsn), backup)
        self.store = self._opened(self.dsn)

    def double(self, folder: Path) -> "Bank":
        """Return a second bank that has the same history and the same seal so far, and the same keys."""
        shutil.copytree(self.folder, folder)
        return Bank(make_conninfo(self.dsn, dbname=self.backed_up()), folder, self.keys)

    def close(self) -> None:
        self.store.close()
        for each in self.databases:
            self._administer("DROP DATABASE {} WITH (FORCE)", each)

    def _opened(self, dsn: str) -> PostgresEventStore:
        return PostgresEventStore.connect(dsn, keys=self.keys, randomness=os.urandom)

    def _administer(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(make_conninfo(self.dsn, dbname="postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def new_ledger(server: Server, template: str) -> Generator[str]:
    """Make a database with an empty ledger, for as long as the block lasts."""
    name = f"ledger_{uuid4().hex}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template))))
        yield server.dsn(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def bank_at(dsn: str, folder: Path) -> Generator[Bank]:
    with closing(Bank(dsn, folder)) as bank:
        yield bank


def _name(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


def retold(body: bytes, *, place: int = ACTOR, said: object = "nobody") -> bytes:
    fields: list[Any] = msgspec.msgpack.decode(body)
    fields[place] = said
    return msgspec.msgpack.encode(fields)


def faulty_log(folder: Path, rows: Iterable[StoredRow]) -> None:
    """Seal rows with the log's own key, whatever is wrong with them."""
    latest, tiles = dict[bytes, bytes](), TileWriter(folder)
    for row in rows:
        latest[row.stream] = leaf_of(row, previous=latest.get(row.stream, NO_LEAF)).hash
        tiles.add([latest[row.stream]])
    tiles.save()
    SealFolder(folder).trust_log([log_key(signer())])
    SealFolder(folder).put_checkpoint(signed(Checkpoint(ORIGIN, tiles.size, tiles.root()).text, [signer()]))


def careless_dump(rows: Iterable[StoredRow], *, destroyed: Mapping[int, bytes] | None = None) -> bytes:
    """Dump rows as they are; those at positions that are given have their bodies replaced by kind and commitment."""
    dump = bytearray(b"sealbook.events 1\n")
    for row in rows:
        closed = (destroyed or {}).get(row.position)
        content = row.salt + row.body if closed is None else closed
        dump += _RECORD.pack(row.stream, row.version, row.recorded_us, len(content) | DESTROYED * (closed is not None))
        dump += content
    return bytes(dump)


# --- Outsiders


@dataclass(frozen=True)
class Said:
    """The verifier's verdict."""

    code: int
    facts: Mapping[str, Any]

    @property
    def found(self) -> tuple[int, str | None, int | None]:
        """The exit code, and of what is disproved which claim at which position."""
        return self.code, self.facts.get("claim"), self.facts.get("position")

    @property
    def says(self) -> str:
        return str(self.facts.get("says"))


class Auditor:
    """Verifies what the bank hands over, under a policy of its own: the log's key, and perhaps a witness."""

    def __init__(self, folder: Path, *, log: str = ORIGIN, witness: Witness | None = None) -> None:
        folder.mkdir()
        self._folder = folder
        named = "" if witness is None else f"witness w {witness.key}\n"
        (folder / "policy").write_text(f"log {log_key(signer(log))}\n{named}quorum none\n", encoding="utf-8")

    def history(self, content: bytes, stream: UUID, *more: str) -> Said:
        return self._said("history", [content], ["--stream", str(stream), *more])

    def entry(self, proof: str) -> Said:
        return self._said("entry", [proof.encode()])

    def growth(self, old: Note, new: Note, proof: str) -> Said:
        return self._said("growth", [str(old).encode(), str(new).encode(), proof.encode()])

    def full(self, log: Path, events: bytes, *more: str) -> Said:
        return self._said("full", [log, events], more)

    def whole(self, bank: Bank) -> Said:
        """Verify a bank's whole log, from a dump that its DBA wrote."""
        return self.full(bank.folder, careless_dump(bank.rows()))

    def read(self, verb: str, content: bytes) -> str:
        """Return the verdict as people read it."""
        return self._ran(verb, [content], ())[1]

    def _said(self, verb: str, contents: Iterable[bytes | Path], more: Iterable[str] = ()) -> Said:
        code, told = self._ran(verb, contents, ["--json", *more])
        return Said(code, json.loads(told) if code != BAD_INPUT else {"says": told})

    def _ran(self, verb: str, contents: Iterable[bytes | Path], more: Iterable[str]) -> tuple[int, str]:
        paths = list[str]()
        for number, content in enumerate(contents):
            path = content if isinstance(content, Path) else self._folder / f"file-{number}"
            if not isinstance(content, Path):
                path.write_bytes(content)
            paths.append(str(path))
        told = StringIO()
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(told))
            stack.enter_context(redirect_stderr(told))
            code = main([verb, *paths, "--policy", str(self._folder / "policy"), *more])
        return code, told.getvalue()


def new_witness(folder: Path) -> Witness:
    witness = Witness.create(folder, name="audit.example/w1")
    witness.trust(log_key(signer()))
    return witness


def asked(witness: Witness, folder: Path, *, old: int) -> Verdict:
    """Ask a witness to cosign the latest checkpoint of a folder, as one that continues what stood at `old`."""
    witnessing = Witnessing(SealFolder(folder))
    request = witnessing.request(witnessing.checkpoint(), old=old)
    return witness.add_checkpoint(str(request).encode(), time_seconds=int(datetime.now(UTC).timestamp()))


def cosigned(witness: Witness, folder: Path, *, old: int = 0) -> Note:
    """Have the latest checkpoint of a folder cosigned, and keep that there."""
    note = asked(witness, folder, old=old).cosigned
    assert note is not None
    Witnessing(SealFolder(folder)).take(note, witness.key)
    return note
