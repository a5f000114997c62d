"""Requests about issued credentials."""

from typing import assert_never
from uuid import UUID

from sealbook.application.commands import OfCredential
from sealbook.application.erasing import EraseCredential
from sealbook.application.handlers.moves import on_credential, on_customer
from sealbook.application.requests import LinkId, LinkService, OnCredential, UnlinkId
from sealbook.application.view import View
from sealbook.domain import credential, customer
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import HolderKind


def handle(view: View, request: OfCredential) -> UUID:
    match request:
        case OnCredential(credential=ref, command=command):
            return _on(view, view.resolve(ref), command)
        case LinkId():
            return _link(view, request)
        case UnlinkId():
            return _unlink(view, request)
        case LinkService():
            return _link_service(view, request)
        case EraseCredential():
            return _erase(view, request)
        case _:
            assert_never(request)


def _on(view: View, stream: UUID, command: credential.OwnCommand) -> UUID:
    if isinstance(command, credential.Resume):
        # A restriction holds everything; lifting it is what lifts the holds.
        customer.active(view.customer(credential.issued(view.credential(stream)).customer))
    return on_credential(view, stream, command)


def _link(view: View, request: LinkId) -> UUID:
    stream, owner = view.resolve(request.credential), view.resolve(request.owner)
    state = credential.issued(view.credential(stream))
    customer.active(view.customer(state.customer))
    holder, linked = state.customer, state.links.find(request.bank_id)
    if linked is not None and linked.owner != owner:
        raise Refused(Refusal.LINKED_ELSEWHERE, "the ID is linked as another customer's: unlink it first")
    command = credential.LinkId(
        at=request.at,
        bank_id=request.bank_id,
        owner=owner,
        in_own_name=owner == holder or _acts_for(view, holder, owner),
        purpose=request.purpose,
        unlocked_at=request.unlocked_at,
    )
    on_credential(view, stream, command)
    on_customer(view, owner, customer.TakeId(at=request.at, bank_id=request.bank_id, credential=stream))
    return stream


def _acts_for(view: View, person: UUID, company: UUID) -> bool:
    return customer.active(view.customer(company)).acts_for(person)


def _unlink(view: View, request: UnlinkId) -> UUID:
    stream = view.resolve(request.credential)
    linked = credential.issued(view.credential(stream)).links.find(request.bank_id)
    on_credential(view, stream, credential.UnlinkId(at=request.at, bank_id=request.bank_id))
    if linked is not None:
        on_customer(view, linked.owner, customer.ReleaseId(at=request.at, bank_id=request.bank_id))
    return stream


def _link_service(view: View, request: LinkService) -> UUID:
    stream = view.resolve(request.credential)
    state = credential.issued(view.credential(stream))
    customer.active(view.customer(state.customer))
    company = None if request.company is None else view.resolve(request.company)
    if company is not None and company != state.customer and not _acts_for(view, state.customer, company):
        raise Refused(Refusal.ROLE, "the holder does not act for that company: grant a role first")
    for_company = state.holder is HolderKind.CORPORATE or company is not None
    command = credential.LinkService(at=request.at, service=request.service, for_company=for_company)
    return on_credential(view, stream, command)


def _erase(view: View, request: EraseCredential) -> UUID:
    stream = view.resolve(request.credential)
    if customer.enrolled(view.customer(credential.issued(view.credential(stream)).customer)).legal_hold:
        raise Refused(Refusal.LEGAL_HOLD, "a legal hold stands: lift it first")
    return on_credential(view, stream, credential.Erase(at=request.at, basis=request.basis))
