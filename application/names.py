"""Names from outside: what the bank, a carrier or a phone calls a customer, a credential, a device."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class NameKind(StrEnum):
    """What a name may stand for. Names are unique in their kind."""

    CUSTOMER = "customer"
    IDENTITY = "identity"
    CREDENTIAL = "credential"
    DEVICE_KEY = "device_key"
    POLICY = "policy"


SHOWN = tuple(kind for kind in NameKind if kind is not NameKind.IDENTITY)
"""Names that an answer may show. An identity is compared, and never told."""


class Name(NamedTuple):
    """A name from outside: a bank's number, an identity digest, a device key. Never shown in a repr.

    An identity is a person's connecting information (CI) or a business number.
    """

    kind: NameKind
    value: str

    def __repr__(self) -> str:
        return f"Name(kind={self.kind!r})"


Ref = UUID | Name
"""A stream by its id or by a name."""
