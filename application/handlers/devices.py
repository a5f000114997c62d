"""Requests about devices: what happens to one happens to the credentials on it in the same append."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from sealbook.application.commands import OfDevice
from sealbook.application.handlers.moves import bind, on_credential, on_device, others_on, release, settled_on
from sealbook.application.requests import (
    OnDevice,
    RecoverDevice,
    RegisterDevice,
    ReleaseDevice,
    ReplaceDevice,
    ReportLoss,
)
from sealbook.application.view import View
from sealbook.domain import credential, customer, device
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device, ReleaseReason
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.values import RevocationReason, SuspensionReason


def handle(view: View, request: OfDevice) -> UUID:
    match request:
        case RegisterDevice():
            return _register(view, request)
        case OnDevice(device=ref, command=command):
            stream = view.resolve(ref)
            on_device(view, stream, command)
            return stream
        case ReleaseDevice():
            return _give_back(view, request)
        case ReportLoss():
            return _lost(view, request)
        case RecoverDevice():
            return _recovered(view, request)
        case ReplaceDevice():
            return _replaced(view, request)
        case _:
            assert_never(request)


def _register(view: View, request: RegisterDevice) -> UUID:
    if view.find(request.key) is not None:
        raise Refused(Refusal.DEVICE_TAKEN, "a device of that key is registered: use that one")
    view.claim(request.key, request.device)
    register = device.Register(at=request.at, model=request.model, os_version=request.os_version, app=request.app)
    on_device(view, request.device, register)
    return request.device


def _give_back(view: View, request: ReleaseDevice) -> UUID:
    stream = view.resolve(request.device)
    holder = device.registered(view.device(stream)).customer
    if holder is not None and settled_on(view, holder, stream, request.at):
        # Released, the device could be bound to another person and still be used by this one.
        raise Refused(Refusal.DEVICE_STATE, "a credential is bound to the device: revoke or replace it first")
    retired = device.registered(view.device(stream)).retired
    release(view, stream, request.at, ReleaseReason.RETIRED if retired else ReleaseReason.RETURNED)
    return stream


def _lost(view: View, request: ReportLoss) -> UUID:
    named = view.resolve(request.lost)
    match view.aggregate(named):
        case Customer(devices=devices):
            for each in devices:
                _lose(view, each, named, request)
        case Device(customer=holder):
            _lose(view, named, holder, request)
        case Application(device=UUID() as bound, customer=holder) | Credential(device=UUID() as bound, customer=holder):
            _lose(view, bound, holder, request)
        case Credential():
            _report(view, [named], request)
        case _:
            raise Refused(Refusal.NOT_FOUND, "that id is of no device, credential or customer: check the id")
    return named


def _lose(view: View, stream: UUID, holder: UUID | None, request: ReportLoss) -> None:
    _report(view, [] if holder is None else others_on(view, holder, stream), request)
    # What has ended, or was applied for, may name a device that is another person's now.
    if device.registered(view.device(stream)).customer in (None, holder):
        on_device(view, stream, device.ReportLost(at=request.at, theft=request.theft))


def _report(view: View, streams: list[UUID], request: ReportLoss) -> None:
    report = credential.ReportLoss(at=request.at, lost_at=request.lost_at, theft=request.theft)
    for each in streams:
        if _live(view, each, request.at):
            on_credential(view, each, report)


def _live(view: View, stream: UUID, at: datetime) -> bool:
    """Let the clock decide, and tell whether the credential is issued and has not ended."""
    if not isinstance(view.credential(stream), Credential):
        return False
    on_credential(view, stream, credential.Settle(at=at))
    return not credential.issued(view.credential(stream)).ended_at(at)


def _recovered(view: View, request: RecoverDevice) -> UUID:
    stream = view.resolve(request.device)
    holder = device.registered(view.device(stream)).customer
    on_device(view, stream, device.Recover(at=request.at, evidence=request.evidence))
    if holder is None:
        return stream
    customer.active(view.customer(holder))
    for each in others_on(view, holder, stream):
        if _held_for_loss(view, each, request.at):
            on_credential(view, each, credential.Resume(at=request.at, evidence=request.evidence))
    return stream


def _held_for_loss(view: View, stream: UUID, at: datetime) -> bool:
    if not _live(view, stream, at):
        return False
    state = credential.issued(view.credential(stream))
    for_loss = state.suspended_for == SuspensionReason.LOSS_REPORTED
    return state.suspended and for_loss and at < credential.suspension_ends_at(state, view.kinds)


def _replaced(view: View, request: ReplaceDevice) -> UUID:
    """Move what its kind lets move to the new device; the rest ends, to be applied for anew."""
    old, new, at = view.resolve(request.old), view.resolve(request.new), request.at
    on_device(view, old, device.ConfirmReplacement(at=at, evidence=request.evidence))
    holder = device.registered(view.device(old)).customer
    if holder is None or old == new:
        raise Refused(Refusal.DEVICE_STATE, "the device to replace is bound to nobody, or is the new one itself")
    customer.active(view.customer(holder))
    on_it = settled_on(view, holder, old, at)
    moving = [each for each in on_it if _moves(view, each)]
    if not on_it:
        raise Refused(Refusal.DEVICE_STATE, "no credential is on the device: apply for one on the new device")
    release(view, old, at, ReleaseReason.REPLACED)
    for kind in (_kind(view, each) for each in moving or on_it):
        bind(view, new, holder, kind, at)
    for each in moving:
        on_credential(view, each, credential.Move(at=at, device=new))
    for each in others_on(view, holder, old):
        _superseded(view, each, at)
    return new


def _moves(view: View, stream: UUID) -> bool:
    """Tell whether a credential goes with its holder: what was on a stolen device is never resumed."""
    state = view.credential(stream)
    return isinstance(state, Credential) and not state.stolen and _kind(view, stream).storage.moves


def _kind(view: View, stream: UUID) -> KindDocument:
    return view.kinds.kind(credential.begun(view.credential(stream)).kind)


def _superseded(view: View, stream: UUID, at: datetime) -> None:
    if isinstance(view.credential(stream), Application):
        on_credential(view, stream, credential.Abandon(at=at))
    else:
        on_credential(view, stream, credential.Revoke(at=at, reason=RevocationReason.SUPERSEDED))
