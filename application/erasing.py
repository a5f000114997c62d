"""The requests to erase: a person's data, all of it or nothing, or that of one credential."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sealbook.application.names import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseCustomer:
    """Erase a customer's personal data, with that of its credentials and of devices that nobody else has held."""

    at: datetime
    customer: UUID
    basis: str
    approved_by: str
    credentials: tuple[UUID, ...]
    devices: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseCredential:
    at: datetime
    credential: Ref
    basis: str
