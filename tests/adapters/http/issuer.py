"""An issuer of tokens for tests: good ones, and any others."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sealbook.adapters.http.bearer import Bearers
from sealbook.adapters.http.jwks import PublicKeys, parse_key_set

ISSUER, AUDIENCE = "https://issuer.example", "sealbook"
NOW = 1_800_000_000
EC, ED, RSA = ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2_048)
OTHER_EC = ECKey.generate_key("P-256")
AsymmetricKey = ECKey | OKPKey | RSAKey
BY_ALGORITHM: Mapping[str, tuple[str, AsymmetricKey]] = {
    "ES256": ("ec", EC),
    "Ed25519": ("ed", ED),
    "EdDSA": ("ed", ED),
    "PS256": ("rsa", RSA),
    "RS256": ("rsa", RSA),
}


def public(kid: str | None, key: AsymmetricKey, **more: Any) -> dict[str, Any]:
    named = {} if kid is None else {"kid": kid}
    return {**key.as_dict(private=False), **named, **more}


def document(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


KEY_SET = parse_key_set(document(public("ec", EC), public("ed", ED), public("rsa", RSA)))


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Keys:
    """A source whose keys a test changes; `next` are those that the issuer has by now."""

    def __init__(self, keys: PublicKeys = KEY_SET) -> None:
        self.now = self.next = keys
        self.asked = 0

    def keys(self) -> PublicKeys:
        return self.now

    async def renewed(self) -> bool:
        self.asked += 1
        before, self.now = self.now, self.next
        return self.now is not before


def bearers(keys: Keys | None = None, clock: Clock | None = None) -> Bearers:
    return Bearers(keys or Keys(), issuer=ISSUER, audience=AUDIENCE, leeway_seconds=30, clock=clock or Clock())


def claims(**changed: Any) -> dict[str, Any]:
    """Return good claims with some changed; one that is changed to ... is left out."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "teller-7",
        "scope": "teller",
        "iat": NOW - 10,
        "exp": NOW + 600,
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not ...}


def token(said: Mapping[str, Any] | str | bytes | None = None, *, algorithm: str = "ES256", **header: Any) -> str:
    """Return a token over claims, or over any text; header members that are ... are left out."""
    kid, key = BY_ALGORITHM[algorithm]
    return signed({"alg": algorithm, "kid": kid, "typ": "at+jwt", **header}, claims() if said is None else said, key)


def signed(header: Mapping[str, Any], said: Mapping[str, Any] | str | bytes, key: AsymmetricKey) -> str:
    """Sign whatever it is: the header may say anything, and is not what the signature is made by."""
    kept = {name: value for name, value in header.items() if value is not ...}
    payload = said if isinstance(said, str | bytes) else json.dumps(said)
    return sign(json.dumps(kept).encode(), payload if isinstance(payload, bytes) else payload.encode(), key)


def sign(header: bytes, payload: bytes, key: AsymmetricKey) -> str:
    by = {"EC": "ES256", "OKP": "Ed25519", "RSA": "RS256"}[key.key_type]
    if key.key_type == "RSA" and b"PS256" in header:
        by = "PS256"
    content = b"%s.%s" % (part(header), part(payload))
    return f"{content.decode()}.{part(jws.JWSRegistry.algorithms[by].sign(content, key)).decode()}"


def part(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def parts(text: str) -> Sequence[bytes]:
    """Return what the parts of a token hold."""
    return [base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in text.split(".")]
