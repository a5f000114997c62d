"""For which IDs and services does a credential stand? (domain rules R10, R11, R35, R43, R53)"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sealbook.domain.credential import Credential
from sealbook.domain.values import Kind
from sealbook.projections.states import States


class Linked(StrEnum):
    ID = "id"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One ID or service of one credential. `to` is the ID's reference or the service.

    `owner` is whose the ID is, and `own` tells whether that is the holder: else it acts for a company.
    """

    credential: UUID
    customer: UUID
    kind: Kind
    linked: Linked
    to: str
    owner: UUID
    own: bool
    purpose: str | None


def links(states: States, *, of: UUID | None = None) -> list[Link]:
    """Answer from settled states for credentials that have not ended; `of` is one of these, or a customer.

    A customer's are those of its credentials, and those that others hold for its IDs.
    """
    found = (
        link
        for stream, state in states.credentials()
        if not state.ended_at(states.as_of)
        for link in _links(stream, state)
    )
    return [link for link in found if of is None or of in (link.credential, link.customer, link.owner)]


def _links(stream: UUID, state: Credential) -> Iterator[Link]:
    for linked in state.links.ids:
        yield Link(
            credential=stream,
            customer=state.customer,
            kind=state.kind,
            linked=Linked.ID,
            to=linked.bank_id,
            owner=linked.owner,
            own=linked.owner == state.customer,
            purpose=linked.purpose,
        )
    for service in state.links.services:
        yield Link(
            credential=stream,
            customer=state.customer,
            kind=state.kind,
            linked=Linked.SERVICE,
            to=service,
            owner=state.customer,
            own=True,
            purpose=None,
        )
