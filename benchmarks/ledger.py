"""A ledger for a benchmark: the embedded server with full durability, in a folder that goes away."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.eventstore import schema
from sealbook.adapters.eventstore.postgres import PostgresEventStore, connected
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys import keystore
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.adapters.keys.working import new_working_keys
from sealbook.adapters.postgres import binaries
from sealbook.adapters.postgres.databases import create_database
from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.application.commands import Command
from sealbook.application.ledger import execute
from sealbook.application.requests import OnPolicy
from sealbook.domain import policy
from sealbook.domain.presets import preset_policies

POLICY = preset_policies()["D"]
PGBENCH_SECONDS_MIN = 1
SINGLE_ROW = "INSERT INTO single_rows (body) VALUES ('twohundredbytes' || repeat('x', 185));"


@dataclass(frozen=True, slots=True)
class Bench:
    server: EmbeddedServer
    folder: Path

    @contextmanager
    def store(self, name: str) -> Generator[PostgresEventStore]:
        """Give a fresh ledger with one policy, in a database of that name."""
        dsn, kept = create_database(self.server, name), create_database(self.server, f"{name}_keys")
        root = FileRoot(self.folder / f"{name}-keys.json")
        keystore.create_keystore(kept, root, new_working_keys())
        keys = Keyring(Keystore(kept), root)
        with connected(dsn) as connection:
            schema.migrate(connection, keys=keys, new_id=new_id)
        store = PostgresEventStore.connect(dsn, keys=keys, randomness=os.urandom)
        execute(store, [adopt_policy(datetime.now(UTC))])
        try:
            yield store
        finally:
            store.close()
            keys.close()

    def dsn(self, name: str) -> str:
        return self.server.dsn(name)

    def surroundings(self, name: str, ledger: Path) -> dict[str, str]:
        """Return the settings by which a command of another process finds the ledger; `ledger` is its own folder."""
        return {
            "SEALBOOK_LEDGER": str(ledger),
            "SEALBOOK_DSN": self.dsn(name),
            "SEALBOOK_KEYSTORE_DSN": self.dsn(f"{name}_keys"),
            "SEALBOOK_KEYS": str(self.folder / f"{name}-keys.json"),
        }

    def create_single_rows(self) -> None:
        """Make the table that SINGLE_ROW inserts into."""
        with connected(self.server.dsn()) as connection:
            connection.execute("CREATE TABLE single_rows (id bigserial PRIMARY KEY, body text)")

    def pgbench(self, script: str, *, clients: int, seconds: float) -> float:
        """Return the transactions a second of a script, on the same server. Its own time is in whole seconds."""
        parts = conninfo_to_dict(self.server.dsn())
        whole = max(PGBENCH_SECONDS_MIN, round(seconds))
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(script)
            file.flush()
            command = [str(binaries.find().folder / "pgbench"), "-n", "-M", "prepared", "-T", str(whole)]
            command += ["-c", str(clients), "-j", str(min(2, clients)), "-f", file.name]
            command += ["-h", str(parts["host"]), "-p", str(parts["port"]), "-U", str(parts["user"])]
            done = subprocess.run([*command, str(parts["dbname"])], capture_output=True, text=True, check=True)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("tps = ")]
        return float(line.split()[2])


def adopt_policy(at: datetime) -> Command:
    request = OnPolicy(policy_id=POLICY.policy_id, stream=new_id(), command=policy.Adopt(at=at, document=POLICY))
    return Command(request=request, command_id=None, actor="bank", channel="bench")


@contextmanager
def bench() -> Generator[Bench]:
    folder = Path(tempfile.mkdtemp(prefix="sealbook-bench-"))
    try:
        with EmbeddedServer.join(folder / "ledger") as server:
            yield Bench(server, folder)
    finally:
        shutil.rmtree(folder)
