"""Development mode: a key of the ledger folder's own signs tokens, so that a service can be tried without an issuer."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import uuid4

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from sealbook.adapters.http.access import Role
from sealbook.adapters.http.jwks import PublicKeys, parse_key_set
from sealbook.adapters.keys.private_file import alone_with, damaged, read_private, write_private
from sealbook.application.ports import Unavailable

FILE = "development-token-key.json"
ISSUER = "urn:sealbook:development"
AUDIENCE = "sealbook"
ALGORITHM = "ES256"
LIFETIME_SECONDS = 3_600
NOTICE = (
    "DEVELOPMENT MODE: whoever reads the ledger folder makes tokens for any role.",
    "Tokens are signed by a key in that folder, not by an issuer. For trials on this computer only, never for a bank.",
)
"""What is said when a service starts in this mode, and when a token is made."""
READ_BY_OTHERS = 0o077


class DevelopmentKeys:
    """The development key of a ledger folder, made when it is first asked for; a source of keys, and the issuer.

    `clock` tells Unix seconds.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float]) -> None:
        """Raise Unavailable if the key cannot be made, read or kept secret."""
        self._key = _key_in(folder / FILE)
        self._clock = clock
        public = {**self._key.as_dict(private=False), "kid": self._key.thumbprint(), "alg": ALGORITHM}
        self._keys = parse_key_set(json.dumps({"keys": [public]}).encode())

    def keys(self) -> PublicKeys:
        return self._keys

    async def renewed(self) -> bool:
        return False

    def mint(
        self,
        subject: str,
        scopes: Iterable[Role],
        *,
        customer: str | None = None,
        lifetime_seconds: int = LIFETIME_SECONDS,
    ) -> str:
        """Return a token. `customer` is the id or name of the one customer that an app acts for."""
        now = int(self._clock())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + lifetime_seconds,
            "jti": str(uuid4()),
            **({} if customer is None else {"customer": customer}),
        }
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self._key.thumbprint()}
        return jws.serialize_compact(header, json.dumps(claims), self._key, algorithms=[ALGORITHM])

    def __repr__(self) -> str:
        return "DevelopmentKeys()"


def _key_in(path: Path) -> ECKey:
    with alone_with(path):
        if not path.exists():
            made = ECKey.generate_key("P-256")
            write_private(path, {"key": made.as_dict(private=True)})
    if path.stat().st_mode & READ_BY_OTHERS:
        raise Unavailable(f"the key file {path} can be read by others: run 'chmod 600' on it, or delete it")
    try:
        key = ECKey.import_key(read_private(path)["key"])
    except (JoseError, ValueError, TypeError, KeyError):
        # From None: what could not be parsed may be half a key.
        raise damaged(path) from None
    if not key.is_private or key.curve_name != "P-256":
        raise damaged(path)
    return key
