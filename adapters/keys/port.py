"""The port of the keys: what the ledger asks of them, wherever they are kept."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from sealbook.application.names import Name

KEY_BYTES = 32
MAC_BYTES = 17
"""The id of the key, one byte, then 16 bytes of HMAC-SHA256."""


class KeyClass(StrEnum):
    """What a subject's key opens, and so how long it must be kept."""

    PERSONAL = "personal"
    RECORD = "record"
    SECRET = "secret"  # noqa: S105 (the name of a class)


MADE_TOGETHER = (KeyClass.RECORD, KeyClass.SECRET)
"""Whoever has a name in the ledger is soon given a secret: one commit makes the keys of both."""


def made_with(key_class: KeyClass) -> tuple[KeyClass, ...]:
    """Return the classes of which keys are made when one of this class is."""
    return MADE_TOGETHER if key_class in MADE_TOGETHER else (key_class,)


class Keys(Protocol):
    """The keys of one ledger.

    A subject is a stream that something is kept secret for: a customer or a device.
    """

    def mac(self, *, book: int, stream: bytes, version: int, salt: bytes, body: bytes) -> bytes:
        """Return the MAC of an event under the key in force: over where it stands and what it says.

        `stream` is its id as 16 bytes.
        """
        ...

    def mac_fits(self, mac: bytes, *, book: int, stream: bytes, version: int, salt: bytes, body: bytes) -> bool:
        """Tell whether a MAC is that of an event, under any key that was ever in force."""
        ...

    def name_digest(self, name: Name) -> bytes:
        """Return what a name is found by: the key's id and a keyed digest, useless without the key."""
        ...

    def command_digest(self, content: bytes) -> bytes:
        """Return what is kept of a command's content, 16 bytes: equal for equal contents, useless without the key.

        Every use pays for it: under a microsecond, like a keyed BLAKE2b.
        """
        ...

    def service_key(self, purpose: str) -> bytes:
        """Return a key of 32 bytes for one purpose of a service: the same in every process, of no use for another."""
        ...

    def check_value(self, ledger: UUID) -> bytes:
        """Return what the ledger keeps to tell its own keys from others."""
        ...

    def subject_keys(
        self, subjects: Collection[UUID], key_class: KeyClass, *, create: bool = False
    ) -> Mapping[UUID, bytes]:
        """Return the keys of subjects, each of 32 bytes; one that has none, or whose keys were destroyed, is missing.

        `create` makes keys for those who never had any, those of `made_with` at once; they are durable when this
        returns.
        """
        ...

    def destroy(self, subjects: Collection[UUID], *, position: int) -> int:
        """Destroy all keys of subjects for good, and note that erasures up to a position are carried out.

        Return how many keys there were. None of these subjects gets a key again.
        """
        ...

    def reconciled_to(self) -> int:
        """Return the position up to which the log's erasures are carried out on these keys."""
        ...

    def begin_again(self) -> Collection[UUID]:
        """Note that no erasure of the ledger is carried out; return every subject whose keys are destroyed.

        For a ledger that came back older than these keys: it may erase again where it did.
        """
        ...
