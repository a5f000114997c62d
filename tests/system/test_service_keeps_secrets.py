"""A whole life over HTTP, after which every secret and personal datum of it is looked for where it must not be.

That is: the log of every process, at its most talkative; every problem with its headers; the metrics; and all tables
of the ledger and of its keystore. It is looked for as it is, and in the forms that a careless line would give it.
"""

import base64
import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pyotp.totp import TOTP

from sealbook.adapters.http.access import Role
from sealbook.adapters.keys.keystore import DATABASE_SUFFIX
from sealbook.adapters.proofs.challenges import from_base64url, message_to_sign, to_base64url
from tests.conftest import KeptKeys, Server
from tests.secrets_known import forms
from tests.system.serving import REPOSITORY, Serving, held, kept, serving

NAME, NEW_NAME, IDENTITY = "Quirinus Zephyr 88-3141", "Quirinus Zephyr-Oddly 88-3141", "760229-1928374"
OWN_NAME, PHONE_NUMBER = "credential of " + NAME, "010-5550-7719"
TRIGGER = "31415926"
"""A code that the injected defect waits for."""
DEFECT = f"""
import os, sys
from sealbook.adapters.proofs import totp

_right = totp.check

def check(seed, code, **more):
    if code == "{TRIGGER}":
        secret, words = seed.secret, seed.secret.hex()
        if os.environ.get("LEAK"):
            print("seed:", words, file=sys.stderr, flush=True)
        raise RuntimeError(f"no code: {{code}}, {{secret!r}}, {{words}}")
    return _right(seed, code, **more)

totp.check = check
"""


@dataclass
class Life:
    """What was secret in a life, and what was told of it where everybody looks."""

    secrets: dict[str, bytes] = field(default_factory=dict[str, bytes])
    codes: list[str] = field(default_factory=list[str])
    told: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def secret(self, name: str, value: str | bytes) -> None:
        self.secrets[name] = value.encode() if isinstance(value, str) else value

    def found(self) -> set[tuple[str, str]]:
        """Return each secret that is in what was told, and where."""
        return {
            (name, place)
            for place, text in self.told.items()
            for name, value in self.secrets.items()
            if any(form in text for form in forms(value))
        } | {
            ("code", place)
            for place, text in self.told.items()
            for code in self.codes
            # Not within a number, an id or a fraction of a second.
            if re.search(rb"(?<![0-9a-fA-F.\\-])%s(?![0-9a-fA-F-])" % code.encode(), text)
        }


class Recorded:
    """Asks a service, and records what everybody may see of its answers: problems, and all headers."""

    def __init__(self, service: Serving, life: Life) -> None:
        self._service, self._life = service, life
        life.told["problems"] = b""
        self.statuses = set[int]()

    def __call__(
        self, method: str, path: str, body: object = None, *, by: str | None, key: UUID | None = None, **headers: str
    ) -> httpx.Response:
        answer = self._service.asked(method, path, body, by=by, key=key, **headers)
        self._life.told["problems"] += repr(answer.headers.multi_items()).encode()
        self.statuses.add(answer.status_code)
        if answer.status_code >= 400:
            self._life.told["problems"] += answer.content
        return answer

    def done(self, path: str, body: object = None, *, by: str) -> dict[str, Any]:
        answer = self("POST", path, {} if body is None else body, by=by)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told


def lived(service: Serving, life: Life) -> None:
    """Live: at the counter, in the app, with wrong codes, with webhooks, with defects, to an erasure."""
    ask = Recorded(service, life)
    phone = Ed25519PrivateKey.generate()
    public_key = base64.b64encode(phone.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    alice = held(service, NAME, identity=IDENTITY, key=public_key.decode())
    roles = {role: service.token(role) for role in (Role.TELLER, Role.AUDITOR, Role.ADMINISTRATOR)}
    roles[Role.APP] = app = service.token(Role.APP, customer=alice.customer)
    second = service.token(Role.ADMINISTRATOR, subject="administrator-2")
    for role, token in [*roles.items(), ("second", second)]:
        life.secret(f"token of {role}", token)
        life.secret(f"signature of the token of {role}", token.rpartition(".")[2])
    codes = pyotp.parse_uri(alice.provisioning_uri)
    assert isinstance(codes, TOTP)
    life.secret("seed", codes.byte_secret())
    life.secret("seed in base32", codes.secret)
    life.secret("private key", phone.private_bytes_raw())
    for name, value in (("name", NAME), ("new name", NEW_NAME), ("identity", IDENTITY), ("own name", OWN_NAME)):
        life.secret(name, value)
    life.secret("device key", public_key)
    life.secret("phone number", PHONE_NUMBER)

    proven(ask, life, codes, phone, alice.credential, alice.device, app)
    rotated = ask.done(f"/v1/credentials/{alice.credential}/secrets", by=roles[Role.TELLER])
    again = pyotp.parse_uri(rotated["provisioning_uri"])
    life.secret("second seed", again.byte_secret())
    life.secret("second seed in base32", again.secret)
    ask.done(f"/v1/customers/{alice.customer}/change-name", {"evidence": "court order 7"}, by=roles[Role.TELLER])
    mistaken(ask, codes.secret, alice.credential, roles)
    webhooks(ask, life, roles[Role.ADMINISTRATOR])
    read(ask, alice.ids, roles[Role.AUDITOR])

    defect = {"proof": {"type": "totp", "code": TRIGGER}}
    assert ask("POST", f"/v1/credentials/{alice.credential}/uses", defect, by=app).status_code == 500
    wish = ask.done(f"/v1/customers/{alice.customer}/erasures", {"basis": "request 7"}, by=roles[Role.ADMINISTRATOR])
    life.secret("approval", wish["approval"])
    ask("POST", "/v1/erasures", wish | {"approval": wish["approval"] + "x"}, by=second)
    refused = ask("POST", "/v1/erasures", {"approval": wish["approval"]}, by=second)
    # Approved as it should be, but the law has the records of a living relationship kept.
    assert refused.json()["code"] == "retention"
    assert {400, 401, 403, 404, 405, 409, 413, 422, 500} <= ask.statuses


def proven(
    ask: Recorded, life: Life, codes: TOTP, phone: Ed25519PrivateKey, credential: str, device: str, app: str
) -> None:
    """Prove uses rightly and wrongly, by codes and by signatures."""
    uses, now = f"/v1/credentials/{credential}/uses", datetime.now(UTC)
    right = codes.at(now)
    life.codes += [codes.at(now + timedelta(seconds=60 * each)) for each in range(-2, 4)]
    assert ask("POST", uses, {"proof": {"type": "totp", "code": right}, "device": device}, by=app).is_success
    replayed = ask("POST", uses, {"proof": {"type": "totp", "code": right}}, by=app)
    assert replayed.status_code in (403, 409)
    wrong = next(f"{each:06}" for each in range(918_273, 999_999) if f"{each:06}" not in life.codes)
    life.codes.append(wrong)
    assert ask("POST", uses, {"proof": {"type": "totp", "code": wrong}}, by=app).status_code == 403
    for tampered in (False, True):
        key, counter = uuid4(), 3 + tampered
        path = f"/v1/credentials/{credential}/challenges"
        challenge: str = ask("POST", path, by=app, key=key).json()["challenge"]
        raw = from_base64url(challenge)
        assert raw is not None
        signature = to_base64url(phone.sign(message_to_sign(UUID(credential), raw, counter=counter + tampered)))
        life.secret(f"signature {counter}", signature)
        proof = {"type": "signature", "challenge": challenge, "signature": signature, "counter": counter}
        answer = ask("POST", uses, {"proof": proof}, by=app, key=key)
        assert answer.status_code in (200, 403, 409), answer.text


def mistaken(ask: Recorded, secret: str, credential: str, roles: dict[Role, str]) -> None:
    """Put secrets where they do not belong; no answer may repeat them."""
    teller, app = roles[Role.TELLER], roles[Role.APP]
    ask("POST", "/v1/customers", {"name": NAME + "\0", "subkind": IDENTITY, secret: secret}, by=teller)
    ask("POST", "/v1/customers", {"name": NEW_NAME, "subkind": "individual", "identity": IDENTITY}, by=teller)
    ask("POST", f"/v1/credentials/{credential}/uses", {"proof": {"type": "totp", "code": secret}}, by=app)
    ask("POST", f"/v1/credentials/{secret}/suspend", {"reason": "lost"}, by=teller)
    ask("POST", f"/v1/credentials/{NAME}/suspend", {"reason": PHONE_NUMBER}, by=app)
    ask("GET", f"/v1/customers/{NAME}?as_of={secret}&{IDENTITY}=1", by=teller, access_reason="complaint 7")
    ask("GET", f"/v1/customers/{NAME}", by=teller)
    ask("GET", f"/v1/{secret}/{NAME}", by=teller)
    ask("PUT", f"/v1/customers/{NAME}/restrict", by=teller)
    ask("POST", "/v1/customers", {"name": NAME}, by=teller, idempotency_key=secret)
    ask("POST", "/v1/customers", {"name": NAME}, by=teller, if_match=secret)
    ask("POST", "/v1/customers", {"name": NAME}, by=teller, content_type=f"text/{secret}")
    ask("POST", "/v1/customers", {"name": secret * 20_000}, by=teller)
    ask("POST", f"/v1/customers/{NAME}/restrict", {"reason": "court order"}, by=teller)
    ask("GET", f"/v1/customers/{NAME}", by=secret)
    ask("GET", f"/v1/customers/{NAME}", by=teller[:-4] + "AAAA", access_reason=IDENTITY)


def webhooks(ask: Recorded, life: Life, administrator: str) -> None:
    wish = {"url": f"https://hooks.example.com/{uuid4()}", "events": ["credential."]}
    registered = ask.done("/v1/webhooks", wish, by=administrator)
    rotated = ask.done(f"/v1/webhooks/{registered['id']}/rotate-secret", by=administrator)
    for name, each in (("webhook secret", registered), ("second webhook secret", rotated)):
        life.secret(name, each["secret"])
        life.secret(f"{name}, raw", base64.b64decode(each["secret"].removeprefix("whsec_")))
    bad = {"url": f"https://{PHONE_NUMBER}@127.0.0.1/{registered['secret']}", "events": [NAME]}
    assert ask("POST", "/v1/webhooks", bad, by=administrator).status_code == 409


def read(ask: Recorded, ids: dict[str, str], auditor: str) -> None:
    for thing, stream in ids.items():
        for path in (f"/v1/{thing}s/{stream}", f"/v1/{thing}s/{stream}/history"):
            assert ask("GET", path, by=auditor, access_reason="case 7").is_success


def tables(service: Serving) -> bytes:
    """Return all that is in the ledger and in its keystore, as text."""
    dumped = b""
    name = str(conninfo_to_dict(service.ledger.dsn)["dbname"])
    for database in (name, name + DATABASE_SUFFIX):
        with psycopg.connect(make_conninfo(service.ledger.dsn, dbname=database)) as connection:
            found = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            for place in found:
                query = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(sql.Identifier(*place))
                with connection.cursor().copy(query) as copied:
                    dumped += b"".join(bytes(part) for part in copied)
    return dumped


@pytest.fixture
def defective(tmp_path: Path) -> str:
    """A folder whose code every process of the service runs first: it injects the defect."""
    folder = tmp_path / "defect"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(DEFECT)
    return f"{folder}:{REPOSITORY}"


@contextmanager
def _recorded(server: Server, template: str, keys: KeptKeys, folder: Path, **settings: str) -> Generator[Life]:
    life = Life()
    with kept(server, template, keys, folder / "ledger") as ledger:
        log = folder / "log"
        with serving(ledger, log, workers=2, SEALBOOK_LOG_LEVEL="debug", **settings) as service:
            lived(service, life)
            # Workers publish their numbers once a second.
            sleep(1.5)
            life.told["metrics"] = httpx.get(f"{service.url}/metrics").raise_for_status().content
            life.told["tables"] = tables(service)
        life.told["log"] = log.read_bytes()
        yield life


def test_nothing_secret_is_where_everybody_looks(
    postgres_server: Server, ledger_template: str, kept_keys: KeptKeys, tmp_path: Path, defective: str
) -> None:
    with _recorded(postgres_server, ledger_template, kept_keys, tmp_path, PYTHONPATH=defective) as life:
        assert b"RuntimeError" in life.told["log"]
        assert all(life.told.values())
        assert life.found() == set()


def test_a_leak_would_be_found() -> None:
    secret, name = bytes(range(200, 220)), "고객 7 \\ Zephyr"
    careless = {
        "repr": repr(secret).encode(),
        "hexadecimal": b"x" + secret.hex().encode(),
        "base32": base64.b32encode(secret),
        "base64": base64.b64encode(b"seed" + secret + b"!"),
        "base64url": base64.urlsafe_b64encode(b"seed:" + secret),
        "a column of bytes": b"\\x00" + secret.hex().encode(),
    }
    assert Life({"seed": secret}, [], careless).found() == {("seed", place) for place in careless}
    texts = {"UTF-8": name.encode(), "UTF-16": name.encode("utf-16"), "JSON": json.dumps({"n": name}).encode()}
    assert Life({"name": name.encode()}, [], texts).found() == {("name", place) for place in texts}
    assert Life({}, ["918273"], {"log": b'{"code":918273}'}).found() == {("code", "log")}
    assert Life({}, ["918273"], {"log": b'"at":"2026-11-23T07:00:00.918273+00:00"'}).found() == set()
