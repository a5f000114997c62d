"""How a request moves one aggregate, and what has to move with it."""

from datetime import datetime
from uuid import UUID

from sealbook.application.view import View
from sealbook.domain import credential, customer, device
from sealbook.domain.credential import Application, Credential
from sealbook.domain.device import ReleaseReason
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindDocument


def on_customer(view: View, stream: UUID, command: customer.Command) -> None:
    view.apply(stream, customer.decide(view.customer(stream), command, view.kinds.bank))


def on_device(view: View, stream: UUID, command: device.Command) -> None:
    view.apply(stream, device.decide(view.device(stream), command))


def on_credential(view: View, stream: UUID, command: credential.Command) -> UUID:
    state = view.credential(stream)
    if not isinstance(command, credential.Adopt):
        # A history is as it is.
        _check_not_closed(view, stream, state, command.at)
    view.apply(stream, credential.decide(state, command, view.policies, view.kinds))
    close_if_ended(view, stream, command.at)
    return stream


def _check_not_closed(view: View, stream: UUID, state: credential.State, at: datetime) -> None:
    """Raise Refused(already_final) for what reaches back into a grace that was found over: another may stand there."""
    if isinstance(state, Credential) and state.lapsed_at is not None and state.in_grace_at(at):
        held = customer.enrolled(view.customer(state.customer)).open_credentials
        if all(stream != each for each, _ in held):
            raise Refused(Refusal.ALREADY_FINAL, "the credential has ended, and its grace is over: issue a new one")


def close_if_ended(view: View, stream: UUID, at: datetime) -> None:
    """Close at its customer what has ended for good, whoever noticed it first.

    Once: afterwards its IDs and its device may be somebody else's.
    """
    state = view.credential(stream)
    match state:
        case Application(ended_at=datetime() as ended_at):
            _close(view, state, stream, ended_at)
        case Credential() if state.ended_at(at) and _open(view, state, stream):
            _close(view, state, stream, at if state.revoked or state.grace_until is None else state.grace_until)
            _release_ids(view, state, at)
            if state.revoked and state.device is not None and not others_on(view, state.customer, state.device):
                # A lapse leaves the device bound: a new credential goes to the same phone.
                release(view, state.device, at, ReleaseReason.CREDENTIALS_ENDED)
        case _:
            return


def _open(view: View, state: Credential, stream: UUID) -> bool:
    return stream in customer.enrolled(view.customer(state.customer)).holding(state.kind)


def _close(view: View, state: Application | Credential, stream: UUID, at: datetime) -> None:
    on_customer(view, state.customer, customer.CloseCredential(at=at, credential=stream))


def _release_ids(view: View, state: Credential, at: datetime) -> None:
    """Let other credentials stand for the IDs of one that has ended."""
    for linked in state.links.ids:
        on_customer(view, linked.owner, customer.ReleaseId(at=at, bank_id=linked.bank_id))


def others_on(view: View, holder: UUID, stream: UUID) -> list[UUID]:
    """Return the customer's open credentials and applications on a device."""
    held = customer.enrolled(view.customer(holder)).open_credentials
    return [each for each, _ in held if device_of(view.credential(each)) == stream]


def settled_on(view: View, holder: UUID, stream: UUID, at: datetime) -> list[UUID]:
    """Let the clock decide for what is on a device, and return what is still open there."""
    for each in others_on(view, holder, stream):
        on_credential(view, each, credential.Settle(at=at))
    return others_on(view, holder, stream)


def device_of(state: credential.State) -> UUID | None:
    return None if state is None else state.device


def release(view: View, stream: UUID, at: datetime, reason: ReleaseReason) -> None:
    """Unbind a device and give back the slot that it takes."""
    holder = device.registered(view.device(stream)).customer
    if holder is not None:
        on_device(view, stream, device.Release(at=at, reason=reason))
        on_customer(view, holder, customer.ReleaseDeviceSlot(at=at, device=stream))


def bind(view: View, stream: UUID, holder: UUID, kind: KindDocument, at: datetime) -> None:
    """Bind a device that is fit for a kind, and take a slot for it: both heads move, so one of two loses."""
    on_device(view, stream, device.Bind(at=at, customer=holder, kind=kind))
    slot = customer.TakeDeviceSlot(at=at, device=stream, devices_max=kind.devices_per_person_max)
    on_customer(view, holder, slot)
