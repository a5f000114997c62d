"""A ledger's log in a few lines, written from docs/proofs.md: what the verifier is tried on.

Nothing of it is fast, and nothing of it is the verifier's or the ledger's: trees are as RFC 6962 2.1
defines them, word by word, and msgpack is msgspec's.
"""

import base64
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from struct import pack
from typing import Any, Literal
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LEDGER = UUID("5ea1b00c-0000-8000-8000-000000000000")
START_US = 1_743_550_200_000_000
KINDS = {
    "ledger.heads_mapped": 2,
    "customer.personal_data_erased": 3,
    "credential.personal_data_erased": 3,
    "ledger.key_changed": 4,
    "ledger.records_dropped": 5,
    "ledger.log_replaced": 6,
}
ZEROS = bytes(32)
Form = Literal["shown", "closed"]
msgpack = msgspec.msgpack.Encoder().encode


# --- Trees, as RFC 6962 2.1 defines them


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def _split(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), root(leaves[k:])]
    return [*path(index - k, leaves[k:]), root(leaves[:k])]


def growth(old_size: int, leaves: list[bytes]) -> list[bytes]:
    return _subproof(old_size, leaves, whole=True) if 0 < old_size < len(leaves) else []


def _subproof(size: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [root(leaves)]
    k = _split(len(leaves))
    if size <= k:
        return [*_subproof(size, leaves[:k], whole=whole), root(leaves[k:])]
    return [*_subproof(size - k, leaves[k:], whole=False), root(leaves[:k])]


# --- Signatures


@dataclass(frozen=True)
class Signer:
    """A log's key (type 1) or a witness's (type 4)."""

    name: str
    seed: int
    algorithm: int = 1

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(sha256(bytes([self.seed])).digest())

    @property
    def typed_key(self) -> bytes:
        return bytes([self.algorithm]) + self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self.typed_key).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.typed_key).decode()}"

    def line(self, text: str, at_seconds: int = 0) -> str:
        signed = self.private.sign(text.encode())
        if self.algorithm == 4:
            message = f"cosignature/v1\ntime {at_seconds}\n{text}"
            signed = pack(">Q", at_seconds) + self.private.sign(message.encode())
        return f"— {self.name} {base64.b64encode(self.key_id + signed).decode()}\n"


LOG = Signer("bank.example/sealbook/2026", 1)
AUDIT = Signer("audit.example/witness", 2, 4)
REGULATOR = Signer("regulator.example/witness", 3, 4)
POLICY = f"log {LOG.vkey}\nwitness audit {AUDIT.vkey}\nwitness regulator {REGULATOR.vkey}\n"
COSIGNED_AT = START_US // 10**6 + 3600


def signed(text: str, *signers: Signer) -> str:
    return text + "\n" + "".join(each.line(text, COSIGNED_AT) for each in signers)


# --- The log


@dataclass
class Entry:
    stream: UUID
    version: int
    recorded_at: int
    body: bytes
    salt: bytes
    previous: bytes
    position: int
    dropped: bool = False

    @property
    def kind(self) -> int:
        return KINDS.get(msgspec.msgpack.decode(self.body)[0], 1)

    @property
    def commitment(self) -> bytes:
        return sha256(b"sb1" + self.salt + self.body).digest()

    @cached_property
    def leaf(self) -> bytes:
        packed = pack(">BBQ16sIQ", 1, self.kind, self.position, self.stream.bytes, self.version, self.recorded_at)
        return leaf_hash(packed + self.previous + self.commitment)

    def told(self, form: Form = "shown") -> list[Any]:
        if form == "closed" or self.dropped:
            return [self.position, self.recorded_at, self.kind, self.commitment]
        return [self.position, self.recorded_at, self.salt, self.body]

    @property
    def record(self) -> bytes:
        content = bytes([self.kind]) + self.commitment if self.dropped else self.salt + self.body
        length = len(content) | (1 << 31 if self.dropped else 0)
        return self.stream.bytes + pack(">IQI", self.version, self.recorded_at, length) + content


@dataclass
class Book:
    """A ledger's book with its log. Every entry is `step_us` after the one before."""

    step_us: int = 1_000_000
    entries: list[Entry] = field(default_factory=list[Entry])

    def add(self, stream: UUID, name: str, *fields: Any, policy: str | None = None) -> Entry:
        at = START_US + len(self.entries) * self.step_us
        return self.add_body(stream, msgpack([name, 1, at, "holder", "app", bytes(16), policy, None, *fields]))

    def add_body(self, stream: UUID, body: bytes) -> Entry:
        position = len(self.entries) + 1
        before = self.of(stream)
        entry = Entry(
            stream=stream,
            version=len(before) + 1,
            recorded_at=START_US + position * self.step_us,
            body=body,
            salt=sha256(b"salt" + position.to_bytes(8)).digest()[:16],
            previous=before[-1].leaf if before else ZEROS,
            position=position,
        )
        self.entries.append(entry)
        return entry

    def use(self, stream: UUID) -> Entry:
        return self.add(stream, "credential.used", "login", True, None)

    def of(self, stream: UUID) -> list[Entry]:
        return [each for each in self.entries if each.stream == stream]

    @property
    def leaves(self) -> list[bytes]:
        return [each.leaf for each in self.entries]

    def map_entries(self, size: int) -> dict[UUID, bytes]:
        """Return the entries of the map of the first `size` events, in order."""
        heads = {each.stream: each for each in self.entries[:size]}
        ordered = sorted(heads.items(), key=lambda item: item[0].bytes)
        return {key: b"M" + key.bytes + pack(">I", each.version) + each.leaf for key, each in ordered}

    def map(self, size: int | None = None) -> Entry:
        """Record a map of all so far, or of the first `size` events."""
        covered = len(self.entries) if size is None else size
        mapped = [leaf_hash(each) for each in self.map_entries(covered).values()]
        return self.add(LEDGER, "ledger.heads_mapped", covered, len(mapped), root(mapped).hex())

    def drop(self, stream: UUID, versions: int, *, destroy: bool = True) -> Entry:
        for each in self.of(stream)[:versions]:
            each.dropped = each.dropped or destroy
        return self.add(LEDGER, "ledger.records_dropped", stream.bytes, versions, "after 5 years", "officer 7")

    # What is published

    def checkpoint(self, *cosigners: Signer, size: int | None = None) -> str:
        leaves = self.leaves[:size]
        text = f"{LOG.name}\n{len(leaves)}\n{base64.b64encode(root(leaves)).decode()}\n"
        return signed(text, LOG, *(cosigners or (AUDIT, REGULATOR)))

    def ledger_event(self, entry: Entry) -> list[Any]:
        return [entry.version, entry.previous, entry.told(), path(entry.position - 1, self.leaves)]

    def last_map(self) -> tuple[Entry, int]:
        """Return the last map and the size that it covers."""
        entry = [each for each in self.of(LEDGER) if each.kind == 2][-1]
        return entry, msgspec.msgpack.decode(entry.body)[8]

    def history_parts(self, stream: UUID, *, known_at: int | None = None) -> list[Any]:
        """Return a history as an array; events at positions above `known_at` are withheld."""
        mapped, size = self.last_map()
        streams = self.map_entries(size)
        index = list(streams).index(stream)
        hashes = [leaf_hash(each) for each in streams.values()]
        events = self.of(stream)
        shown = {each.position: _told(each, known_at) for each in events}
        last = [each for each in events if each.position <= size][-1]
        drops = [each for each in self.of(LEDGER) if each.kind == 5 and stream.bytes in each.body]
        return [
            "sealbook.history",
            1,
            stream.bytes,
            [shown[each.position] for each in events if each.position <= size],
            [index, path(index, hashes), self.ledger_event(mapped), path(last.position - 1, self.leaves)],
            [self.ledger_event(each) for each in drops],
            [[shown[each.position], path(each.position - 1, self.leaves)] for each in events if each.position > size],
            self.checkpoint(),
        ]

    def history(self, stream: UUID, *, known_at: int | None = None) -> bytes:
        return msgpack(self.history_parts(stream, known_at=known_at))

    def absence_parts(self, stream: UUID, told: dict[UUID, bytes] | None = None) -> list[Any]:
        """Return an absence as an array, by the last map, or by the entries that it is told to have."""
        mapped, size = self.last_map()
        streams = self.map_entries(size) if told is None else told
        hashes = [leaf_hash(each) for each in streams.values()]

        def neighbour(index: int) -> list[Any] | None:
            if not 0 <= index < len(hashes):
                return None
            key, entry = list(streams.items())[index]
            version = int.from_bytes(entry[17:21])
            return [index, key.bytes, version, entry[21:], path(index, hashes)]

        after = sum(each.bytes < stream.bytes for each in streams)
        event = self.ledger_event(mapped)
        return ["sealbook.absence", 1, stream.bytes, neighbour(after - 1), neighbour(after), event, self.checkpoint()]

    def absence(self, stream: UUID, told: dict[UUID, bytes] | None = None) -> bytes:
        return msgpack(self.absence_parts(stream, told))

    def entry_proof(self, entry: Entry, form: Form = "shown") -> str:
        extra = msgpack([entry.stream.bytes, entry.version, entry.previous, entry.told(form)])
        hashes = [base64.b64encode(each).decode() for each in path(entry.position - 1, self.leaves)]
        head = ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(extra).decode()}", f"index {entry.position - 1}"]
        return "\n".join([*head, *hashes]) + "\n\n" + self.checkpoint()

    def growth_proof(self, old_size: int) -> str:
        return "".join(f"{base64.b64encode(each).decode()}\n" for each in growth(old_size, self.leaves))

    def dump(self) -> bytes:
        return b"sealbook.events 1\n" + b"".join(each.record for each in self.entries)

    def write(self, folder: Path, *, size: int | None = None) -> None:
        """Write the folder of the log, of the first `size` events."""
        hashes, level = self.leaves[:size], 0
        (folder / "tile").mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint").write_text(self.checkpoint(size=size), encoding="utf-8")
        while hashes:
            for first in range(0, len(hashes), 256):
                tile = hashes[first : first + 256]
                name = f"{first // 256:03d}" + ("" if len(tile) == 256 else f".p/{len(tile)}")
                file = folder / "tile" / str(level) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(b"".join(tile))
            hashes = [root(hashes[first : first + 256]) for first in range(0, len(hashes) - 255, 256)]
            level += 1


def _told(entry: Entry, known_at: int | None) -> list[Any]:
    return entry.told("shown" if known_at is None or entry.position <= known_at else "closed")


def stream(number: int) -> UUID:
    return UUID(int=0x0189_0000_0000_7000_8000_0000_0000_0000 + number)
