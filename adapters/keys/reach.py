"""How another process of ours gets at the same keys. It holds secrets: they go through a pipe, and nowhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sealbook.adapters.keys.file_root import FileRoot
from sealbook.adapters.keys.keyring import Keyring
from sealbook.adapters.keys.keystore import Keystore
from sealbook.adapters.keys.pkcs11_root import pkcs11_root
from sealbook.adapters.keys.port import Keys
from sealbook.adapters.keys.roots import RootKeys
from sealbook.application.ports import Unavailable


def reach_of_keys(keys: Keys) -> dict[str, object]:
    """Return what `keyring_of` takes, as JSON knows it. Raises Unavailable for keys that are in memory only."""
    if not isinstance(keys, Keyring):
        raise Unavailable("these keys are in the memory of one process: another one cannot have them")
    return {"keystore": keys.store.dsn, "root": dict(keys.root.reach())}


def keyring_of(reach: Mapping[str, Any]) -> Keyring:
    """Open the keyring of the process that told how. Raises Unavailable."""
    return Keyring(Keystore(reach["keystore"]), root_of(reach["root"]))


def root_of(reach: Mapping[str, Any]) -> RootKeys:
    """Return the root keys of the process that told how. Raises Unavailable."""
    match reach:
        case {"kind": "pkcs11", "module": module, "token": token, "pin": pin}:
            return pkcs11_root(module=module, token=token, pin=pin)
        case _:
            return FileRoot(Path(reach["path"]))
