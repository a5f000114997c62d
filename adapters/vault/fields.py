"""Fields of the vault: which a caller may use, and what is said of one whose owner is gone."""

from sealbook.application.names import NameKind
from sealbook.domain.errors import Refusal, Refused

OWN = "name:"
"""What begins the fields in which the ledger keeps readable names, written by the append alone."""


def name_field(kind: NameKind) -> str:
    return f"{OWN}{kind}"


def kind_of(field: str) -> NameKind:
    return NameKind(field.removeprefix(OWN))


def check_own(field: str) -> None:
    """Raise ValueError for a field that is not the caller's to use."""
    if field.startswith(OWN) or not field or "\0" in field:
        raise ValueError("a field of the vault has a name of its own, which does not begin with name:")


def erased() -> Refused:
    return Refused(Refusal.CUSTOMER_STATE, "the owner's personal data was erased: nothing is kept for it any more")
