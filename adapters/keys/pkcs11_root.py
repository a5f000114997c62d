"""Root keys in an HSM, by PKCS#11: they are made there, they stay there, and it wraps with them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar, cast

from sealbook.adapters.keys.pkcs11_token import HsmToken, TokenPlace
from sealbook.application.ports import Unavailable

if TYPE_CHECKING:
    import pkcs11

LABEL = "sealbook-kek-"
_KEY_BITS = 256
_Key = TypeVar("_Key")


class Pkcs11Root:
    """AES-256 keys that no one can read out, labelled `sealbook-kek-<epoch>`."""

    for_development = False

    def __init__(self, token: HsmToken) -> None:
        self._token = token

    @property
    def token(self) -> HsmToken:
        return self._token

    @property
    def told(self) -> str:
        return f"the HSM token {self._token.place.token}"

    def epochs(self) -> list[int]:
        import pkcs11

        with self._token.session() as session:
            found = session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY})
            labels = [str(each[pkcs11.Attribute.LABEL]) for each in found]
        numbers = [label.removeprefix(LABEL) for label in labels if label.startswith(LABEL)]
        return sorted(int(number) for number in numbers if number.isdecimal())

    def create_epoch(self) -> int:
        import pkcs11

        epoch = max(self.epochs(), default=0) + 1
        with self._token.session() as session:
            session.generate_key(
                pkcs11.KeyType.AES,
                _KEY_BITS,
                label=f"{LABEL}{epoch}",
                store=True,
                template={
                    pkcs11.Attribute.SENSITIVE: True,
                    pkcs11.Attribute.EXTRACTABLE: False,
                    pkcs11.Attribute.ENCRYPT: False,
                    pkcs11.Attribute.DECRYPT: False,
                    pkcs11.Attribute.SIGN: False,
                    pkcs11.Attribute.VERIFY: False,
                    pkcs11.Attribute.WRAP: True,
                    pkcs11.Attribute.UNWRAP: True,
                },
            )
        return epoch

    def wrap(self, epoch: int, key: bytes) -> bytes:
        import pkcs11

        with self._token.session() as session:
            wrapping = _key(session, epoch, pkcs11.WrapMixin)
            passing = session.create_object(
                {
                    pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                    pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.GENERIC_SECRET,
                    pkcs11.Attribute.VALUE: key,
                    **_passing(),
                }
            )
            try:
                return bytes(
                    wrapping.wrap_key(cast("pkcs11.Key", passing), mechanism=pkcs11.Mechanism.AES_KEY_WRAP_PAD)
                )
            finally:
                passing.destroy()

    def unwrap(self, epoch: int, wrapped: bytes) -> bytes:
        import pkcs11

        with self._token.session() as session:
            wrapping = _key(session, epoch, pkcs11.UnwrapMixin)
            try:
                passing = wrapping.unwrap_key(
                    pkcs11.ObjectClass.SECRET_KEY,
                    pkcs11.KeyType.GENERIC_SECRET,
                    wrapped,
                    mechanism=pkcs11.Mechanism.AES_KEY_WRAP_PAD,
                    store=False,
                    template=_passing(),
                )
            except pkcs11.PKCS11Error:
                raise Unavailable("the HSM's keys do not open this ledger's keystore: bring back its own") from None
            try:
                return bytes(passing[pkcs11.Attribute.VALUE])
            finally:
                passing.destroy()

    def destroy_epoch(self, epoch: int) -> None:
        import pkcs11

        with self._token.session() as session:
            for key in list(session.get_objects(_sought(epoch))):
                if isinstance(key, pkcs11.SecretKey):
                    key.destroy()

    def reach(self) -> Mapping[str, object]:
        place = self._token.place
        return {"kind": "pkcs11", "module": place.module, "token": place.token, "pin": place.pin}

    def __repr__(self) -> str:
        return f"Pkcs11Root({self._token!r})"


def pkcs11_root(*, module: str, token: str, pin: str) -> Pkcs11Root:
    """Return the root keys of a token. Raises Unavailable where python-pkcs11 is missing."""
    return Pkcs11Root(HsmToken(TokenPlace(module=module, token=token, pin=pin)))


def _key(session: "pkcs11.Session", epoch: int, kind: type[_Key]) -> _Key:
    found = [each for each in session.get_objects(_sought(epoch)) if isinstance(each, kind)]
    if len(found) != 1:
        raise Unavailable(f"the HSM has {len(found) or 'no'} keys called {LABEL}{epoch}, one was to be there")
    return found[0]


def _sought(epoch: int) -> "dict[pkcs11.Attribute, object]":
    import pkcs11

    return {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
        pkcs11.Attribute.LABEL: f"{LABEL}{epoch}",
    }


def _passing() -> "dict[pkcs11.Attribute, object]":
    """Return what a key is that only passes through the HSM: of this session, and readable to us."""
    import pkcs11

    return {
        pkcs11.Attribute.TOKEN: False,
        pkcs11.Attribute.PRIVATE: True,
        pkcs11.Attribute.SENSITIVE: False,
        pkcs11.Attribute.EXTRACTABLE: True,
    }
