"""The vault: what the bank keeps of a person beside the record, to be read by people and to be erased."""

from typing import Literal, Protocol
from uuid import UUID

DataClass = Literal["personal", "record", "secret"]
"""How long a value is kept: until nothing needs it, as long as the records, or as what it proves is used."""


class Vault(Protocol):
    """Values of subjects, each under a key of its owner's. Who destroys the key has erased the values.

    A subject is what a value is about: a customer, a device, a credential. A field is a short name of the caller's
    choice, such as `phone`; `name:` begins those of the ledger itself.
    """

    def put(self, value: bytes, *, subject: UUID, field: str, owner: UUID, data_class: DataClass) -> None:
        """Keep a value, in place of what the field held. Raises Refused(customer_state) if the owner was erased."""
        ...

    def get(self, *, subject: UUID, field: str) -> bytes | None:
        """Return a value; None if there is none, or it was erased. Raises LedgerDamaged if it does not open."""
        ...

    def forget(self, *, subject: UUID, field: str) -> None:
        """Delete a value. What is not there is no error."""
        ...
