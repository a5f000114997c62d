"""What a log asks of a witness: to cosign a checkpoint that continues one that it knows (C2SP add-checkpoint)."""

import base64
from collections.abc import Sequence
from typing import NamedTuple

from sealbook.adapters.seal.merkle import HASH_BYTES
from sealbook.adapters.seal.notes import BadNote, Note, parse_note

PROOF_LINES_MAX = 63
REQUEST_BYTES_MAX = 1 << 17
"""Room for a proof and for some 30 signatures, each of a size that keys against quantum computers have."""


class WitnessRequest(NamedTuple):
    """A checkpoint, and the proof that it continues the log's first `old` entries."""

    old: int
    proof: Sequence[bytes]
    note: Note

    def __str__(self) -> str:
        proof = "".join(f"{base64.b64encode(each).decode()}\n" for each in self.proof)
        return f"old {self.old}\n{proof}\n{self.note}"


def parse_request(body: bytes) -> WitnessRequest:
    """Return the request that a body is. Raises BadNote."""
    if len(body) > REQUEST_BYTES_MAX:
        raise BadNote(f"that is no request to a witness: it has more than {REQUEST_BYTES_MAX:,} bytes")
    try:
        head, _, note = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        old = int(first.removeprefix("old "))
        proof = tuple(base64.b64decode(line, validate=True) for line in lines)
    except ValueError:
        raise BadNote("that is no request to a witness: it must begin with old, a size and a proof") from None
    if len(proof) > PROOF_LINES_MAX or any(len(each) != HASH_BYTES for each in proof):
        raise BadNote(f"that is no request to a witness: its proof is not up to {PROOF_LINES_MAX} hashes")
    request = WitnessRequest(old, proof, parse_note(note))
    if old < 0 or str(request).encode() != body:
        raise BadNote("that is no request to a witness: its lines are not in the one form that there is")
    return request
