"""Root keys: what an HSM keeps. They wrap other keys, and never leave it."""

from collections.abc import Mapping
from typing import Protocol


class RootKeys(Protocol):
    """AES-256 keys by epoch, each of which lives until it is destroyed. All raise Unavailable.

    Others may keep epochs of theirs in the same place: only those that one's keystore names are one's own.
    """

    @property
    def told(self) -> str:
        """Where the keys are, in words, without a secret."""
        ...

    @property
    def for_development(self) -> bool:
        """Whether anybody who reads a file has them."""
        ...

    def epochs(self) -> list[int]:
        """Return the numbers of the epochs that are there, in order."""
        ...

    def create_epoch(self) -> int:
        """Make the key of a new epoch; return its number, higher than any that is there."""
        ...

    def wrap(self, epoch: int, key: bytes) -> bytes:
        """Return a key wrapped with AES-KWP (RFC 5649)."""
        ...

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        """Return a key that was wrapped under an epoch. Raises Unavailable if it was not, or the epoch is gone."""
        ...

    def destroy_epoch(self, epoch: int) -> None:
        """Destroy the key of an epoch for good. One that is not there is destroyed."""
        ...

    def reach(self) -> Mapping[str, object]:
        """Return how another process of ours gets at them, as JSON knows it. It holds secrets."""
        ...
