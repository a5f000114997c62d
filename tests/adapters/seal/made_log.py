"""A log over made-up entries, and where the vectors of others are."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealbook.adapters.keys.log_signer import FileLogSigner
from sealbook.adapters.seal.folder import SealFolder
from sealbook.adapters.seal.merkle import consistency_proof, inclusion_proof, leaf_hash
from sealbook.adapters.seal.notes import Checkpoint, Note, VerifierKey, log_key, signed
from sealbook.adapters.seal.tiles import TileWriter
from sealbook.adapters.seal.witness_request import WitnessRequest
from tests.cli.terminal import SHARED

VECTORS = SHARED.parent / "vectors"
ORIGIN = "bank.example/sealbook/2026"
NOW = 1_790_000_000
needs_vectors = pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not beside the repository")


def signer(name: str = ORIGIN, *, seed: int = 1) -> FileLogSigner:
    return FileLogSigner(name=name, key=Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


@lru_cache(maxsize=4096)
def entry(index: int) -> bytes:
    return sha256(f"entry {index}".encode()).digest() * 3


class MadeLog:
    """A log in a folder. What it says at `altered` and after it is something else than other logs say there."""

    def __init__(self, path: Path, *, altered: int | None = None, seed: int = 1) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.folder = SealFolder(path)
        self.signer = signer(seed=seed)
        self.key: VerifierKey = log_key(self.signer)
        self._altered = altered
        self._writer = TileWriter(path)

    def grown(self, size: int) -> Note:
        """Let it grow to a size; return the checkpoint, which is published too."""
        assert size >= self._writer.size
        self._writer.add(leaf_hash(self.entry(index)) for index in range(self._writer.size, size))
        self._writer.save()
        note = signed(Checkpoint(ORIGIN, size, self._writer.root()).text, [self.signer])
        self.folder.trust_log([self.key])
        self.folder.put_checkpoint(note)
        return note

    def entry(self, index: int) -> bytes:
        is_altered = self._altered is not None and index >= self._altered
        return b"altered " + entry(index) if is_altered else entry(index)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        return inclusion_proof(self.folder.tiles.node(size), index, size)

    def growth(self, old: int, size: int) -> list[bytes]:
        return consistency_proof(self.folder.tiles.node(size), old, size)

    def request(self, size: int, *, old: int = 0) -> WitnessRequest:
        """Grow to a size, and ask a witness that stands at another to cosign it."""
        note = self.grown(size)
        return WitnessRequest(old, self.growth(old, size), note)


def sent(request: WitnessRequest) -> bytes:
    return str(request).encode()
