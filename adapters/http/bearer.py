"""Bearer tokens: who calls, by a JWT (RFC 9068, RFC 7519) that the issuer signed.

A token is refused with one of a few reasons, never with a word of its own. Headers that would bring a key along
(`jwk`, `jku`, `x5c`, `x5u`) are not looked at: the keys are those of the configured set, and each is bound to its
algorithms.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64decode

from sealbook.adapters.http.access import Caller, Role
from sealbook.adapters.http.jwks import ALGORITHMS, KeySource, PublicKeys

TOKEN_BYTES_MAX = 8_192
HEADER_BYTES_MAX = 4_096
KID_CHARACTERS_MAX = 256
CUSTOMER_CHARACTERS_MAX = 128
VERIFIED_SECONDS_MAX = 300
"""For how long a token is known without a look at its signature: so soon a change at the issuer is noticed."""
VERIFIED_MAX = 20_000
_SECONDS_MAX = 1 << 53
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@|/+=~-]{0,127}")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
RESERVED_SUBJECTS = frozenset({"sealbook", "sealer", "importer", "keys", "operator"})
"""Actors under which the ledger itself writes: nobody comes with a token as one of these."""


class Reason(StrEnum):
    """Why nobody is known to call. The value may be logged and counted; it says nothing of the token."""

    NO_TOKEN = "no_token"  # noqa: S105 (a word)
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    ALGORITHM = "algorithm"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    CLAIMS = "claims"
    CERTIFICATE = "certificate"


_SAID: Mapping[Reason, str] = {
    Reason.NO_TOKEN: "send a bearer token: Authorization: Bearer TOKEN",
    Reason.MALFORMED: "the bearer token is not a signed JWT",
    Reason.TOO_LARGE: f"the bearer token is longer than {TOKEN_BYTES_MAX} bytes",
    Reason.ALGORITHM: "the bearer token is signed by an algorithm that is not taken here",
    Reason.UNKNOWN_KEY: "the bearer token is signed by a key that is not known here",
    Reason.SIGNATURE: "the bearer token's signature is wrong",
    Reason.EXPIRED: "the bearer token has expired: ask the issuer for a new one",
    Reason.NOT_YET_VALID: "the bearer token is not valid yet: compare the clocks",
    Reason.ISSUER: "the bearer token is another issuer's",
    Reason.AUDIENCE: "the bearer token is for another service",
    Reason.CLAIMS: "the bearer token lacks a claim, or has one of the wrong form",
    Reason.CERTIFICATE: "the bearer token is bound to a client certificate other than the one shown",
}


class Unauthenticated(Exception):
    """Nobody is known to call. The message repeats nothing that was sent."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(_SAID[reason])
        self.reason = reason

    @property
    def challenge(self) -> str:
        """Return what WWW-Authenticate says (RFC 6750 3)."""
        return (
            "Bearer" if self.reason is Reason.NO_TOKEN else f'Bearer error="invalid_token", error_description="{self}"'
        )


class _Verified(NamedTuple):
    caller: Caller
    until: float


class Bearers:
    """Who calls, by the tokens of one issuer. For one event loop: nothing here is locked.

    `clock` tells Unix seconds. `leeway_seconds` is how far the issuer's clock may be off. Raises ValueError for an
    algorithm that is never taken.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        algorithms: Collection[str] = ALGORITHMS,
        leeway_seconds: float = 30,
        clock: Callable[[], float],
    ) -> None:
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            raise ValueError(f"the algorithms of bearer tokens are some of {', '.join(ALGORITHMS)}")
        self._source = keys
        self._issuer, self._audience, self._leeway_seconds = issuer, audience, leeway_seconds
        self._registry = _registry(algorithms)
        self._clock = clock
        self._keys: PublicKeys | None = None
        # By SHA-256 of the token: a copy of this memory lets nobody in. Only what was verified comes in, so that
        # whoever sends garbage cannot push anybody out.
        self._verified: dict[bytes, _Verified] = {}

    def caller(self, authorization: str | None, *, certificate: str | None = None) -> Caller:
        """Return who calls, by the value of the header Authorization.

        `certificate` is the thumbprint of the client certificate that was shown (RFC 8705), None without one.
        Raises Unauthenticated; Unavailable where no keys can be had.
        """
        token = _token(authorization)
        keys = self._source.keys()
        if keys is not self._keys:
            self._verified.clear()
            self._keys = keys
        digest = hashlib.sha256(token).digest()
        now = self._clock()
        known = self._verified.get(digest)
        if known is None or now >= known.until:
            known = self._remember(digest, self._verify(token, keys, now), now)
        bound = known.caller.certificate
        if bound is not None and bound != certificate:
            raise Unauthenticated(Reason.CERTIFICATE)
        return known.caller

    async def authenticated(self, authorization: str | None, *, certificate: str | None = None) -> Caller:
        """Return who calls, as `caller` does; a key that is not known is looked for once at the issuer's."""
        try:
            return self.caller(authorization, certificate=certificate)
        except Unauthenticated as refused:
            if refused.reason is not Reason.UNKNOWN_KEY or not await self._source.renewed():
                raise
        return self.caller(authorization, certificate=certificate)

    def __repr__(self) -> str:
        return f"Bearers({len(self._verified)} verified)"

    def _remember(self, digest: bytes, verified: _Verified, now: float) -> _Verified:
        self._verified.pop(digest, None)
        while len(self._verified) >= VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]
        kept = verified._replace(until=min(verified.until, now + VERIFIED_SECONDS_MAX))
        self._verified[digest] = kept
        return kept

    def _verify(self, token: bytes, keys: PublicKeys, now: float) -> _Verified:
        key = self._key(_header(token), keys)
        try:
            signed = jws.extract_compact(token, registry=self._registry)
            good = jws.validate_compact(signed, key, registry=self._registry)
        except (JoseError, ValueError, TypeError):
            raise Unauthenticated(Reason.MALFORMED) from None
        if not good:
            raise Unauthenticated(Reason.SIGNATURE)
        return self._judged(_object(signed.payload), now)

    def _key(self, header: Mapping[str, Any], keys: PublicKeys) -> Key:
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if not isinstance(algorithm, str) or algorithm not in self._registry.algorithms:
            raise Unauthenticated(Reason.ALGORITHM)
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise Unauthenticated(Reason.MALFORMED)
        if not (kid is None or (isinstance(kid, str) and len(kid) <= KID_CHARACTERS_MAX)):
            raise Unauthenticated(Reason.MALFORMED)
        # What must be understood (`crit`), an unencoded payload, and a token within a token are not taken at all.
        if not {"crit", "b64", "cty"}.isdisjoint(header):
            raise Unauthenticated(Reason.MALFORMED)
        key = keys.find(kid, algorithm)
        if key is None:
            raise Unauthenticated(Reason.UNKNOWN_KEY)
        return key

    def _judged(self, claims: Mapping[str, Any], now: float) -> _Verified:
        """Return what good claims say. Raises Unauthenticated."""
        if claims.get("iss") != self._issuer:
            raise Unauthenticated(Reason.ISSUER)
        audience = claims.get("aud")
        if self._audience not in (cast("list[object]", audience) if isinstance(audience, list) else [audience]):
            raise Unauthenticated(Reason.AUDIENCE)
        expires_at, issued_at = _moment(claims.get("exp")), _moment(claims.get("iat"))
        begins_at = _moment(claims.get("nbf", issued_at))
        until = expires_at + self._leeway_seconds
        if now >= until:
            raise Unauthenticated(Reason.EXPIRED)
        if max(begins_at, issued_at) > now + self._leeway_seconds:
            raise Unauthenticated(Reason.NOT_YET_VALID)
        return _Verified(_caller(claims), until)


def _registry(algorithms: Collection[str]) -> jws.JWSRegistry:
    """Return a registry that knows the given algorithms and no other. Unknown header members are ignored."""
    registry = jws.JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    registry.max_header_length = HEADER_BYTES_MAX
    # EdDSA is an older name of Ed25519 here: the library's own would take Ed448 as well.
    own = {"EdDSA": "Ed25519"}
    registry.algorithms = {name: jws.JWSRegistry.algorithms[own.get(name, name)] for name in algorithms}
    return registry


def _token(authorization: str | None) -> bytes:
    if not authorization:
        raise Unauthenticated(Reason.NO_TOKEN)
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer" and scheme.lower() != "bearer":
        raise Unauthenticated(Reason.NO_TOKEN)
    if len(token) > TOKEN_BYTES_MAX:
        raise Unauthenticated(Reason.TOO_LARGE)
    try:
        return token.strip(" ").encode("ascii")
    except UnicodeEncodeError:
        raise Unauthenticated(Reason.MALFORMED) from None


def _header(token: bytes) -> Mapping[str, Any]:
    try:
        return _object(urlsafe_b64decode(token.partition(b".")[0]))
    except ValueError:
        raise Unauthenticated(Reason.MALFORMED) from None


def _object(text: bytes) -> Mapping[str, Any]:
    """Return a JSON object in which no member stands twice: two readers might each take another one."""
    try:
        said = json.loads(text.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unauthenticated(Reason.MALFORMED) from None
    if not isinstance(said, dict):
        raise Unauthenticated(Reason.MALFORMED)
    return cast("dict[str, Any]", said)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _no_constant(_: str) -> None:
    raise ValueError


def _moment(value: object) -> float:
    # A bool is an int to Python, and to nobody else.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _SECONDS_MAX:
        raise Unauthenticated(Reason.CLAIMS)
    return value


def _caller(claims: Mapping[str, Any]) -> Caller:
    subject, scope, customer = claims.get("sub"), claims.get("scope"), claims.get("customer")
    if not isinstance(subject, str) or not SUBJECT.fullmatch(subject) or subject.lower() in RESERVED_SUBJECTS:
        raise Unauthenticated(Reason.CLAIMS)
    if not isinstance(scope, str):
        raise Unauthenticated(Reason.CLAIMS)
    words = scope.split(" ")
    roles = frozenset(role for role in Role if role in words)
    # An app is held to one customer, the staff is not: who is both would be held by neither rule.
    if Role.APP in roles and len(roles) > 1:
        raise Unauthenticated(Reason.CLAIMS)
    return Caller(
        subject=subject,
        roles=roles,
        customer=_customer(customer) if Role.APP in roles else None,
        certificate=_bound_to(claims),
    )


def _customer(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= CUSTOMER_CHARACTERS_MAX or not value.isprintable():
        raise Unauthenticated(Reason.CLAIMS)
    return value


def _bound_to(claims: Mapping[str, Any]) -> str | None:
    """Return the thumbprint of the certificate that a token is bound to. Anything else it is bound to is refused."""
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    members = cast("dict[str, object]", confirmation) if isinstance(confirmation, dict) else {}
    thumbprint = members.get("x5t#S256")
    if len(members) != 1 or not isinstance(thumbprint, str) or not _THUMBPRINT.fullmatch(thumbprint):
        raise Unauthenticated(Reason.CLAIMS)
    return thumbprint
