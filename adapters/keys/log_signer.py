"""Who signs the checkpoints of the log: a key of the seal's own, in a file or in an HSM."""

from pathlib import Path
from typing import Protocol, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealbook.adapters.keys.pkcs11_token import HsmToken
from sealbook.adapters.keys.private_file import damaged, read_private, write_private
from sealbook.application.ports import Unavailable

LOG_KEY_LABEL = "sealbook-log"
_SIZE_BYTES = 32
_EDWARDS25519 = b"\x13\x0cedwards25519"
"""The curve's name as a DER PrintableString."""
_POINT_HEADER = b"\x04\x20"
"""What stands before the point: a DER OCTET STRING of 32 bytes."""


class LogSigner(Protocol):
    """An Ed25519 key (RFC 8032) with the name that its signatures go by."""

    @property
    def name(self) -> str: ...

    @property
    def public_key(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes. Raises Unavailable."""
        ...


class FileLogSigner:
    """The development signer: its key is in a file that its owner alone reads."""

    def __init__(self, *, name: str, key: Ed25519PrivateKey) -> None:
        self._name = name
        self._key = key
        self._public_key = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @classmethod
    def create(cls, path: Path, *, name: str) -> "FileLogSigner":
        """Return the signer of a new key file; where there is one already, the signer of that. Raises Unavailable."""
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        write_private(path, {"name": name, "seed": seed.hex()})
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "FileLogSigner":
        """Return the signer of a key file. Raises Unavailable if it is missing or not one."""
        document = read_private(path)
        try:
            name, seed = document["name"], bytes.fromhex(document["seed"])
            key = Ed25519PrivateKey.from_private_bytes(seed)
        except (KeyError, TypeError, ValueError):
            raise damaged(path) from None
        if not isinstance(name, str) or not name:
            raise damaged(path)
        return cls(name=name, key=key)

    @property
    def name(self) -> str:
        return self._name

    @property
    def public_key(self) -> bytes:
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"FileLogSigner(name={self._name!r})"


class Pkcs11LogSigner:
    """The signer whose key never leaves an HSM: EdDSA (CKM_EDDSA) over edwards25519."""

    def __init__(self, token: HsmToken, *, name: str, label: str, public_key: bytes) -> None:
        self._token = token
        self._name = name
        self._label = label
        self._public_key = public_key

    @classmethod
    def create(cls, token: HsmToken, *, name: str, label: str = LOG_KEY_LABEL) -> "Pkcs11LogSigner":
        """Return the signer of a new key in the HSM; where the label is there already, of that. Raises Unavailable."""
        import pkcs11

        with token.session() as session:
            wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.LABEL: label}
            if not list(session.get_objects(wanted)):
                curve = session.create_domain_parameters(
                    pkcs11.KeyType.EC_EDWARDS, {pkcs11.Attribute.EC_PARAMS: _EDWARDS25519}, local=True
                )
                curve.generate_keypair(
                    mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                    label=label,
                    store=True,
                    private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
                )
        return cls.open(token, name=name, label=label)

    @classmethod
    def open(cls, token: HsmToken, *, name: str, label: str = LOG_KEY_LABEL) -> "Pkcs11LogSigner":
        """Return the signer of a key in the HSM. Raises Unavailable where there is none, or no such one."""
        import pkcs11

        with token.session() as session:
            wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, pkcs11.Attribute.LABEL: label}
            found = list(session.get_objects(wanted))
            if len(found) != 1:
                raise Unavailable(f"the HSM has {len(found)} public keys called {label}, one was to be there")
            point = bytes(found[0][pkcs11.Attribute.EC_POINT])
        if not point.startswith(_POINT_HEADER) or len(point) != len(_POINT_HEADER) + _SIZE_BYTES:
            raise Unavailable(f"the HSM's key {label} is no Ed25519 key")
        return cls(token, name=name, label=label, public_key=point[len(_POINT_HEADER) :])

    @property
    def name(self) -> str:
        return self._name

    @property
    def public_key(self) -> bytes:
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        import pkcs11

        with self._token.session() as session:
            key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._label)
            return bytes(cast("pkcs11.SignMixin", key).sign(message, mechanism=pkcs11.Mechanism.EDDSA))

    def __repr__(self) -> str:
        return f"Pkcs11LogSigner(name={self._name!r}, label={self._label!r})"
