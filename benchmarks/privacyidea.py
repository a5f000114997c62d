"""The rival of the service: privacyIDEA as it comes from PyPI, in an environment of its own, on the same PostgreSQL.

SEALBOOK_PRIVACYIDEA names the folder of that environment. To make one, outside this project:

    python3.11 -m venv FOLDER
    FOLDER/bin/pip install privacyIDEA==3.14
    FOLDER/bin/pip install -r FOLDER/lib/privacyidea/requirements.txt gunicorn psycopg2-binary

The second line brings the list of the versions that privacyIDEA was tested with, the third goes back to them. It is
configured by every documented option for speed that leaves its signatures on (`FAST`), and served by two processes
of four threads each.
"""

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks.http_load import Load, Served, posted, serve
from benchmarks.ledger import Bench
from benchmarks.one_time_codes import Turns, code
from benchmarks.processes import check_listener
from sealbook.adapters.postgres.databases import create_database

ENVIRONMENT = "SEALBOOK_PRIVACYIDEA"
NAME = "privacyIDEA 3.14"
CONNECTIONS = 8
USERS = 5_000
STEP_SECONDS = 30
SECRET_BYTES = 20
ADMIN = "bench"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
FORM = "application/x-www-form-urlencoded"
HOST = "127.0.0.1"
LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+) ")
REQUESTS_A_SECOND_MAX = 1_000
FAST = """
PI_ENGINE_REGISTRY_CLASS = "shared"
SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 8, "max_overflow": 8}
PI_AUDIT_NO_PRIVATE_KEY_CHECK = True
PI_RESPONSE_NO_PRIVATE_KEY_CHECK = True
PI_CHECK_RELOAD_CONFIG = 60
PI_NO_INTERNAL_METRICS = True
PI_LOGLEVEL = 30
"""


def environment() -> Path | None:
    """Return the folder of the environment that holds the rival. Raises RuntimeError if none is there."""
    named = os.environ.get(ENVIRONMENT)
    if not named:
        return None
    folder = Path(named)
    if not (folder / "bin" / "pi-manage").exists():
        raise RuntimeError(f"{ENVIRONMENT} names a folder without bin/pi-manage: see benchmarks/privacyidea.py")
    return folder


class PrivacyIdea:
    """A running one. What it is asked is accepted, or a RuntimeError is raised."""

    def __init__(self, address: tuple[str, int], *, password: str, pid: int) -> None:
        self.pid = pid
        self._address = address
        self._authorization = _authorized(address, password)
        self._secrets = list[bytes]()
        self._turns = Turns(STEP_SECONDS)

    def enrol(self, *, seconds: float) -> Served:
        """Let eight connections enrol tokens with secrets that are known here, each for a user."""
        before = len(self._secrets)
        served = serve(self._address, self._enrolments(), self._load(seconds))
        self._turns.add(len(self._secrets) - before)
        return served

    def validate(self, *, seconds: float) -> Served:
        """Let eight connections each check a right code, by serial, and send the next."""
        requests = self._turns.requests(round(seconds * REQUESTS_A_SECOND_MAX), self._validation)
        return serve(self._address, requests, self._load(seconds))

    def _load(self, seconds: float) -> Load:
        return Load(connections=CONNECTIONS, seconds=seconds, accepts=_accepted)

    def _enrolments(self) -> Iterator[bytes]:
        while True:
            secret, number = secrets.token_bytes(SECRET_BYTES), len(self._secrets)
            self._secrets.append(secret)
            asked = {
                "type": "totp",
                "serial": _serial(number),
                "otpkey": secret.hex(),
                "timeStep": STEP_SECONDS,
                "user": f"user{1 + number % USERS}",
                "realm": "bench",
            }
            fields = {"authorization": self._authorization, "content-type": FORM}
            yield posted("/token/init", fields, urlencode(asked).encode())

    def _validation(self, number: int, timecode: int) -> bytes:
        asked = {"serial": _serial(number), "pass": code(self._secrets[number], timecode)}
        return posted("/validate/check", {"content-type": FORM}, urlencode(asked).encode())


@contextmanager
def running(venv: Path, bench: Bench) -> Generator[PrivacyIdea]:
    """Set one up in a database of the benchmark's server, and let it run."""
    folder = bench.folder / "privacyidea"
    folder.mkdir()
    database = conninfo_to_dict(create_database(bench.server, "privacyidea"))
    place = f"{database['user']}@/privacyidea?host={database['host']}&port={database['port']}"
    configuration = folder / "pi.cfg"
    configuration.write_text(_configuration(folder, f"postgresql+psycopg2://{place}"))
    surroundings = os.environ | {"PRIVACYIDEA_CONFIGFILE": str(configuration)}
    password = secrets.token_hex()
    _make_users(bench.dsn("privacyidea"))
    resolver = folder / "resolver"
    resolver.write_text(repr(_resolver(database)))
    for arguments in (
        ["setup", "create_enckey"],
        ["setup", "create_audit_keys"],
        ["setup", "create_tables"],
        ["admin", "add", ADMIN, "-p", password],
        ["config", "resolver", "create", "bench", "sqlresolver", str(resolver)],
        ["config", "realm", "create", "bench", "bench"],
    ):
        _managed(venv, arguments, surroundings)
    log = folder / "gunicorn.log"
    with log.open("wb") as written:
        command = [str(venv / "bin" / "gunicorn"), "--workers", "2", "--threads", "4", "--worker-class", "gthread"]
        command += ["--keep-alive", "75", "--bind", f"{HOST}:0", "--worker-tmp-dir", str(folder)]
        command += ["privacyidea.app:create_app(config_name='production')"]
        server = subprocess.Popen(command, env=surroundings, cwd=folder, stdout=written, stderr=written)
    try:
        address = HOST, _port(log, server)
        check_listener(address[1], server.pid)
        yield PrivacyIdea(address, password=password, pid=server.pid)
    finally:
        server.terminate()
        server.wait(timeout=STOP_SECONDS_MAX)


def _configuration(folder: Path, uri: str) -> str:
    values = {
        "SQLALCHEMY_DATABASE_URI": uri,
        "SECRET_KEY": secrets.token_hex(),
        "PI_PEPPER": secrets.token_hex(),
        "PI_ENCFILE": str(folder / "enckey"),
        "PI_AUDIT_KEY_PRIVATE": str(folder / "private.pem"),
        "PI_AUDIT_KEY_PUBLIC": str(folder / "public.pem"),
        "PI_LOGFILE": str(folder / "privacyidea.log"),
        "PI_UUID_FILE": str(folder / "uuid"),
        "PI_BASE_URL": "http://localhost",
    }
    return "".join(f"{name} = {value!r}\n" for name, value in values.items()) + FAST


def _make_users(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_users (id integer PRIMARY KEY, username text UNIQUE, givenname text)")
        connection.execute(
            "INSERT INTO bench_users SELECT id, 'user' || id, 'name' FROM generate_series(1, %s) AS of (id)",
            [USERS],
        )


def _resolver(database: Mapping[str, object]) -> dict[str, object]:
    return {
        "Driver": "postgresql+psycopg2",
        "Server": "",
        "Database": "privacyidea",
        "User": database["user"],
        "conParams": f"host={database['host']}&port={database['port']}",
        "Table": "bench_users",
        "Map": json.dumps({"userid": "id", "username": "username", "givenname": "givenname"}),
        "Limit": 500,
        "Editable": 0,
    }


def _managed(venv: Path, arguments: list[str], surroundings: dict[str, str]) -> None:
    command = [str(venv / "bin" / "pi-manage"), *arguments]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"pi-manage {' '.join(arguments[:2])} failed: {done.stderr[-500:]}")


def _port(log: Path, server: subprocess.Popen[bytes]) -> int:
    give_up = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < give_up and server.poll() is None:
        if told := LISTENING.search(log.read_text()):
            return int(told[1])
        time.sleep(0.05)
    raise RuntimeError(f"privacyIDEA did not start: {log.read_text()[-500:]}")


def _authorized(address: tuple[str, int], password: str) -> str:
    connection = HTTPConnection(*address, timeout=START_SECONDS_MAX)
    try:
        asked = urlencode({"username": ADMIN, "password": password})
        connection.request("POST", "/auth", asked, {"content-type": FORM})
        told = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return str(told["result"]["value"]["token"])


def _serial(number: int) -> str:
    return f"BENCH{number:06}"


def _accepted(status: bytes, body: bytes) -> bool:
    return status == b"200" and json.loads(body)["result"]["value"] is True
