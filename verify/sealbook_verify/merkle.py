"""Merkle trees (RFC 6962 2.1, with the verification algorithms of RFC 9162 2.1.3.2 and 2.1.4.2)."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes (RFC 6962 2.1). It keeps one hash a level.

    The stack holds the roots of full subtrees, the largest first, as the bits of `count` say.
    """
    digest, stack, count = sha256, list[bytes](), 0
    for leaf in leaves:
        top, count = leaf, count + 1
        full = count
        while not full & 1:
            top = digest(b"\x01" + stack.pop() + top).digest()
            full >>= 1
        stack.append(top)
    if not stack:
        return EMPTY_ROOT
    root = stack.pop()
    while stack:
        root = node_hash(stack.pop(), root)
    return root


def included(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether a leaf is at `index` (from 0) of the tree with this size and root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    first, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            found = node_hash(each, found)
            # Where the path is the right edge of the tree, levels without a sibling are passed over.
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            found = node_hash(found, each)
        first, last = first >> 1, last >> 1
    return last == 0 and found == root


def grown(*, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether the new tree begins with the whole old one (RFC 6962 2.1.2, RFC 9162 2.1.4.2)."""
    if not 0 <= old_size <= new_size or not _are_hashes(old_root, new_root, *proof):
        return False
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT and (new_size > 0 or new_root == EMPTY_ROOT)
    if old_size == new_size:
        return not proof and old_root == new_root
    # An old tree that is full is a node of the new one, and the proof leaves it out.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        return False
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old, new = node_hash(each, old), node_hash(each, new)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, each)
        first, last = first >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def _are_hashes(*candidates: bytes) -> bool:
    return all(len(each) == HASH_BYTES for each in candidates)
