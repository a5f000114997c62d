"""Root keys, in a file and in an HSM: the same promises, and what is wrong is said in one line without a secret."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.pkcs11_root import LABEL, Pkcs11Root, pkcs11_root
from sealbook.adapters.keys.pkcs11_token import HsmToken, TokenPlace
from sealbook.adapters.keys.roots import RootKeys
from sealbook.application.ports import Unavailable
from tests.conftest import PIN

KEY = bytes(range(32))


def test_an_epoch_wraps_and_opens_until_it_is_destroyed(root: RootKeys) -> None:
    before = root.epochs()
    first, second = root.create_epoch(), root.create_epoch()

    assert root.epochs() == [*before, first, second]
    assert first < second
    wrapped = root.wrap(first, KEY)
    # A key of 32 bytes, wrapped with AES-KWP (RFC 5649).
    assert len(wrapped) == 40
    assert root.unwrap(first, wrapped) == KEY
    assert root.wrap(second, KEY) != wrapped

    root.destroy_epoch(first)
    root.destroy_epoch(first)
    assert root.epochs() == [*before, second]
    with pytest.raises(Unavailable, match=rf"has no (epoch {first}|keys called {LABEL}{first})"):
        root.unwrap(first, wrapped)


def test_what_was_altered_or_is_of_another_epoch_does_not_open(root: RootKeys) -> None:
    epoch, other = root.create_epoch(), root.create_epoch()
    wrapped = root.wrap(epoch, KEY)

    for bad in (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), wrapped[:-8], b"", root.wrap(other, KEY)):
        with pytest.raises(Unavailable, match=r"is not this ledger's|do not open this ledger's keystore"):
            root.unwrap(epoch, bad)
    assert root.unwrap(epoch, wrapped) == KEY


def test_both_wrap_in_the_same_way(file_root: FileRoot, hsm_root: Pkcs11Root) -> None:
    """RFC 5649 has one answer for a key under a key: a file's key put into the HSM opens what the file wrapped."""
    import pkcs11

    wrapped = file_root.wrap(file_root.create_epoch(), KEY)
    key = bytes.fromhex(json.loads(Path(str(file_root.told).split()[-1]).read_text())["epochs"]["1"])
    epoch = max(hsm_root.epochs(), default=0) + 1
    with hsm_root.token.session() as session:
        session.create_object(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
                pkcs11.Attribute.VALUE: key,
                pkcs11.Attribute.LABEL: f"{LABEL}{epoch}",
                pkcs11.Attribute.TOKEN: True,
                pkcs11.Attribute.WRAP: True,
                pkcs11.Attribute.UNWRAP: True,
            }
        )
    assert hsm_root.unwrap(epoch, wrapped) == KEY
    assert hsm_root.wrap(epoch, KEY) == wrapped
    hsm_root.destroy_epoch(epoch)


def test_the_hsm_gives_no_root_key_away(hsm_root: Pkcs11Root) -> None:
    import pkcs11

    epoch = hsm_root.create_epoch()
    with hsm_root.token.session() as session:
        key = session.get_key(label=f"{LABEL}{epoch}")
        with pytest.raises(pkcs11.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
        assert key[pkcs11.Attribute.EXTRACTABLE] is False
        assert len(list(session.get_objects({pkcs11.Attribute.TOKEN: False}))) == 0
    hsm_root.wrap(epoch, KEY)
    with hsm_root.token.session() as session:
        # What only passed through is gone.
        assert len(list(session.get_objects({pkcs11.Attribute.TOKEN: False}))) == 0


def test_the_key_file_is_its_owners_and_says_what_it_is(file_root: FileRoot, tmp_path: Path) -> None:
    file_root.create_epoch()

    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert "Development keys" in (tmp_path / "keys.json").read_text()
    assert file_root.for_development
    assert file_root.told == f"the development key file {tmp_path / 'keys.json'}"


DAMAGED = {
    "no JSON": "{",
    "no object": "[]",
    "no epochs": "{}",
    "epochs of another kind": '{"epochs": []}',
    "half a key": '{"epochs": {"1": "ABCDEF0123xyz"}}',
    "a short key": '{"epochs": {"1": "ABCDEF0123"}}',
    "no number": '{"epochs": {"one": "ABCDEF0123"}}',
    "no text": "\ud800",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_key_file_is_said_in_one_line(file_root: FileRoot, tmp_path: Path, damage: str) -> None:
    (tmp_path / "keys.json").write_bytes(DAMAGED[damage].encode("utf-8", "surrogatepass"))

    for use in (file_root.epochs, file_root.create_epoch, lambda: file_root.wrap(1, KEY)):
        with pytest.raises(Unavailable, match="is damaged: bring back the one of this ledger") as caught:
            use()
        assert "ABCDEF0123" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_key_file_that_is_missing_or_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is missing: bring back"):
        FileRoot(tmp_path / "nowhere").unwrap(1, b"")
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written: file exists"):
        FileRoot(tmp_path / "file" / "keys.json").create_epoch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable, match="cannot be read"):
        FileRoot(tmp_path / "folder").epochs()


def test_a_draft_that_a_killed_process_left_is_not_in_the_way(
    file_root: FileRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / ".keys.json.7").write_text("half")

    assert file_root.create_epoch() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_threads_that_change_a_key_file_at_once_lose_nothing(file_root: FileRoot) -> None:
    with ThreadPoolExecutor(4) as threads:
        making = [threads.submit(file_root.create_epoch) for _ in range(20)]
        made = [each.result() for each in making]
        list(threads.map(file_root.destroy_epoch, made[:10]))

    assert sorted(made) == list(range(1, 21))
    assert file_root.epochs() == sorted(made[10:])


# --- What an HSM may say


def test_what_is_wrong_with_an_hsm_is_said_in_one_line(softhsm: TokenPlace) -> None:
    for place, said in (
        (TokenPlace(module="/nowhere/lib.so", token=softhsm.token, pin=PIN), "module /nowhere/lib.so cannot be loaded"),
        (TokenPlace(module=__file__, token=softhsm.token, pin=PIN), "cannot be loaded: see SEALBOOK_PKCS11_MODULE"),
        (TokenPlace(module=softhsm.module, token="other", pin=PIN), "no HSM token is called 'other'"),
    ):
        with pytest.raises(Unavailable, match=said) as caught:
            Pkcs11Root(HsmToken(place)).epochs()
        assert PIN not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_wrong_pin_is_said_without_the_pin(softhsm: TokenPlace) -> None:
    import pkcs11

    pkcs11.unload(softhsm.module)  # A login is the whole process's: only an end of all sessions ends it.
    root = pkcs11_root(module=softhsm.module, token=softhsm.token, pin="geheim-wrong")
    with pytest.raises(Unavailable, match=r"refused the login to token 'sealbook' \(PinIncorrect\)") as caught:
        root.epochs()
    assert "geheim" not in str(caught.value) + repr(root) + repr(caught.value.__cause__)


def test_a_token_without_python_pkcs11_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_found(_name: str) -> None:
        """No package is installed."""

    monkeypatch.setattr("sealbook.adapters.keys.pkcs11_token.find_spec", nothing_found)

    with pytest.raises(Unavailable, match=r"install sealbook\[hsm\]"):
        pkcs11_root(module="m", token="t", pin="geheim")


def test_after_a_failure_of_the_device_the_next_one_logs_in_anew(hsm_root: Pkcs11Root) -> None:
    import pkcs11

    epoch = hsm_root.create_epoch()
    with (
        pytest.raises(Unavailable, match="the HSM refused: DeviceError"),
        hsm_root.token.session() as before,
    ):
        raise pkcs11.DeviceError

    assert epoch in hsm_root.epochs()
    with hsm_root.token.session() as after:
        assert after is not before
    hsm_root.token.close()
    hsm_root.token.close()
    assert epoch in hsm_root.epochs()
