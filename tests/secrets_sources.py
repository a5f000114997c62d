"""Where secrets come into a test run, and where the products write: there the scan listens.

A secret is learned where it is made or received, whichever test that is: no test has to say what is secret.
What a command answers on standard output, and what is answered over HTTP with success, is no log: `sealbook token`
gives a token, and who issues a one-time code generator is shown its seed, once. Who asked for it is to see it.
"""

import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import wraps
from io import StringIO
from typing import IO, Any, TypeGuard, cast
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pyotp.totp import TOTP

from sealbook.adapters.cli import app
from sealbook.adapters.http import erasures, problems
from sealbook.adapters.http.bearer import Bearers
from sealbook.adapters.http.development_keys import DevelopmentKeys
from sealbook.adapters.keys import file_root, log_signer, wrapping
from sealbook.adapters.keys.working import WorkingKeys
from sealbook.adapters.observing import logs
from sealbook.adapters.observing.metrics_page import MetricsPage
from sealbook.adapters.postgres.server import EmbeddedServer
from sealbook.adapters.proofs import pskc
from sealbook.adapters.proofs.totp import Seed
from sealbook.adapters.vault import sealing
from sealbook.adapters.webhooks import endpoints, signing
from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable
from sealbook.domain.errors import Refused
from tests.secrets_heard import Heard
from tests.secrets_known import Kind, Known

Patch = Callable[[Any, str, Any], None]
"""Puts a value in the place of an attribute, until the run ends."""
LOG, STANDARD_ERROR, DATABASE_LOG = "a log line", "standard error of a process", "the database's log"
COMMAND, PROBLEM, METRICS, ERROR = "standard error of a command", "a problem", "the metrics", "an error's message"
ERRORS = (Refused, Unavailable, OutcomeUnknown, LedgerDamaged)
OWN_KEY_FIELDS = ("d", "seed")
"""What is secret in a key file, beside the keys of its epochs."""
PERSONAL_FIELDS = ("identity",)
"""What is personal in the body of a request, and no name that the bank gave."""
CODE_FIELDS = ("code", "first_code", "second_code")
IDENTITY_BOUND = re.compile(rb".{32}name:identity\0", re.DOTALL)
"""What a sealed identity is bound to: whose it is, where it stands, and its field."""
FAILED = 400


def listen(known: Known, heard: Heard, patch: Patch) -> None:
    """Have secrets learned and outputs heard from now on, in this process."""
    _learn_what_is_made(known, patch)
    _learn_what_is_sealed(known, patch)
    _listen_to_products(heard, patch)
    _listen_to_processes(known, heard, patch)
    _listen_to_http(known, heard, patch)


def _after(patch: Patch, owner: Any, name: str, then: Callable[..., object]) -> None:
    """Have `then` told what a function returned, and what it was given."""
    original = getattr(owner, name)

    @wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        then(result, *args, **kwargs)
        return result

    patch(owner, name, wrapper)


def _before(patch: Patch, owner: Any, name: str, then: Callable[..., object]) -> None:
    """Have `then` told what a function is given."""
    original = getattr(owner, name)

    @wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        then(*args, **kwargs)
        return original(*args, **kwargs)

    patch(owner, name, wrapper)


# --- Secrets


def _learn_what_is_made(known: Known, patch: Patch) -> None:
    def seed(_: None, made: Seed) -> None:
        known.learn(Kind.SEED, made.secret)

    def working_keys(_: None, made: WorkingKeys) -> None:
        for key in (*made.mac_keys.values(), *made.name_keys.values(), made.command_key):
            known.learn(Kind.KEY, key)

    def asked(_: Bearers, authorization: str | None, **_more: object) -> None:
        known.learn_token((authorization or "").partition(" ")[2])

    _after(patch, Seed, "__post_init__", seed)
    _after(patch, WorkingKeys, "__post_init__", working_keys)

    def minted(token: str, *_: object, **_more: object) -> None:
        known.learn_token(token)

    def webhook(secret: str, *_: object) -> None:
        _learn_webhook_secret(known, secret)

    def derived(_: object, password: str) -> None:
        known.learn(Kind.PASSWORD, password)

    def read(document: Mapping[str, Any], *_: object) -> None:
        _learn_key_file(known, document)

    def written(_: object, document: Mapping[str, Any], **_more: object) -> None:
        _learn_key_file(known, document)

    _after(patch, DevelopmentKeys, "mint", minted)
    _before(patch, Bearers, "caller", asked)
    _after(patch, endpoints, "new_secret", webhook)
    _before(patch, pskc, "_derived", derived)
    for module in (file_root, log_signer):
        _after(patch, module, "read_private", read)
        _before(patch, module, "write_private", written)


def _learn_key_file(known: Known, document: Mapping[str, Any]) -> None:
    own = [document[name] for name in OWN_KEY_FIELDS if name in document]
    epochs = document.get("epochs")
    for key in [*own, *(cast("dict[str, object]", epochs).values() if isinstance(epochs, dict) else ())]:
        with suppress(ValueError, TypeError):
            known.learn(Kind.KEY, bytes.fromhex(cast("str", key)))


def _learn_webhook_secret(known: Known, secret: str) -> None:
    known.learn(Kind.WEBHOOK_SECRET, secret)
    with suppress(ValueError):
        known.learn(Kind.WEBHOOK_SECRET, b64decode(secret.removeprefix("whsec_")))


def _learn_what_is_sealed(known: Known, patch: Patch) -> None:
    """Learn the keys that anything is sealed with, and the identities among what is sealed."""

    class Listening:
        def __init__(self, key: bytes) -> None:
            known.learn(Kind.KEY, key, passing=True)
            self._sealing = AESGCM(key)

        def encrypt(self, nonce: bytes, data: bytes, bound: bytes | None) -> bytes:
            self._learn(data, bound)
            return self._sealing.encrypt(nonce, data, bound)

        def decrypt(self, nonce: bytes, data: bytes, bound: bytes | None) -> bytes:
            opened = self._sealing.decrypt(nonce, data, bound)
            self._learn(opened, bound)
            return opened

        def _learn(self, data: bytes, bound: bytes | None) -> None:
            if bound is not None and IDENTITY_BOUND.match(bound):
                known.learn(Kind.PERSONAL, data, passing=True)

    for module in (sealing, wrapping, signing, erasures):
        patch(module, "AESGCM", Listening)


# --- Products


def _listen_to_products(heard: Heard, patch: Patch) -> None:
    def line(_: object, text: str) -> None:
        heard.add(LOG, text)

    def page(text: bytes, *_: object) -> None:
        heard.add(METRICS, text)

    def problem(content: bytes, *_: object, **_more: object) -> None:
        heard.add(PROBLEM, content)

    def raised(_: None, error: Exception, *_more: object, **_named: object) -> None:
        heard.add(ERROR, str(error))

    def begun(_: None, server: EmbeddedServer, **_more: object) -> None:
        heard.follow(DATABASE_LOG, str(server.log))

    for name in ("msg", "debug", "info", "warning", "error", "critical", "log"):
        _before(patch, getattr(logs, "_Lines"), name, line)  # noqa: B009 (of its own)
    _after(patch, MetricsPage, "render", page)
    _after(patch, problems, "content", problem)
    for error in ERRORS:
        _after(patch, error, "__init__", raised)
    _after(patch, EmbeddedServer, "__init__", begun)


def _listen_to_processes(known: Known, heard: Heard, patch: Patch) -> None:
    def ran(_: int, *_more: object) -> None:
        _learn_settings(known, (*os.environ.values(), *sys.argv))
        if isinstance(sys.stderr, StringIO):
            heard.add(COMMAND, sys.stderr.getvalue())

    def begun(_: None, process: "subprocess.Popen[Any]", args: object, *_more: object, **options: Any) -> None:
        words = cast("Iterable[object]", args) if isinstance(args, list | tuple) else ()
        surroundings = cast("Mapping[object, object]", options.get("env") or {})
        _learn_settings(known, (*map(str, words), *surroundings.values()))
        if _is_file(stderr := options.get("stderr")):
            heard.follow(STANDARD_ERROR, stderr if isinstance(stderr, int) else stderr.fileno(), process)

    def talked(told: tuple[Any, Any], *_more: object, **_options: object) -> None:
        if told[1]:
            heard.add(STANDARD_ERROR, told[1])

    _after(patch, app, "run", ran)
    _after(patch, subprocess.Popen, "__init__", begun)
    _after(patch, subprocess.Popen, "communicate", talked)


def _is_file(given: object) -> TypeGuard[int | IO[Any]]:
    """Tell whether output goes to a file of the test's, not to a pipe or wherever that of the tests goes."""
    return given is not None and (not isinstance(given, int) or given >= 0)


def _learn_settings(known: Known, texts: Iterable[object]) -> None:
    """Learn the passwords of connection strings among settings and arguments."""
    for text in texts:
        if isinstance(text, str) and ("password" in text or "://" in text):
            with suppress(ProgrammingError):
                known.learn(Kind.PASSWORD, str(conninfo_to_dict(text).get("password") or ""))
    known.learn(Kind.PASSWORD, os.environ.get("SEALBOOK_PKCS11_PIN", ""))


# --- HTTP


def _listen_to_http(known: Known, heard: Heard, patch: Patch) -> None:
    def answered(response: httpx.Response) -> None:
        if not response.is_stream_consumed and not response.is_closed:
            return
        _learn_from_request(known, response.request)
        if response.status_code >= FAILED:
            heard.add(PROBLEM, repr(response.headers.multi_items()))
            heard.add(PROBLEM, response.content)
        elif response.request.url.path == "/metrics":
            heard.add(METRICS, response.content)
        else:
            _learn_from_answer(known, response.content)

    def sent(response: httpx.Response, *_more: object, stream: bool = False, **_options: object) -> None:
        if not stream:
            answered(response)

    original = httpx.AsyncClient.send

    @wraps(original)
    async def send(self: httpx.AsyncClient, *args: Any, **kwargs: Any) -> httpx.Response:
        response = await original(self, *args, **kwargs)
        sent(response, stream=bool(kwargs.get("stream")))
        return response

    _after(patch, httpx.Client, "send", sent)
    patch(httpx.AsyncClient, "send", send)


def _learn_from_request(known: Known, request: httpx.Request) -> None:
    known.learn_token(request.headers.get("authorization", "").partition(" ")[2])
    with suppress(httpx.RequestNotRead):
        for name, value in _members(request.content):
            if name in CODE_FIELDS:
                known.learn_code(value)
            elif name in PERSONAL_FIELDS:
                known.learn(Kind.PERSONAL, value, passing=True)


def _learn_from_answer(known: Known, content: bytes) -> None:
    for name, value in _members(content):
        match name:
            case "provisioning_uri":
                secret = parse_qs(urlsplit(value).query).get("secret", [""])[0]
                with suppress(ValueError):
                    known.learn(Kind.SEED, TOTP(secret).byte_secret())
            case "secret" if value.startswith("whsec_"):
                _learn_webhook_secret(known, value)
            case "approval":
                known.learn(Kind.APPROVAL, value)
            case _:
                pass


def _members(content: bytes) -> Iterable[tuple[str, str]]:
    """Yield the texts of a JSON document by the names that they have there."""
    found: list[Any]
    try:
        found = [json.loads(content)] if content[:1] in b"{[" else []
    except (ValueError, RecursionError):
        return
    while found:
        told = found.pop()
        if isinstance(told, dict):
            members = cast("dict[str, object]", told)
            yield from ((name, value) for name, value in members.items() if isinstance(value, str))
            found += members.values()
        elif isinstance(told, list):
            found += cast("list[object]", told)
