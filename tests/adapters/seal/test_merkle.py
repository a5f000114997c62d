"""Trees and proofs, against RFC 6962's own definitions, written down as they stand there."""

import json
from base64 import b64decode
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.seal.merkle import (
    EMPTY_ROOT,
    Node,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    proves_consistency,
    root_of,
    tree_root,
)
from tests.adapters.seal.made_log import VECTORS, needs_vectors

SIZE_MAX = 600
SIZE_ALL_PAIRS = 70
REFERENCE = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
"""The leaves of the tree that the vectors are about."""


@cache
def leaf(index: int) -> bytes:
    return leaf_hash(str(index).encode())


def split(size: int) -> int:
    """The largest power of two smaller than a size."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


@cache
def defined_root(low: int, high: int) -> bytes:
    """MTH(D[low:high])."""
    if low == high:
        return EMPTY_ROOT
    if high - low == 1:
        return leaf(low)
    middle = low + split(high - low)
    return node_hash(defined_root(low, middle), defined_root(middle, high))


def defined_path(index: int, low: int, high: int) -> list[bytes]:
    """PATH(index, D[low:high])."""
    if high - low <= 1:
        return []
    middle = low + split(high - low)
    if index < middle:
        return [*defined_path(index, low, middle), defined_root(middle, high)]
    return [*defined_path(index, middle, high), defined_root(low, middle)]


def defined_subproof(old: int, low: int, high: int, whole: bool = True) -> list[bytes]:
    """SUBPROOF(old - low, D[low:high], whole)."""
    if old == high:
        return [] if whole else [defined_root(low, high)]
    middle = low + split(high - low)
    if old <= middle:
        return [*defined_subproof(old, low, middle, whole), defined_root(middle, high)]
    return [*defined_subproof(old, middle, high, False), defined_root(low, middle)]


def node(level: int, index: int) -> bytes:
    return defined_root(index << level, (index + 1) << level)


def some(size: int) -> list[int]:
    """Indexes in a tree of a size: all of a small one, else those at its edges and some between."""
    if size <= SIZE_ALL_PAIRS:
        return list(range(size))
    powers = [1 << bit for bit in range(size.bit_length())]
    near = {each + by for each in (*powers, size) for by in (-2, -1, 0, 1)} | {size // 3, size * 7 // 11}
    return sorted(each for each in near if 0 <= each < size)


def test_the_root_is_the_defined_one_for_every_size() -> None:
    assert [tree_root(node, size) for size in range(SIZE_MAX + 1)] == [
        defined_root(0, size) for size in range(SIZE_MAX + 1)
    ]
    assert root_of([leaf(index) for index in range(SIZE_MAX)]) == defined_root(0, SIZE_MAX)


def test_every_inclusion_proof_is_the_defined_one() -> None:
    for size in range(SIZE_MAX + 1):
        for index in some(size):
            assert inclusion_proof(node, index, size) == defined_path(index, 0, size), (index, size)


def test_every_consistency_proof_is_the_defined_one_and_proves() -> None:
    for size in range(SIZE_MAX + 1):
        for old in some(size):
            proof = consistency_proof(node, old, size)
            assert proof == (defined_subproof(old, 0, size) if old else []), (old, size)
            roots = {"old_root": defined_root(0, old), "new_root": defined_root(0, size)}
            assert proves_consistency(proof, old=old, new=size, **roots), (old, size)


def test_a_tree_of_any_size_continues_itself() -> None:
    for size in (0, 1, 2, 255, 256):
        root = defined_root(0, size)
        assert consistency_proof(node, size, size) == []
        assert proves_consistency([], old=size, new=size, old_root=root, new_root=root)
        assert not proves_consistency([root], old=size, new=size, old_root=root, new_root=root)
        assert not proves_consistency([], old=size, new=size, old_root=root, new_root=leaf(999))


def test_a_tree_continues_nothing_larger() -> None:
    roots = {"old_root": defined_root(0, 9), "new_root": defined_root(0, 5)}
    assert not proves_consistency(defined_subproof(5, 0, 9), old=9, new=5, **roots)


@given(st.data())
def test_a_proof_with_anything_changed_proves_nothing(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, SIZE_MAX))
    old = data.draw(st.integers(1, new - 1))
    proof = consistency_proof(node, old, new)
    old_root, new_root = defined_root(0, old), defined_root(0, new)
    at = data.draw(st.integers(0, len(proof) - 1))
    bit = data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
    changed = [
        [*proof[:at], flipped, *proof[at + 1 :]],
        [*proof[:at], *proof[at + 1 :]],
        [*proof[: at + 1], *proof[at:]],
        [*proof, leaf(0)],
        [leaf(0), *proof],
        [],
    ]
    for each in changed:
        assert not proves_consistency(each, old=old, new=new, old_root=old_root, new_root=new_root)
    assert not proves_consistency(proof, old=old, new=new, old_root=new_root, new_root=new_root)
    assert not proves_consistency(proof, old=old, new=new, old_root=old_root, new_root=old_root)


@given(st.integers(1, SIZE_MAX), st.integers(0, SIZE_MAX))
def test_a_proof_belongs_to_its_sizes(new: int, other: int) -> None:
    old = new // 2
    proof = consistency_proof(node, old, new)
    roots = {"old_root": defined_root(0, old), "new_root": defined_root(0, new)}
    if 0 < other < new and other != old and defined_subproof(other, 0, new) != proof:
        assert not proves_consistency(proof, old=other, new=new, **roots)


def test_another_implementation_gives_the_same() -> None:
    pymerkle = pytest.importorskip("pymerkle", reason="pymerkle is not installed")
    tree: Any = pymerkle.InmemoryTree(algorithm="sha256")
    tree.append_entries([str(index).encode() for index in range(SIZE_MAX)])
    for size in range(1, SIZE_MAX + 1):
        assert tree.get_root(size) == tree_root(node, size)
        for index in (0, size // 2, size - 1):
            # Its paths begin with the leaf itself.
            path = tree.prove_inclusion(index + 1, size).path
            assert [bytes(each) for each in path[1:]] == inclusion_proof(node, index, size)


# --- Vectors


def cases(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((VECTORS / "merkle" / "testdata" / folder).rglob("*.json")):
        yield path.relative_to(VECTORS).as_posix(), json.loads(path.read_text(encoding="utf-8"))


def decoded(hashes: Sequence[str] | None) -> list[bytes]:
    return [b64decode(each) for each in hashes or []]


@needs_vectors
def test_consistency_vectors_are_told_right_from_wrong() -> None:
    told = {
        name: proves_consistency(
            decoded(case["proof"]),
            old=case["size1"],
            new=case["size2"],
            old_root=b64decode(case["root1"] or ""),
            new_root=b64decode(case["root2"] or ""),
        )
        for name, case in cases("consistency")
    }
    assert len(told) == 98
    wrong = {name for name, case in cases("consistency") if told[name] == case["wantErr"]}
    # Its roots have ten bytes, which no hash of a tree has.
    assert {Path(name).stem for name in wrong} <= {"sizes-are-equal-one-and-proof-is-empty"}


@needs_vectors
def test_we_prove_as_the_vectors_do() -> None:
    hashes = [leaf_hash(bytes.fromhex(each)) for each in REFERENCE]

    def reference(level: int, index: int) -> bytes:
        return root_of(hashes[index << level : (index + 1) << level])

    found: Node = reference
    good = [case for name, case in cases("inclusion") if name.endswith("/happy-path.json")]
    assert len(good) == 5
    for case in good:
        assert tree_root(found, case["treeSize"]) == b64decode(case["root"])
        assert inclusion_proof(found, case["leafIdx"], case["treeSize"]) == decoded(case["proof"])
    for name, case in cases("consistency"):
        if name.endswith("/happy-path.json"):
            assert consistency_proof(found, case["size1"], case["size2"]) == decoded(case["proof"])
