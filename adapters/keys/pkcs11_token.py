"""A token of an HSM, by PKCS#11: one session, and what goes wrong said in one line. No PIN shows anywhere."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from threading import RLock
from typing import TYPE_CHECKING

from sealbook.application.ports import Unavailable

if TYPE_CHECKING:
    from pkcs11 import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlace:
    """Where a token is: the maker's module, the token's label, and the PIN of its user."""

    module: str
    token: str
    pin: str = field(repr=False)


class HsmToken:
    """A token that a process is logged in to; opened when it is first used, and safe for threads.

    Raises Unavailable where python-pkcs11 is missing: whoever has a token may import it.
    """

    def __init__(self, place: TokenPlace) -> None:
        if find_spec("pkcs11") is None:
            raise Unavailable("an HSM needs python-pkcs11: install sealbook[hsm]")
        self._place = place
        self._session: Session | None = None
        self._lock = RLock()

    @property
    def place(self) -> TokenPlace:
        return self._place

    def __repr__(self) -> str:
        return f"HsmToken({self._place!r})"

    @contextmanager
    def session(self) -> Generator["Session"]:
        """Give the session, to one thread at a time. Raises Unavailable, also for what the block is refused."""
        with self._lock:
            from pkcs11 import PKCS11Error

            if self._session is None:
                self._session = _opened(self._place)
            try:
                yield self._session
            except PKCS11Error as error:
                # The next one logs in anew: a device that was plugged out, or restarted, knows no session.
                self.close()
                raise Unavailable(f"the HSM refused: {type(error).__name__}") from error

    def close(self) -> None:
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                from pkcs11 import PKCS11Error

                try:
                    session.close()
                except PKCS11Error:
                    # It had gone already.
                    return


def _opened(place: TokenPlace) -> "Session":
    import pkcs11

    try:
        library = pkcs11.lib(place.module)
        token = library.get_token(token_label=place.token)
    except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned):
        raise Unavailable(
            f"no HSM token is called {place.token!r}, or several are: see SEALBOOK_PKCS11_TOKEN"
        ) from None
    except (pkcs11.PKCS11Error, OSError):
        raise Unavailable(f"the PKCS#11 module {place.module} cannot be loaded: see SEALBOOK_PKCS11_MODULE") from None
    try:
        return token.open(user_pin=place.pin, rw=True)
    except pkcs11.UserAlreadyLoggedIn:
        # Another session of this process has: a login is the whole process's.
        return token.open(rw=True)
    except pkcs11.PKCS11Error as error:
        raise Unavailable(
            f"the HSM refused the login to token {place.token!r} ({type(error).__name__}): see SEALBOOK_PKCS11_PIN"
        ) from None
