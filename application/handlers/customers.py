"""Requests about customers and a company's users."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from sealbook.application.commands import OfCustomer
from sealbook.application.erasing import EraseCustomer
from sealbook.application.handlers.moves import on_credential, on_customer
from sealbook.application.requests import (
    AddCompanyUser,
    ChangeRole,
    CloseCustomer,
    EnrollCustomer,
    OnCustomer,
    OnTransaction,
    RemoveCompanyUser,
)
from sealbook.application.view import View
from sealbook.domain import credential, customer, device
from sealbook.domain.credential import Application, Credential
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.values import HolderKind


def handle(view: View, request: OfCustomer) -> UUID:
    match request:
        case EnrollCustomer():
            return _enroll(view, request)
        case AddCompanyUser(at=at):
            person = _natural_person(view, view.resolve(request.person))
            return _on(view, view.resolve(request.customer), customer.AddUser(at=at, person=person))
        case RemoveCompanyUser(at=at):
            person = view.resolve(request.person)
            return _on(view, view.resolve(request.customer), customer.RemoveUser(at=at, person=person))
        case ChangeRole():
            return _on(view, view.resolve(request.customer), _of_role(request, view.resolve(request.person)))
        case OnTransaction():
            return _on(
                view,
                view.resolve(request.customer),
                _of_transaction(request, _natural_person(view, view.resolve(request.by))),
            )
        case OnCustomer(customer=ref, command=command):
            return _on(view, view.resolve(ref), command)
        case CloseCustomer(at=at):
            stream = view.resolve(request.customer)
            return _on(view, stream, customer.Close(at=at, fee_open=_fee_open(view, stream, at)))
        case EraseCustomer():
            return _erase(view, request)
        case _:
            assert_never(request)


def _enroll(view: View, request: EnrollCustomer) -> UUID:
    for name in (request.name, request.identity):
        if name is not None:
            view.claim(name, request.customer)
    return _on(view, request.customer, customer.Enroll(at=request.at, subkind=request.subkind))


def _on(view: View, stream: UUID, command: customer.Command) -> UUID:
    on_customer(view, stream, command)
    return stream


def _natural_person(view: View, stream: UUID) -> UUID:
    if customer.active(view.customer(stream)).kind is not HolderKind.PERSONAL:
        raise Refused(Refusal.ROLE, "a user of a company is an enrolled natural person")
    return stream


def _of_role(request: ChangeRole, person: UUID) -> customer.Command:
    if request.granted:
        return customer.GrantRole(at=request.at, person=person, role=request.role)
    return customer.RemoveRole(at=request.at, person=person, role=request.role)


def _of_transaction(request: OnTransaction, person: UUID) -> customer.Command:
    if request.approved:
        return customer.ApproveTransaction(at=request.at, transaction=request.transaction, approver=person)
    return customer.ProposeTransaction(at=request.at, transaction=request.transaction, maker=person)


def _fee_open(view: View, stream: UUID, at: datetime) -> bool:
    """Tell whether an application has an open fee, once the clock has given up those whose time is over."""
    applications = [
        each
        for each, _ in customer.enrolled(view.customer(stream)).open_credentials
        if isinstance(view.credential(each), Application)
    ]
    for each in applications:
        on_credential(view, each, credential.Settle(at=at))
    return any(isinstance(state := view.credential(each), Application) and state.fee_open for each in applications)


def _erase(view: View, request: EraseCustomer) -> UUID:
    """Erase all or nothing: what has to be kept of one credential keeps its holder's data as well."""
    stream = request.customer
    erase = customer.Erase(at=request.at, basis=request.basis, approved_by=request.approved_by)
    # Whether it may be is said of the customer first.
    customer.decide(view.customer(stream), erase, view.kinds.bank)
    for each in request.credentials:
        if isinstance(view.credential(each), Credential):
            on_credential(view, each, credential.Erase(at=request.at, basis=request.basis))
    for each in request.devices:
        if device.registered(view.device(each)).customer in (None, stream):
            view.erase_with(stream, each)
    return _on(view, stream, erase)
