"""Root keys in a development key file: the HSM of whoever has none. Whoever reads the file has all keys."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding, aes_key_wrap_with_padding

from sealbook.adapters.keys.port import KEY_BYTES
from sealbook.adapters.keys.private_file import alone_with, damaged, read_private, write_private
from sealbook.application.ports import Unavailable


class FileRoot:
    """Root keys in a file that its owner alone reads. It is read anew each time: another process may change it."""

    for_development = True

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def told(self) -> str:
        return f"the development key file {self._path}"

    def epochs(self) -> list[int]:
        return sorted(self._keys()) if self._path.exists() else []

    def create_epoch(self) -> int:
        with alone_with(self._path):
            keys = self._keys() if self._path.exists() else {}
            epoch = max(keys, default=0) + 1
            self._write({**keys, epoch: secrets.token_bytes(KEY_BYTES)})
        return epoch

    def wrap(self, epoch: int, key: bytes) -> bytes:
        return aes_key_wrap_with_padding(self._key(epoch), key)

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap_with_padding(self._key(epoch), wrapped)
        except (InvalidUnwrap, ValueError):
            raise Unavailable(
                f"the key file {self._path} is not this ledger's: name the right one with --keys or SEALBOOK_KEYS"
            ) from None

    def destroy_epoch(self, epoch: int) -> None:
        # Two rotations at once would else write over what the other one made.
        with alone_with(self._path):
            keys = self._keys()
            if keys.pop(epoch, None) is not None:
                self._write(keys)

    def reach(self) -> Mapping[str, object]:
        return {"kind": "file", "path": str(self._path.absolute())}

    def __repr__(self) -> str:
        return f"FileRoot({str(self._path)!r})"

    def _key(self, epoch: int) -> bytes:
        key = self._keys().get(epoch)
        if key is None:
            raise Unavailable(f"the key file {self._path} has no epoch {epoch}: bring back the one of this ledger")
        return key

    def _keys(self) -> dict[int, bytes]:
        try:
            keys = {int(epoch): bytes.fromhex(key) for epoch, key in read_private(self._path)["epochs"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            # From None: what could not be parsed may be half a key.
            raise damaged(self._path) from None
        if any(len(key) != KEY_BYTES for key in keys.values()):
            raise damaged(self._path)
        return keys

    def _write(self, keys: Mapping[int, bytes]) -> None:
        document = {"epochs": {str(epoch): key.hex() for epoch, key in keys.items()}}
        write_private(self._path, document, replaces=True)
