"""Merkle trees as RFC 6962 has them, and proofs over any tree whose whole subtrees can be looked up."""

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""What gives the hash of a whole subtree, by its level (0 is the leaves') and its index in the level."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over hashes of one level, at least one. The last may stand for a subtree that is not whole."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        if len(hashes) % 2:
            above.append(hashes[-1])
        hashes = above
    return hashes[0]


def tree_root(node: Node, size: int) -> bytes:
    """Return the root of the tree of the first `size` leaves (RFC 6962 2.1)."""
    return _range_root(node, 0, size) if size else EMPTY_ROOT


def inclusion_proof(node: Node, index: int, size: int) -> list[bytes]:
    """Return the audit path of a leaf, its sibling first (RFC 6962 2.1.1)."""
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_range_root(node, middle, high))
            high = middle
        else:
            proof.append(_range_root(node, low, middle))
            low = middle
    return proof[::-1]


def consistency_proof(node: Node, old: int, new: int) -> list[bytes]:
    """Return the proof that a tree of `new` leaves continues that of `old` (RFC 6962 2.1.2)."""
    if not 0 < old < new:
        return []
    proof: list[bytes] = []
    low, high = 0, new
    while old < high:
        middle = low + _split(high - low)
        if old <= middle:
            proof.append(_range_root(node, middle, high))
            high = middle
        else:
            proof.append(_range_root(node, low, middle))
            low = middle
    # The subtree that the old tree ends with is left out where it is the old tree: its root is known.
    return ([_range_root(node, low, high)] if low else []) + proof[::-1]


def proves_consistency(proof: Sequence[bytes], *, old: int, old_root: bytes, new: int, new_root: bytes) -> bool:
    """Tell whether a proof leads from an old root to a new one (RFC 9162 2.1.4.2)."""
    if old > new or any(len(each) != HASH_BYTES for each in (*proof, old_root, new_root)):
        return False
    if old in (0, new):
        # Nothing to prove of an empty tree, or of the same one.
        return not proof and (old_root == new_root if old == new else old_root == EMPTY_ROOT)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            before, after = node_hash(each, before), node_hash(each, after)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, each)
        node, last = node >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _range_root(node: Node, low: int, high: int) -> bytes:
    size = high - low
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return node(level, low >> level)
    middle = low + _split(size)
    return node_hash(_range_root(node, low, middle), _range_root(node, middle, high))


def _split(size: int) -> int:
    """Return the largest power of two below a size."""
    return 1 << ((size - 1).bit_length() - 1)
