"""Trees: against RFC 6962's own definitions for every size up to 600, and against the cases that others published."""

import base64
import json
from functools import cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sealbook_verify.merkle import EMPTY_ROOT, grown, included, leaf_hash, root_of
from tests.verify.verifying import vectors

SIZE_MAX = 600
LEAVES = [leaf_hash(number.to_bytes(2)) for number in range(SIZE_MAX)]


@cache
def mth(start: int, end: int) -> bytes:
    """The Merkle tree hash of leaves start to end - 1, as RFC 6962 2.1 defines it."""
    if end - start < 2:
        return LEAVES[start] if start < end else sha256(b"").digest()
    k = 1 << ((end - start - 1).bit_length() - 1)
    return sha256(b"\x01" + mth(start, start + k) + mth(start + k, end)).digest()


def path(index: int, start: int, end: int) -> list[bytes]:
    """RFC 6962 2.1.1."""
    if end - start == 1:
        return []
    middle = start + (1 << ((end - start - 1).bit_length() - 1))
    if index < middle:
        return [*path(index, start, middle), mth(middle, end)]
    return [*path(index, middle, end), mth(start, middle)]


def consistency(size: int, start: int, end: int, *, whole: bool = True) -> list[bytes]:
    """RFC 6962 2.1.2: SUBPROOF of the first `size` leaves from `start` on."""
    if size == end - start:
        return [] if whole else [mth(start, end)]
    k = 1 << ((end - start - 1).bit_length() - 1)
    if size <= k:
        return [*consistency(size, start, start + k, whole=whole), mth(start + k, end)]
    return [*consistency(size - k, start + k, end, whole=False), mth(start, start + k)]


def test_roots_of_all_sizes_are_those_of_the_definition() -> None:
    assert [root_of(LEAVES[:size]) for size in range(SIZE_MAX + 1)] == [mth(0, size) for size in range(SIZE_MAX + 1)]


def test_every_leaf_of_every_size_is_included_and_in_one_place_only() -> None:
    for size in range(1, SIZE_MAX + 1):
        for index in range(size):
            proof = path(index, 0, size)
            assert included(LEAVES[index], index=index, size=size, proof=proof, root=mth(0, size))
            assert not included(LEAVES[index], index=index ^ 1, size=size, proof=proof, root=mth(0, size))


def test_a_tree_of_every_size_grew_from_each_smaller_one() -> None:
    for new in range(1, SIZE_MAX + 1):
        for old in range(1 if new < 100 else new % 7 + 1, new + 1, 1 if new < 100 else 7):
            proof, roots = consistency(old, 0, new), {"old_root": mth(0, old), "new_root": mth(0, new)}
            assert grown(old_size=old, new_size=new, proof=proof, **roots)
            assert old == new or not grown(old_size=old, new_size=new, proof=[*proof, proof[-1]], **roots)
            assert not grown(old_size=old - 1, new_size=new, proof=proof, **roots)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 200])
def test_a_proof_with_any_hash_changed_left_out_or_doubled_proves_nothing(size: int) -> None:
    for index in range(size):
        proof, root = path(index, 0, size), mth(0, size)
        for at, each in enumerate(proof):
            other = bytes([each[0] ^ 1]) + each[1:]
            for wrong in ([other], [], [each, each], [each[:-1]], [each + b"\x00"]):
                changed = [*proof[:at], *wrong, *proof[at + 1 :]]
                assert not included(LEAVES[index], index=index, size=size, proof=changed, root=root)


def test_an_empty_tree_holds_nothing_and_grows_into_anything() -> None:
    assert root_of([]) == EMPTY_ROOT
    assert not included(LEAVES[0], index=0, size=0, proof=[], root=EMPTY_ROOT)
    assert grown(old_size=0, old_root=EMPTY_ROOT, new_size=5, new_root=mth(0, 5), proof=[])
    assert grown(old_size=0, old_root=EMPTY_ROOT, new_size=0, new_root=EMPTY_ROOT, proof=[])
    assert not grown(old_size=0, old_root=mth(0, 1), new_size=5, new_root=mth(0, 5), proof=[])
    assert not grown(old_size=0, old_root=EMPTY_ROOT, new_size=0, new_root=mth(0, 1), proof=[])


# --- What others published


def cases(kind: str) -> list[tuple[Path, dict[str, Any]]]:
    files = sorted((vectors("merkle") / "testdata" / kind).rglob("*.json"))
    return [(file, json.loads(file.read_text(encoding="utf-8"))) for file in files]


def raw(encoded: str | None) -> bytes:
    return base64.b64decode(encoded or "")


def test_published_inclusion_proofs_are_judged_as_their_authors_say() -> None:
    judged = {
        str(file): included(
            raw(case["leafHash"]),
            index=case["leafIdx"],
            size=case["treeSize"],
            proof=[raw(each) for each in case["proof"] or ()],
            root=raw(case["root"]),
        )
        for file, case in cases("inclusion")
    }

    assert judged == {str(file): not case["wantErr"] for file, case in cases("inclusion")}
    assert len(judged) == 98
    assert [each for each in judged if each.endswith("single-entry/empty-root-and-leaf.json")]


def test_published_consistency_proofs_are_judged_as_their_authors_say() -> None:
    # Its roots have 10 bytes: no hashes. Here they are refused.
    shorter = "sizes-are-equal-one-and-proof-is-empty.json"
    judged = {
        str(file): grown(
            old_size=case["size1"],
            old_root=raw(case["root1"]),
            new_size=case["size2"],
            new_root=raw(case["root2"]),
            proof=[raw(each) for each in case["proof"] or ()],
        )
        for file, case in cases("consistency")
    }

    wanted = {str(file): not case["wantErr"] and file.name != shorter for file, case in cases("consistency")}
    assert judged == wanted
    assert len(judged) == 98


def test_sizes_that_no_tree_has_prove_nothing() -> None:
    for old, new in product((-1, 0, 3), (-1, 2)):
        proof = [LEAVES[0]]
        assert not grown(old_size=old, old_root=mth(0, 2), new_size=new, new_root=mth(0, 2), proof=proof)
    assert not included(LEAVES[0], index=-1, size=2, proof=path(0, 0, 2), root=mth(0, 2))
