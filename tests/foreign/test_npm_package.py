"""The verifier of sigstore's JavaScript client (@sigstore/verify) accepts what we publish, and nothing else."""

from pathlib import Path

from tests.adapters.seal.made_log import MadeLog
from tests.foreign.asking import bad_inclusions, bad_notes, good_inclusions, refused
from tests.foreign.conftest import Checker


def test_checkpoints_and_inclusions_are_accepted(javascript: Checker, tmp_path: Path) -> None:
    good = list(good_inclusions(MadeLog(tmp_path / "small")))
    assert javascript(good) == [{}] * len(good)


def test_wrong_inclusions_are_refused(javascript: Checker, tmp_path: Path) -> None:
    bad = list(bad_inclusions(MadeLog(tmp_path / "small"), MadeLog(tmp_path / "forged", altered=0)))
    assert all(refused(javascript(bad)))


def test_wrong_notes_are_refused(javascript: Checker, tmp_path: Path) -> None:
    bad = list(bad_notes(MadeLog(tmp_path / "small")))
    assert all(refused(javascript(bad)))
