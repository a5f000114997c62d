"""What a value that was read must be, or else the file is bad input."""

from sealbook_verify.msgpack import Value
from sealbook_verify.verdict import BadInput

HASH_BYTES = 32
PROOF_MAX = 64


def items(value: Value, what: str, count: int | None = None) -> list[Value]:
    if not isinstance(value, list) or (count is not None and len(value) != count):
        raise BadInput(f"{what} is not an array" + ("" if count is None else f" of {count}"))
    return value


def octets(value: Value, what: str, length: int | None = None) -> bytes:
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise BadInput(f"{what} is not a string of " + ("bytes" if length is None else f"{length} bytes"))
    return value


def text(value: Value, what: str) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{what} is not text")
    return value


def number(value: Value, what: str, *, least: int = 0, bits: int = 64) -> int:
    # To Python, True is an integer too.
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << bits:
        raise BadInput(f"{what} is not a number from {least} with at most {bits} bits")
    return value


def proof(value: Value, what: str) -> list[bytes]:
    """Return a Merkle proof: hashes from the leaf's sibling up (RFC 6962 2.1.1)."""
    hashes = [octets(each, f"a hash of {what}", HASH_BYTES) for each in items(value, what)]
    if len(hashes) > PROOF_MAX:
        raise BadInput(f"{what} is longer than any tree is high")
    return hashes
