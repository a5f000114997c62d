"""A run that tells a secret fails, says of which kind it was and in which test, and does not tell it again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sealbook.adapters.proofs.totp import Seed
from tests.secrets_known import Kind, Known

ROOT = Path(__file__).resolve().parents[1]
SECRET = bytes(range(112, 132))
CONFTEST = """
from tests import secrets_watch
from tests.secrets_known import Kind

def pytest_configure(config):
    secrets_watch.begin(config, secrets={"geheim-5678": Kind.PASSWORD})
"""
BEGINNING = f"""
import subprocess, sys
import httpx
from sealbook.adapters.http.development_keys import DevelopmentKeys
from sealbook.adapters.observing import logs
from sealbook.adapters.proofs.totp import Seed
from sealbook.application.ports import Unavailable

SECRET = {SECRET!r}

def answering(status, body):
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=body))
    return httpx.Client(transport=transport, base_url="http://x")
"""
LEAKS = {
    "a seed on standard error": ("Seed(SECRET); print('seed', SECRET.hex(), file=sys.stderr)", Kind.SEED),
    "a seed in base32": ("print(Seed(SECRET).codes.secret)", Kind.SEED),
    "a token in a log line": (
        (
            "logs.configure(sys.stderr, level='info', clock=logs.utc_now);"
            "token = DevelopmentKeys(tmp_path, clock=lambda: 1.0).mint('x', ['teller']);"
            "logs._Lines(open('/dev/null', 'w')).msg(token)"
        ),
        Kind.TOKEN,
    ),
    "a password in an error": ("str(Unavailable('no: geheim-5678'))", Kind.PASSWORD),
    "a seed of a process": (
        (
            "Seed(SECRET);"
            "log = open(tmp_path / 'log', 'wb');"
            "code = 'import sys; sys.stderr.write(sys.argv[1])';"
            "subprocess.Popen([sys.executable, '-c', code, SECRET.hex()], stderr=log).wait();"
            "(tmp_path / 'log').unlink()"
        ),
        Kind.SEED,
    ),
    "a code in a problem": (
        "answering(403, b'the code 918273 is wrong').post('/uses', json={'proof': {'code': '918273'}})",
        Kind.CODE,
    ),
    "an identity in a problem": (
        "answering(409, b'760229-1928374 is there').post('/customers', json={'identity': '760229-1928374'})",
        Kind.PERSONAL,
    ),
    "a webhook's secret in the metrics": (
        (
            "answering(200, b'{\"secret\": \"whsec_c2VhbGJvb2sgc2VhbGJvb2s=\"}').post('/webhooks');"
            "answering(200, b'a{b=\"whsec_c2VhbGJvb2sgc2VhbGJvb2s=\"} 1').get('/metrics')"
        ),
        Kind.WEBHOOK_SECRET,
    ),
}


def run(folder: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_leaking.py").write_text(f"{BEGINNING}\n\ndef test_it(tmp_path):\n    {body}\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *options,
        "--rootdir",
        str(folder),
        str(folder),
    ]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "verify", folder)))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("body", "kind"), LEAKS.values(), ids=LEAKS)
def test_a_run_that_tells_a_secret_fails(tmp_path: Path, body: str, kind: Kind) -> None:
    ran = run(tmp_path, body)

    said = ran.stdout + ran.stderr
    assert ran.returncode == 1, said
    assert f"test_leaking.py::test_it: a secret ({kind}) stands in " in said
    for secret in (SECRET.hex(), Seed(SECRET).codes.secret, "geheim", "whsec", "918273", "760229"):
        assert secret not in said


def test_a_run_that_tells_none_is_as_it_was(tmp_path: Path) -> None:
    asked = "answering(403, b'the code is wrong').post('/uses', json={'proof': {'code': '918273'}})"
    ran = run(tmp_path, f"Seed(SECRET); print('918273', SECRET[:4].hex(), file=sys.stderr); {asked}")

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_is_asked_for_may_be_told(tmp_path: Path) -> None:
    uri = Seed(SECRET).codes.provisioning_uri(name="x")
    body = f"answer = b'{{\"provisioning_uri\": \"{uri}\"}}'; answering(201, answer).post('/credentials')"

    assert run(tmp_path, body).returncode == 0


def test_what_is_told_after_the_last_test_fails_the_run(tmp_path: Path) -> None:
    late = "from sealbook.application.ports import Unavailable\n\n\ndef pytest_sessionfinish():\n"
    (tmp_path / "late.py").write_text(f"{late}    Unavailable('no: geheim-5678')\n")

    ran = run(tmp_path, "pass", "-p", "late")

    assert ran.returncode == 1
    assert "the end of the run: a secret (password) stands in an error's message" in ran.stdout


def test_what_may_stand_in_a_text_by_chance_is_not_looked_for() -> None:
    known = Known()
    for value in ("short", "aaaaaaaaaaaaaaaa", "ababababab"):
        known.learn(Kind.PERSONAL, value)
    known.learn_code("918273")

    assert known.find(b"short aaaaaaaaaaaaaaaa ababababab 0.918273") == []
    assert [each.kind for each in known.find(b"first\nthe code is 918273")] == [Kind.CODE]
    known.end_test()
    assert known.find(b"the code is 918273") == []
