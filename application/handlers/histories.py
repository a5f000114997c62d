"""Requests that take over a history: what happened is as it is, with its provenance instead of steps and device."""

from typing import assert_never
from uuid import UUID

from sealbook.application.adopting import AdoptAttempt, AdoptFact, Adoption, AdoptIssued
from sealbook.application.handlers.moves import on_credential, on_customer
from sealbook.application.names import Name, NameKind
from sealbook.application.view import View
from sealbook.domain import credential, customer
from sealbook.domain.values import HolderSubkind


def handle(view: View, request: Adoption) -> UUID:
    match request:
        case AdoptIssued():
            return _adopt_issued(view, request)
        case AdoptFact(credential=ref, fact=fact):
            return on_credential(view, view.resolve(ref), credential.Adopt(fact=fact))
        case AdoptAttempt():
            return _adopt_attempt(view, request)
        case _:
            assert_never(request)


def _adopt_issued(view: View, request: AdoptIssued) -> UUID:
    holder = _adopted_customer(view, request)
    view.claim(request.name, request.credential, owner=holder)
    _open_adopted(view, request, holder=holder, stream=request.credential, replaces=None)
    return request.credential


def _adopt_attempt(view: View, request: AdoptAttempt) -> UUID:
    holder = _adopted_customer(view, request)
    use = credential.Adopt(fact=credential.Use(at=request.at))
    held = customer.enrolled(view.customer(holder)).latest(request.kind)
    if held is not None:
        on_credential(view, held, use)
        now = credential.issued(view.credential(held))
        if now.lapsed_at is None or now.revoked or not request.reissue:
            return held
    view.claim(_next_name(view, holder, request), request.stream, owner=holder)
    _open_adopted(view, request, holder=holder, stream=request.stream, replaces=held)
    return on_credential(view, request.stream, use)


def _next_name(view: View, holder: UUID, request: AdoptAttempt) -> Name:
    """Return the customer's name for its first credential, and with a number for those that follow."""
    number = customer.enrolled(view.customer(holder)).credentials_opened + 1
    value = request.customer.value if number == 1 else f"{request.customer.value}#{number}"
    return Name(NameKind.CREDENTIAL, value)


def _adopted_customer(view: View, request: AdoptIssued | AdoptAttempt) -> UUID:
    found = view.find(request.customer)
    if found is not None:
        return found
    stream = request.customer_stream
    view.claim(request.customer, stream)
    enroll = customer.Enroll(at=request.at, subkind=HolderSubkind.INDIVIDUAL, provenance=request.provenance)
    on_customer(view, stream, enroll)
    return stream


def _open_adopted(
    view: View, request: AdoptIssued | AdoptAttempt, *, holder: UUID, stream: UUID, replaces: UUID | None
) -> None:
    issue = credential.Issue(
        at=request.at,
        customer=holder,
        kind=request.kind,
        holder=customer.enrolled(view.customer(holder)).kind,
        policy=request.policy,
        replaces=replaces,
        provenance=request.provenance,
    )
    opening = customer.AdoptCredential(at=issue.at, credential=stream, kind=issue.kind)
    on_customer(view, holder, opening)
    on_credential(view, stream, credential.Adopt(fact=issue))
