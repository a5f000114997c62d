"""Asking the verifier in this process: the exit code that a call would end with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sealbook_verify.bundle import verify_bundle
from sealbook_verify.entry import verify_entry
from sealbook_verify.growth import verify_growth
from sealbook_verify.policy import read_policy
from sealbook_verify.verdict import BadInput, CannotTell, Disproved, Proven
from tests.verify.producer import POLICY

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"
BOTH = read_policy(f"{POLICY}group both all audit regulator\nquorum both\n".encode())


def vectors(folder: str) -> Path:
    """Return a folder of test vectors that others published, or skip the test."""
    path = VECTORS / folder
    if not path.is_dir():
        pytest.skip(f"no test vectors: {folder} is not beside the repository")
    return path


def code_of(verify: Callable[[], Proven]) -> int:
    """Return the exit code; any other exception is one that a user would see as a traceback."""
    try:
        verify()
    except Disproved:
        return 1
    except BadInput:
        return 2
    except CannotTell:
        return 3
    return 0


def bundle_code(data: bytes) -> int:
    return code_of(lambda: verify_bundle(data, BOTH))


def entry_code(data: bytes) -> int:
    return _text_code(lambda: verify_entry(data.decode(), BOTH))


def growth_code(old: bytes, new: bytes, proof: bytes) -> int:
    return _text_code(lambda: verify_growth(old.decode(), new.decode(), proof.decode(), BOTH))


def _text_code(verify: Callable[[], Proven]) -> int:
    try:
        return code_of(verify)
    except UnicodeDecodeError:
        return 2


def disproved(verify: Callable[[], Proven]) -> tuple[str, int | None]:
    """Return which claim is disproved, and at which position."""
    with pytest.raises(Disproved) as found:
        verify()
    return found.value.claim, found.value.position


def bundle_disproved(data: bytes) -> tuple[str, int | None]:
    return disproved(lambda: verify_bundle(data, BOTH))
