"""Keys that bearer tokens are signed with: a key set (RFC 7517) from a file, or from the issuer's https address."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from sealbook.application.ports import Unavailable

ALGORITHMS = ("ES256", "Ed25519", "EdDSA", "PS256", "RS256")
"""What a token may be signed by: signatures by a private key, nothing by a shared secret, nothing unsigned."""
KEY_SET_BYTES_MAX = 1 << 17
KEYS_MAX = 100
RSA_BITS = range(2_048, 4_097)
LOOK_SECONDS = 1
"""How often a file is looked at."""
REFRESH_SECONDS = 300
RETRY_SECONDS = 30
"""How soon after a fetch another one may follow, whatever asks for it."""
KEPT_SECONDS = 3_600
"""For how long the last good set counts while no good one can be had."""
FETCH_SECONDS_MAX = 5
OK = 200
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Mapping[str, tuple[str, ...]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_FIT: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"PS256", "RS256"}),
    "P-256": frozenset({"ES256"}),
    "Ed25519": frozenset({"Ed25519", "EdDSA"}),
}
_SAME_BY_ANOTHER_NAME = {"EdDSA": _FIT["Ed25519"], "Ed25519": _FIT["Ed25519"]}
Told = Callable[[str], None]


class BadKeySet(ValueError):
    """What should be a set of public keys is none, or holds none that is of use."""


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """Keys by their id and by an algorithm that they are for: a key is never tried with another one's."""

    keys: Mapping[tuple[str | None, str], Key]

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key of an id; without an id, the only key that there is for the algorithm."""
        if kid is not None:
            return self.keys.get((kid, algorithm))
        fit = [key for (_, each), key in self.keys.items() if each == algorithm]
        return fit[0] if len(fit) == 1 else None


class KeySource(Protocol):
    """Where the keys come from."""

    def keys(self) -> PublicKeys:
        """Return the keys in force: the same object as long as nothing changes. Raises Unavailable if none are."""
        ...

    async def renewed(self) -> bool:
        """Look for keys that are newer than those in force; tell whether there were."""
        ...


def parse_key_set(document: bytes) -> PublicKeys:
    """Return the keys of a set that can verify tokens. Raises BadKeySet.

    A key that is not understood, or is for something else, is passed over (RFC 7517 5); of two for the same, the
    first counts. A private or a shared key has no place in a set that is handed around: then the whole is refused.
    """
    if len(document) > KEY_SET_BYTES_MAX:
        raise BadKeySet(f"the key set is longer than {KEY_SET_BYTES_MAX} bytes")
    try:
        said = json.loads(document)
    except (ValueError, RecursionError):
        raise BadKeySet("the key set is no JSON") from None
    listed: object = cast("dict[str, object]", said).get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list) or len(cast("list[object]", listed)) > KEYS_MAX:
        raise BadKeySet(f'the key set has no list "keys" of at most {KEYS_MAX}')
    found = dict[tuple[str | None, str], Key]()
    for each in cast("list[object]", listed):
        for at, key in _usable(cast("dict[str, Any]", each) if isinstance(each, dict) else {}):
            found.setdefault(at, key)
    if not found:
        raise BadKeySet(f"the key set holds no public key for any of {', '.join(ALGORITHMS)}")
    return PublicKeys(found)


def _usable(jwk: Mapping[str, Any]) -> Sequence[tuple[tuple[str | None, str], Key]]:
    if not _PRIVATE.isdisjoint(jwk):
        raise BadKeySet("the key set holds a private or shared key: publish the public ones, and make new keys")
    kid = jwk.get("kid")
    if not (kid is None or isinstance(kid, str)) or jwk.get("use", "sig") != "sig":
        return ()
    operations = jwk.get("key_ops", ["verify"])
    key = _imported(jwk) if isinstance(operations, list) and "verify" in operations else None
    if key is None:
        return ()
    fit = _FIT.get(key.key_type if isinstance(key, RSAKey) else key.curve_name, frozenset[str]())
    named = jwk.get("alg")
    if named is not None:
        fit &= _SAME_BY_ANOTHER_NAME.get(named, frozenset({named})) if isinstance(named, str) else frozenset()
    return [((kid, algorithm), key) for algorithm in sorted(fit)]


def _imported(jwk: Mapping[str, Any]) -> RSAKey | ECKey | OKPKey | None:
    kty = jwk.get("kty")
    # Nothing but the key itself: what else a set says about it was judged above.
    bare = {name: jwk.get(name) for name in _MEMBERS.get(kty, ())} if isinstance(kty, str) else {}
    if not bare or not all(isinstance(value, str) for value in bare.values()):
        return None
    members = cast("dict[str, str | list[str]]", {"kty": kty, **bare})
    try:
        match kty:
            case "RSA":
                rsa = RSAKey.import_key(members)
                return rsa if rsa.public_key.key_size in RSA_BITS else None
            case "EC":
                return ECKey.import_key(members)
            case _:
                return OKPKey.import_key(members)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


class FileKeys:
    """Keys from a file, which is read anew when it changes; `clock` tells seconds that never go back.

    A file that has become bad or is gone leaves the last good set in force, for a time; `told` hears of it.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float], told: Told) -> None:
        self._path, self._clock, self._told = path, clock, told
        self._looked_at = self._good_at = clock()
        self._stamp: object = None
        self._document: bytes = b""
        self._keys = PublicKeys({})
        self._complaint = ""
        self._read()

    def keys(self) -> PublicKeys:
        now = self._clock()
        if now - self._looked_at >= LOOK_SECONDS:
            self._look(now)
        if now - self._good_at > KEPT_SECONDS:
            raise Unavailable(self._complaint)
        return self._keys

    async def renewed(self) -> bool:
        # A file is looked at before each answer anyway, if not a moment ago.
        return False

    def _look(self, now: float) -> None:
        self._looked_at = now
        try:
            if self._stamp != self._stamp_now():
                self._read()
            self._good_at, self._complaint = now, ""
        except Unavailable as error:
            # Once, and not at every look.
            if self._complaint != str(error):
                self._told(str(error))
            self._complaint = str(error)

    def _stamp_now(self) -> object:
        try:
            status = self._path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> None:
        """Read the file. Raises Unavailable; then it counts as not read, and is read at the next look."""
        stamp = self._stamp_now()
        try:
            with self._path.open("rb") as file:
                document = file.read(KEY_SET_BYTES_MAX + 1)
            if document != self._document:
                self._keys = parse_key_set(document)
                self._document = document
        except OSError as error:
            raise self._unreadable(error) from error
        except BadKeySet as error:
            raise Unavailable(f"{self._path}: {error}") from error
        self._stamp = stamp

    def _unreadable(self, error: OSError) -> Unavailable:
        return Unavailable(f"the key set {self._path} cannot be read: {(error.strerror or 'unknown').lower()}")


class UrlKeys:
    """Keys from the issuer's https address; `clock` tells seconds that never go back.

    `run` fetches them, again and again. While the issuer is down the last good set stays in force, for a time;
    `told` hears of it. A token of a key that is not known has them fetched at once, but not more often than every
    30 s: whoever makes up key ids cannot make the service a burden to the issuer. Redirects are not followed.
    """

    def __init__(self, url: str, *, client: httpx.AsyncClient, clock: Callable[[], float], told: Told) -> None:
        """Raise BadKeySet if the address is none, or not of https."""
        self._url, self._client, self._clock, self._told = _address(url), client, clock, told
        self._document: bytes = b""
        self._keys = PublicKeys({})
        self._good_at: float | None = None
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    def keys(self) -> PublicKeys:
        if self._good_at is None or self._clock() - self._good_at > KEPT_SECONDS:
            raise Unavailable("the issuer's key set cannot be had: no token can be checked")
        return self._keys

    async def renewed(self) -> bool:
        before = self._keys
        await self.fetch()
        return self._keys is not before

    async def run(self) -> None:
        """Keep the keys fresh until cancelled."""
        try:
            while True:
                await self.fetch()
                await asyncio.sleep(REFRESH_SECONDS if self._good_at == self._tried_at else RETRY_SECONDS)
        finally:
            if self._fetching is not None:
                self._fetching.cancel()

    async def fetch(self) -> None:
        """Fetch the keys, or wait for the fetch that is under way. Does nothing so soon after the last one."""
        if self._fetching is None:
            if self._tried_at is not None and self._clock() - self._tried_at < RETRY_SECONDS:
                return
            self._fetching = asyncio.create_task(self._fetch())
        # One who goes away must not take the answer from the others who wait for it.
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(FETCH_SECONDS_MAX):
                document = await self._got()
            if document != self._document:
                self._keys = parse_key_set(document)
                self._document = document
            self._good_at = self._tried_at
        except (httpx.HTTPError, httpx.StreamError, OSError, BadKeySet) as error:
            self._told(f"the issuer's key set could not be fetched: {_why(error)}")
        finally:
            self._fetching = None

    async def _got(self) -> bytes:
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        async with self._client.stream("GET", self._url, headers=headers, follow_redirects=False) as answer:
            if answer.status_code != OK:
                raise BadKeySet(f"it answered {answer.status_code}")
            document = bytearray()
            # As it came: what is packed could unpack to any size.
            async for part in answer.aiter_raw():
                document += part
                if len(document) > KEY_SET_BYTES_MAX:
                    break
            return bytes(document)


def _address(url: str) -> httpx.URL:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL()
    if address.scheme != "https" or not address.host or address.userinfo:
        raise BadKeySet("the address of the key set is not of the form https://HOST/PATH")
    return address


def _why(error: Exception) -> str:
    # What a driver says may hold an address or what the issuer sent.
    return str(error) if isinstance(error, BadKeySet) else type(error).__name__
