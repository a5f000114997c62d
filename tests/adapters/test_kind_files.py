"""A bank's own kinds: a folder of TOML files, each mistake named with its file."""

from importlib.resources import files
from pathlib import Path

import pytest

from sealbook.adapters.kind_files import BadKinds, read_kinds
from sealbook.domain import presets
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import Kind

OTP = "mobile_otp.toml"


def text_of(name: str) -> str:
    return files(presets).joinpath(name).read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / OTP).write_text(text_of(OTP), encoding="utf-8")
    return tmp_path


def test_only_the_kinds_of_the_folder_are_issued(folder: Path) -> None:
    kinds = read_kinds(folder)

    assert kinds.kind(Kind.MOBILE_OTP) == preset_kinds().kind(Kind.MOBILE_OTP)
    assert kinds.kind(Kind.JOINT_UNIVERSAL) == preset_kinds().kind(Kind.JOINT_UNIVERSAL)
    with pytest.raises(Refused) as caught:
        kinds.offered(Kind.JOINT_UNIVERSAL)
    assert caught.value.code is Refusal.NOT_ELIGIBLE


def test_the_banks_document_is_the_folders_or_the_packages(folder: Path) -> None:
    assert read_kinds(folder).bank == preset_kinds().bank

    (folder / "bank.toml").write_text(text_of("bank.toml").replace('"P5Y"', '"P7Y"'), encoding="utf-8")

    assert str(read_kinds(folder).bank.retention) == "P7Y"


def changed(old: str, new: str) -> bytes:
    text = text_of(OTP)
    assert old in text
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kind = ", "is no TOML"),
        (b"\xff", "is no TOML"),
        (changed('kind = "mobile_otp"', 'kind = "joint_universal"'), "speaks of a joint_universal"),
        (changed("soft = 5", "soft = 50"), "lockout: lockout.soft must be below lockout.hard"),
        (changed("soft = 5", "gentle = 5"), "lockout.soft: Field required"),
    ],
    ids=["half a line", "no text", "another kind", "a limit out of order", "an unknown field"],
)
def test_a_mistake_is_named_with_its_file(folder: Path, content: bytes, said: str) -> None:
    (folder / OTP).write_bytes(content)

    with pytest.raises(BadKinds) as caught:
        read_kinds(folder)

    message = str(caught.value)
    assert message.startswith(str(folder / OTP))
    assert said in message


def test_a_folder_without_kinds_says_which_files_it_wants(tmp_path: Path) -> None:
    with pytest.raises(BadKinds, match=r"holds no kind: put files there that are called mobile_otp\.toml"):
        read_kinds(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / OTP).mkdir()

    with pytest.raises(BadKinds, match=r"mobile_otp\.toml cannot be read: is a directory"):
        read_kinds(tmp_path)
