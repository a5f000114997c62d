"""The service as a bank runs it, `sealbook serve`, in processes of its own, and what tests ask it for."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
from psycopg.conninfo import conninfo_to_dict

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.access import Role
from sealbook.adapters.http.development_keys import DevelopmentKeys
from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.application.ledger import execute
from sealbook.domain.presets import preset_policies
from tests.commands import Script
from tests.conftest import KeptKeys, Server
from tests.system.attacking import new_ledger

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
STAFF = (Role.TELLER, Role.CALL_CENTER, Role.AUDITOR, Role.ANALYST, Role.ADMINISTRATOR)
PHONE = {"model": "phone", "os_version": "15", "app": {"version": "6.2.0", "store": "google_play"}}
ATTESTATION = {"level": "secure_element", "digest": "a1"}


@dataclass(frozen=True)
class Kept:
    """A ledger in which the preset policies are adopted, and the settings by which a process finds it."""

    dsn: str
    settings: Mapping[str, str]


@contextmanager
def kept(server: Server, template: str, keys: KeptKeys, folder: Path) -> Generator[Kept]:
    """Make a ledger for a service, for as long as the block lasts. The service's own files are in `folder`."""
    folder.mkdir(exist_ok=True)
    with new_ledger(server, template) as dsn, keys.of_ledger(str(conninfo_to_dict(dsn)["dbname"])) as keystore:
        with (
            closing(Keyring(Keystore(keystore), FileRoot(keys.key_file))) as keyring,
            closing(PostgresEventStore.connect(dsn, keys=keyring, randomness=os.urandom)) as store,
        ):
            script = Script(1_000)
            execute(store, [script.adopt_policy(each) for each in preset_policies()])
        settings = {"SEALBOOK_DSN": dsn, "SEALBOOK_KEYS": str(keys.key_file), "SEALBOOK_LEDGER": str(folder)}
        yield Kept(dsn, settings)


@dataclass(frozen=True)
class Serving:
    """A running service in development mode, and its log."""

    address: tuple[str, int]
    process: "subprocess.Popen[bytes]"
    log: Path
    ledger: Kept

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    @cached_property
    def _keys(self) -> DevelopmentKeys:
        return DevelopmentKeys(Path(self.ledger.settings["SEALBOOK_LEDGER"]), clock=time)

    def token(self, *roles: Role, customer: str | None = None, subject: str | None = None) -> str:
        return self._keys.mint(subject or f"{roles[0]}-1", roles, customer=customer)

    def asked(
        self, method: str, path: str, body: object = None, *, by: str | None, key: UUID | None = None, **headers: str
    ) -> httpx.Response:
        """Ask over a connection of its own; headers are written with underscores."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if by is not None:
            said["authorization"] = f"Bearer {by}"
        if method == "POST":
            said.setdefault("idempotency-key", str(key or uuid4()))
        return httpx.request(method, self.url + path, json=body, headers=said, timeout=60)

    def done(self, path: str, body: object = None, *, by: str) -> dict[str, Any]:
        """Ask for what is not refused; return the answer."""
        answer = self.asked("POST", path, {} if body is None else body, by=by)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    @property
    def processes(self) -> list[int]:
        """The processes that answer and write, as the system knows them."""
        own = self.process.pid
        return [int(each) for each in Path(f"/proc/{own}/task/{own}/children").read_text().split()]

    def resident_bytes(self) -> int:
        """How much memory the service has in all."""
        return sum(_resident_bytes(each) for each in (self.process.pid, *self.processes))


def _resident_bytes(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    return 0


@contextmanager
def serving(ledger: Kept, log: Path, *, workers: int = 1, **settings: str) -> Generator[Serving]:
    """Let a service run on a port that is free until the block ends; then it must have ended well."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("SEALBOOK_")}
    surroundings |= {"PYTHONPATH": str(REPOSITORY), **ledger.settings, **settings}
    command = [sys.executable, "-m", "sealbook", "serve", "--development", "--workers", str(workers), "--port", "0"]
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*command, "--json"],
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=written,
        )
    try:
        yield Serving(_address(process, log), process, log, ledger)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS_MAX) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> tuple[str, int]:
    assert process.stdout is not None
    begun, _, _ = select.select([process.stdout], [], [], START_SECONDS_MAX)
    line = process.stdout.readline() if begun else b""
    assert line, log.read_text()
    told: dict[str, str] = json.loads(line)
    place = urlsplit(told["listening"])
    return str(place.hostname), int(place.port or 0)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A customer with a phone and a one-time code generator on it, by their ids."""

    customer: str
    device: str
    credential: str
    provisioning_uri: str

    @property
    def ids(self) -> dict[str, str]:
        return {"customer": self.customer, "device": self.device, "credential": self.credential}


def held(service: Serving, name: str, *, identity: str | None = None, key: str | None = None) -> Held:
    """Enroll a customer, register a phone and issue a credential at the counter, over HTTP."""
    teller = service.token(Role.TELLER)
    person = {"name": name, "subkind": "individual", "identity": identity or f"identity of {name}"}
    customer = service.done("/v1/customers", person, by=teller)["id"]
    device = service.done("/v1/devices", {"key": key or f"key of {name}", **PHONE}, by=teller)["id"]
    service.done(f"/v1/customers/{customer}/join-service", {"service": "internet_banking"}, by=teller)
    wish = {
        "name": f"credential of {name}",
        "customer": customer,
        "kind": "mobile_otp",
        "device": device,
        "policy_id": "D",
        "evidence": "proofing-1",
        "attestation": ATTESTATION,
        "otp": {},
    }
    issued = service.done("/v1/credentials", wish, by=teller)
    return Held(customer=customer, device=device, credential=issued["id"], provisioning_uri=issued["provisioning_uri"])
