"""The secrets of webhooks, and what is signed with them, as Standard Webhooks has it. No secret is in an error."""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from standardwebhooks.webhooks import Webhook

from sealbook.adapters.keys.port import Keys
from sealbook.application.ports import LedgerDamaged

PURPOSE = "webhooks"
SECRET_BYTES = 32
NONCE_BYTES = 12


def new_secret(randomness: Callable[[int], bytes]) -> str:
    return "whsec_" + base64.b64encode(randomness(SECRET_BYTES)).decode()


def sealed(secret: str, *, webhook: UUID, keys: Keys, randomness: Callable[[int], bytes]) -> bytes:
    """Return a secret that only the service opens, and only as this webhook's."""
    nonce = randomness(NONCE_BYTES)
    return nonce + AESGCM(keys.service_key(PURPOSE)).encrypt(nonce, secret.encode(), webhook.bytes)


def unsealed(stored: bytes, *, webhook: UUID, keys: Keys) -> str:
    """Return the secret. Raises LedgerDamaged for one that is another webhook's, or under another key."""
    try:
        opened = AESGCM(keys.service_key(PURPOSE)).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], webhook.bytes)
    except (InvalidTag, ValueError):
        # From None: a ValueError may show the bytes.
        raise LedgerDamaged(f"the secret of webhook {webhook} does not open: rotate it") from None
    return opened.decode()


def signed(body: str, *, message_id: str, at: datetime, secrets: Sequence[str]) -> Mapping[str, str]:
    """Return the headers of a message. It is signed with each secret: its receiver may know any of them."""
    # The library takes what a clock shows for UTC, whatever its zone.
    in_utc = at.astimezone(UTC)
    signatures = [Webhook(secret).sign(msg_id=message_id, timestamp=in_utc, data=body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
