"""Keys of tokens: what a set may hold, files that change, issuers that fail, and the development key."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sealbook.adapters.http import development_keys, jwks
from sealbook.adapters.http.access import Caller, Role
from sealbook.adapters.http.bearer import Bearers, Reason, Unauthenticated
from sealbook.adapters.http.development_keys import DevelopmentKeys
from sealbook.adapters.http.jwks import KEPT_SECONDS, KEY_SET_BYTES_MAX, BadKeySet, FileKeys, UrlKeys, parse_key_set
from sealbook.application.ports import Unavailable
from tests.adapters.http.issuer import EC, ED, OTHER_EC, RSA, Clock, document, public

URL = "https://issuer.example/keys"
ONE, OTHER = document(public("one", EC)), document(public("other", OTHER_EC))


def kept(*keys: dict[str, Any]) -> set[tuple[str | None, str]]:
    """Return what a set that has a good key beside the given ones can verify, but for that key."""
    return set(parse_key_set(document(public("good", EC), *keys)).keys) - {("good", "ES256")}


# --- Sets


def test_a_key_is_for_the_algorithms_of_its_type() -> None:
    assert kept(public("ec", EC)) == {("ec", "ES256")}
    assert kept(public("ed", ED)) == {("ed", "Ed25519"), ("ed", "EdDSA")}
    assert kept(public("rsa", RSA)) == {("rsa", "PS256"), ("rsa", "RS256")}


def test_a_key_that_names_its_algorithm_is_for_that_alone() -> None:
    assert kept(public("rsa", RSA, alg="PS256")) == {("rsa", "PS256")}
    assert kept(public("ed", ED, alg="EdDSA")) == {("ed", "Ed25519"), ("ed", "EdDSA")}
    for other in ("RS256", "HS256", "none", "ECDH-ES", 7, ["ES256"]):
        assert kept(public("ec", EC, alg=other)) == set()


PASSED_OVER: list[dict[str, Any]] = [
    {},
    {"kty": "AKP", "kid": "post-quantum", "pub": "x"},
    {"kty": ["EC"]},
    {"kty": "EC", "crv": "P-256"},
    {"kty": "EC", "crv": "P-256", "x": 1, "y": 2},
    {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
    {"kty": "EC", "crv": "P-257", "x": "AAAA", "y": "AAAA"},
    {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    {"kty": "RSA", "n": "+/", "e": "AQAB"},
    {"kty": "RSA", "n": "", "e": ""},
    public("P-384", ECKey.generate_key("P-384")),
    public("secp256k1", ECKey.generate_key("secp256k1")),
    public("Ed448", OKPKey.generate_key("Ed448")),
    public("X25519", OKPKey.generate_key("X25519")),
    public("enc", EC, use="enc"),
    public("use", EC, use=["sig"]),
    public("ops", EC, key_ops=["encrypt"]),
    public("ops", EC, key_ops="verify it"),
    {**public("kid", EC), "kid": 7},
]


@pytest.mark.parametrize("key", PASSED_OVER, ids=lambda key: json.dumps(key)[:40])
def test_a_key_of_no_use_is_passed_over(key: dict[str, Any]) -> None:
    assert kept(key) == set()


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_short_key_is_passed_over() -> None:
    assert kept(public("short", RSAKey.generate_key(1_024))) == set()


def test_of_two_keys_of_one_id_the_first_counts() -> None:
    found = parse_key_set(document(public("one", EC), public("one", OTHER_EC))).find("one", "ES256")
    assert found is not None
    assert found.thumbprint() == EC.thumbprint()


@pytest.mark.parametrize(
    "secret",
    [EC.as_dict(private=True), RSA.as_dict(private=True), {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "AKP", "d": "x"}],
    ids=["EC", "RSA", "oct", "unknown"],
)
def test_a_set_that_gives_a_secret_away_is_refused(secret: dict[str, Any]) -> None:
    with pytest.raises(BadKeySet, match="private or shared"):
        parse_key_set(document(public("good", EC), secret))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [7, null, []]}',
        b"\xff",
        b"[" * 100_000,
        b" " * (KEY_SET_BYTES_MAX + 1),
        document(*[public(str(number), EC) for number in range(101)]),
        EC.as_pem(),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_no_key_set_is_refused_in_one_line(text: bytes) -> None:
    with pytest.raises(BadKeySet) as refused:
        parse_key_set(text)
    assert "\n" not in str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBER = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops"])


@given(base=st.sampled_from([public("a", EC), public("a", ED), public("a", RSA)]), more=st.dictionaries(MEMBER, JSON))
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_any_values_in_a_key_end_in_an_answer(base: dict[str, Any], more: dict[str, Any]) -> None:
    kept({**base, **more})


# --- Files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_bytes(ONE)
    return path


def put(path: Path, content: bytes) -> None:
    """Put a file into place, as an administrator's tool does."""
    draft = path.with_suffix(".new")
    draft.write_bytes(content)
    draft.replace(path)


def test_a_file_that_changes_is_read_anew(file: Path) -> None:
    clock, told = Clock(0), list[str]()
    source = FileKeys(file, clock=clock, told=told.append)
    first = source.keys()
    clock.now = 1
    assert source.keys() is first
    put(file, OTHER)
    clock.now = 2
    assert source.keys().find("other", "ES256") is not None
    assert source.keys().find("one", "ES256") is None
    assert told == []


def test_a_file_of_the_same_content_changes_nothing(file: Path) -> None:
    clock = Clock(0)
    source = FileKeys(file, clock=clock, told=print)
    first = source.keys()
    put(file, ONE)
    clock.now = 2
    assert source.keys() is first
    assert asyncio.run(source.renewed()) is False


@pytest.mark.parametrize("content", [None, b"", b"{", document(EC.as_dict(private=True))])
def test_a_file_that_becomes_bad_leaves_the_last_good_set_for_a_time(file: Path, content: bytes | None) -> None:
    clock, told = Clock(0), list[str]()
    source = FileKeys(file, clock=clock, told=told.append)
    first = source.keys()
    if content is None:
        file.unlink()
    else:
        put(file, content)
    for now in range(1, KEPT_SECONDS, 600):
        clock.now = now
        assert source.keys() is first
    assert len(told) == 1
    assert "\n" not in told[0]
    clock.now = KEPT_SECONDS + 2
    for _ in range(2):  # at a look, and between two looks
        with pytest.raises(Unavailable):
            source.keys()
    put(file, OTHER)
    clock.now += 1
    assert source.keys().find("other", "ES256") is not None


@pytest.mark.parametrize("content", [None, b"{"])
def test_a_service_does_not_start_with_a_bad_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unavailable, match=r"keys\.json"):
        FileKeys(path, clock=Clock(), told=print)


# --- Addresses


class Issuer:
    """An issuer that answers what a test says, and counts how often it is asked."""

    def __init__(self, content: bytes = ONE) -> None:
        self.content, self.status, self.headers = content, 200, dict[str, str]()
        self.asked = list[httpx.Request]()
        self.endless = False
        self.fails: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await self.open.wait()
        if self.fails is not None:
            raise self.fails
        return httpx.Response(self.status, content=self._parts(), headers=self.headers)

    async def _parts(self) -> AsyncIterator[bytes]:
        yield self.content
        while self.endless:
            yield b" " * 1_000


Story = Callable[[Issuer, UrlKeys, Clock, list[str]], Awaitable[None]]


def tell(story: Story) -> None:
    async def told() -> None:
        issuer, clock, said = Issuer(), Clock(0), list[str]()
        async with httpx.AsyncClient(transport=httpx.MockTransport(issuer), follow_redirects=True) as client:
            await story(issuer, UrlKeys(URL, client=client, clock=clock, told=said.append), clock, said)

    asyncio.run(told())


def test_keys_are_fetched() -> None:
    async def story(issuer: Issuer, source: UrlKeys, _: Clock, said: list[str]) -> None:
        with pytest.raises(Unavailable):
            source.keys()
        assert await source.renewed()
        assert source.keys().find("one", "ES256") is not None
        assert str(issuer.asked[0].url) == URL
        assert said == []

    tell(story)


def test_the_same_keys_again_are_no_new_ones() -> None:
    async def story(_: Issuer, source: UrlKeys, clock: Clock, said: list[str]) -> None:
        await source.fetch()
        first = source.keys()
        clock.now = 100
        assert not await source.renewed()
        assert source.keys() is first
        assert said == []

    tell(story)


def test_a_rotation_is_seen_at_the_next_fetch() -> None:
    async def story(issuer: Issuer, source: UrlKeys, clock: Clock, _: list[str]) -> None:
        await source.fetch()
        issuer.content = OTHER
        clock.now = 30
        assert await source.renewed()
        assert source.keys().find("other", "ES256") is not None
        assert source.keys().find("one", "ES256") is None

    tell(story)


def test_whoever_makes_up_key_ids_asks_the_issuer_every_30_s_at_most() -> None:
    async def story(issuer: Issuer, source: UrlKeys, clock: Clock, _: list[str]) -> None:
        for now in range(61):
            clock.now = now
            await asyncio.gather(*(source.renewed() for _ in range(10)))
        assert len(issuer.asked) == 3

    tell(story)


def test_all_who_wait_get_the_answer_of_one_fetch_though_one_goes_away() -> None:
    async def story(issuer: Issuer, source: UrlKeys, _: Clock, __: list[str]) -> None:
        issuer.open.clear()
        waiting = [asyncio.create_task(source.renewed()) for _ in range(5)]
        while not issuer.asked:
            await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        issuer.open.set()
        assert await asyncio.gather(*waiting[1:]) == [True] * 4
        assert waiting[0].cancelled()
        assert len(issuer.asked) == 1

    tell(story)


def _fails(issuer: Issuer, how: str) -> None:
    match how:
        case "connect":
            issuer.fails = httpx.ConnectError("no route to 10.1.2.3")
        case "slow":
            issuer.fails = httpx.ReadTimeout("slow")
        case "status":
            issuer.status = 500
        case "redirect":
            issuer.status, issuer.headers = 302, {"Location": "https://attacker.example/keys"}
        case "json":
            issuer.content = b"<html>geheim</html>"
        case "private":
            issuer.content = document(EC.as_dict(private=True))
        case "packed":
            issuer.headers = {"Content-Encoding": "gzip"}
            issuer.content = b"\x1f\x8b"
        case _:
            issuer.endless = True


HOWS = ["connect", "slow", "status", "redirect", "json", "private", "packed", "endless"]


@pytest.mark.parametrize("how", HOWS)
def test_while_the_issuer_fails_the_last_good_set_counts_for_a_time(how: str) -> None:
    async def story(issuer: Issuer, source: UrlKeys, clock: Clock, said: list[str]) -> None:
        await source.fetch()
        first = source.keys()
        _fails(issuer, how)
        clock.now = 40
        assert not await source.renewed()
        assert source.keys() is first
        assert len(issuer.asked) == 2  # and not a third time, elsewhere
        assert len(said) == 1
        assert "10.1.2.3" not in said[0]
        assert "geheim" not in said[0]
        clock.now = KEPT_SECONDS
        assert source.keys() is first
        clock.now = KEPT_SECONDS + 1
        with pytest.raises(Unavailable):
            source.keys()

    tell(story)


def test_an_issuer_that_never_ends_its_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "FETCH_SECONDS_MAX", 0.01)

    async def story(issuer: Issuer, source: UrlKeys, _: Clock, said: list[str]) -> None:
        issuer.open.clear()
        assert not await source.renewed()
        assert len(said) == 1

    tell(story)


def test_keys_are_kept_fresh_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "REFRESH_SECONDS", 0)
    monkeypatch.setattr(jwks, "RETRY_SECONDS", 0)

    async def story(issuer: Issuer, source: UrlKeys, _: Clock, __: list[str]) -> None:
        running = asyncio.create_task(source.run())
        while len(issuer.asked) < 3:
            await asyncio.sleep(0)
        issuer.fails = httpx.ConnectError("down")
        while len(issuer.asked) < 6:
            await asyncio.sleep(0)
        issuer.fails, issuer.content = None, OTHER
        while source.keys().find("other", "ES256") is None:
            await asyncio.sleep(0)
        issuer.open.clear()
        before = len(issuer.asked)
        while len(issuer.asked) == before:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.sleep(0)
        assert all(each.cancelling() or each is asyncio.current_task() for each in asyncio.all_tasks())

    tell(story)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/keys",
        "file:///etc/passwd",
        "https://",
        "https:///keys",
        "issuer.example/keys",
        "",
        "https://me:secret@issuer.example/keys",
        "https://[::1/keys",
        "https://issuer.example:port/",
    ],
)
def test_an_address_that_is_not_of_https_is_refused(url: str) -> None:
    with pytest.raises(BadKeySet) as refused:
        UrlKeys(url, client=httpx.AsyncClient(), clock=Clock(), told=print)
    assert "secret" not in str(refused.value)


# --- Development


def asked_with(keys: DevelopmentKeys, clock: Clock) -> Bearers:
    return Bearers(keys, issuer=development_keys.ISSUER, audience=development_keys.AUDIENCE, clock=clock)


def test_a_development_token_names_its_caller(tmp_path: Path) -> None:
    clock = Clock()
    keys = DevelopmentKeys(tmp_path, clock=clock)
    text = keys.mint("app-1", [Role.APP], customer="C1", lifetime_seconds=60)
    asked = asked_with(DevelopmentKeys(tmp_path, clock=clock), clock)  # another process
    said = asked.caller(f"Bearer {text}")
    assert said == Caller(subject="app-1", roles=frozenset({Role.APP}), customer="C1")
    clock.now += 90
    with pytest.raises(Unauthenticated) as refused:
        asked.caller(f"Bearer {text}")
    assert refused.value.reason is Reason.EXPIRED


def test_the_key_of_one_ledger_is_none_of_another(tmp_path: Path) -> None:
    clock = Clock()
    text = DevelopmentKeys(tmp_path / "one", clock=clock).mint("app-1", [Role.APP])
    with pytest.raises(Unauthenticated):
        asked_with(DevelopmentKeys(tmp_path / "other", clock=clock), clock).caller(f"Bearer {text}")


def test_the_development_key_is_its_owners_alone(tmp_path: Path) -> None:
    keys = DevelopmentKeys(tmp_path, clock=Clock())
    path = tmp_path / development_keys.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    secret = json.loads(path.read_text())["key"]["d"]
    assert secret not in repr(keys)
    assert asyncio.run(keys.renewed()) is False
    path.chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        DevelopmentKeys(tmp_path, clock=Clock())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"key": 7}',
        '{"key": {"kty": "EC"}}',
        json.dumps({"key": public("x", EC)}),
        json.dumps({"key": ECKey.generate_key("P-384").as_dict(private=True)}),
        json.dumps({"key": {**EC.as_dict(private=True), "d": "AAAA"}}),
    ],
)
def test_a_damaged_development_key_is_told_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / development_keys.FILE
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(Unavailable, match="damaged") as refused:
        DevelopmentKeys(tmp_path, clock=Clock())
    assert "\n" not in str(refused.value)
    assert os.access(path, os.R_OK)
