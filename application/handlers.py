"""One request, decided: which aggregates it moves, in which order, all or none.

Each aggregate decides for itself; here stands only how a request spreads over several of them.
What another request's guard reads is moved by this one, so two that exclude each other cannot
both pass (no write skew).
"""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from sealbook.application.commands import (
    AdoptAttempt,
    AdoptFact,
    AdoptIssued,
    EnrollCustomer,
    IssueCredential,
    Name,
    NameKind,
    OnCredential,
    OnPolicy,
    RegisterDevice,
    ReleaseDevice,
    Request,
)
from sealbook.application.view import View
from sealbook.domain import credential, customer, device, policy
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.presets import kind_document
from sealbook.domain.values import HolderKind


def handle(view: View, request: Request) -> UUID:
    """Decide a request and note its events in the view; return the stream that it was about.

    Raises Refused, and then nothing of it counts.
    """
    match request:
        case EnrollCustomer():
            return _enroll(view, request)
        case RegisterDevice():
            return _register_device(view, request)
        case ReleaseDevice():
            return _release_device(view, request)
        case IssueCredential():
            return _issue(view, request)
        case OnCredential(credential=ref, command=command):
            return _on_credential(view, view.resolve(ref), command)
        case OnPolicy():
            return _on_policy(view, request)
        case AdoptIssued():
            return _adopt_issued(view, request)
        case AdoptFact(credential=ref, fact=fact):
            return _on_credential(view, view.resolve(ref), credential.Adopt(fact=fact))
        case AdoptAttempt():
            return _adopt_attempt(view, request)
        case _:
            assert_never(request)


def _enroll(view: View, request: EnrollCustomer) -> UUID:
    if request.name is not None:
        view.claim(request.name, request.customer)
    _on_customer(view, request.customer, customer.Enroll(at=request.at, kind=request.kind))
    return request.customer


def _register_device(view: View, request: RegisterDevice) -> UUID:
    view.claim(request.key, request.device)
    _on_device(view, request.device, device.Register(at=request.at, model=request.model))
    return request.device


def _release_device(view: View, request: ReleaseDevice) -> UUID:
    stream = view.resolve(request.device)
    holder = device.registered(view.device(stream)).customer
    held = () if holder is None else customer.enrolled(view.customer(holder)).open_credentials
    for each, _ in held:
        # Released, the device could be bound to another person and still be used by this one.
        if credential.issued(view.credential(each)).device == stream:
            raise Refused(Refusal.DEVICE_STATE, "a credential is bound to the device: revoke or replace it first")
    _release(view, stream, request.at)
    return stream


def _release(view: View, stream: UUID, at: datetime) -> None:
    holder = device.registered(view.device(stream)).customer
    if holder is not None:
        _on_device(view, stream, device.Release(at=at))
        _on_customer(view, holder, customer.ReleaseDeviceSlot(at=at, device=stream))


def _issue(view: View, request: IssueCredential) -> UUID:
    """Issuing moves the heads of customer, device and credential together."""
    holder, bound = view.resolve(request.customer), view.resolve(request.device)
    known = customer.enrolled(view.customer(holder))
    _end_what_it_replaces(view, request)
    _close_what_has_ended(view, holder, request)
    devices_max = kind_document(request.kind).devices_per_person_max
    _on_device(view, bound, device.Bind(at=request.at, customer=holder))
    _on_customer(view, holder, customer.TakeDeviceSlot(at=request.at, device=bound, devices_max=devices_max))
    if request.name is not None:
        view.claim(request.name, request.credential)
    replaced = None if request.replaces is None else view.resolve(request.replaces)
    issue = credential.Issue(
        at=request.at,
        customer=holder,
        kind=request.kind,
        holder=known.kind,
        policy=view.policies.in_force(request.policy_id, request.at).ref,
        device=bound,
        replaces=replaced,
        old_end=None if replaced is None else credential.issued(view.credential(replaced)).expires_at,
    )
    _open(view, request.credential, issue, exclusive=True)
    return request.credential


def _end_what_it_replaces(view: View, request: IssueCredential) -> None:
    if request.replaces is None:
        return
    replaced = view.resolve(request.replaces)
    if credential.issued(view.credential(replaced)).customer != view.resolve(request.customer):
        raise Refused(Refusal.NOT_FOUND, "the credential to replace is another customer's: check the name")
    _on_credential(view, replaced, credential.Settle(at=request.at))
    if not credential.issued(view.credential(replaced)).ended_at(request.at):
        _on_credential(view, replaced, credential.Revoke(at=request.at, reason="superseded"))


def _close_what_has_ended(view: View, holder: UUID, request: IssueCredential) -> None:
    """Settle what the customer holds of the kind: what time alone has ended is in nobody's way."""
    for held in customer.enrolled(view.customer(holder)).holding(request.kind):
        _on_credential(view, held, credential.Settle(at=request.at))


def _open(view: View, stream: UUID, issue: credential.Issue, *, exclusive: bool) -> None:
    opening = customer.OpenCredential(at=issue.at, credential=stream, kind=issue.kind, exclusive=exclusive)
    _on_customer(view, issue.customer, opening)
    view.apply(stream, credential.decide(view.credential(stream), issue, view.policies))


def _on_credential(view: View, stream: UUID, command: credential.Command) -> UUID:
    view.apply(stream, credential.decide(view.credential(stream), command, view.policies))
    _close_if_ended(view, stream, command.at)
    return stream


def _close_if_ended(view: View, stream: UUID, at: datetime) -> None:
    """Close at its customer what has ended for good, whoever noticed it first."""
    now = credential.issued(view.credential(stream))
    if not now.ended_at(at):
        return
    ended_at = at if now.revoked or now.grace_until is None else now.grace_until
    _on_customer(view, now.customer, customer.CloseCredential(at=ended_at, credential=stream))
    holds_more = customer.enrolled(view.customer(now.customer)).open_credentials
    if now.revoked and now.device is not None and not holds_more:
        # A lapse leaves the device bound: a new credential goes to the same phone.
        _release(view, now.device, at)


def _on_customer(view: View, stream: UUID, command: customer.Command) -> None:
    view.apply(stream, customer.decide(view.customer(stream), command))


def _on_device(view: View, stream: UUID, command: device.Command) -> None:
    view.apply(stream, device.decide(view.device(stream), command))


def _on_policy(view: View, request: OnPolicy) -> UUID:
    name = Name(NameKind.POLICY, request.policy_id)
    found = view.find(name)
    stream = request.stream if found is None else found
    if found is None:
        view.claim(name, stream)
    view.apply(stream, policy.decide(view.policy(stream), request.command))
    return stream


def _adopt_issued(view: View, request: AdoptIssued) -> UUID:
    holder = _adopted_customer(view, request)
    view.claim(request.name, request.credential)
    _open_adopted(view, request, holder=holder, stream=request.credential, replaces=None)
    return request.credential


def _adopt_attempt(view: View, request: AdoptAttempt) -> UUID:
    holder = _adopted_customer(view, request)
    use = credential.Adopt(fact=credential.Use(at=request.at))
    held = customer.enrolled(view.customer(holder)).latest(request.kind)
    if held is not None:
        _on_credential(view, held, use)
        now = credential.issued(view.credential(held))
        if now.lapsed_at is None or now.revoked or not request.reissue:
            return held
    view.claim(_next_name(view, holder, request), request.stream)
    _open_adopted(view, request, holder=holder, stream=request.stream, replaces=held)
    return _on_credential(view, request.stream, use)


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
    enroll = customer.Enroll(at=request.at, kind=HolderKind.PERSONAL, provenance=request.provenance)
    _on_customer(view, stream, enroll)
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
    _open(view, stream, issue, exclusive=False)
