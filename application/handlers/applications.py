"""Requests about applications, from the first step to the issue."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

from sealbook.application.commands import OfApplication
from sealbook.application.handlers.moves import bind, on_credential, on_customer
from sealbook.application.requests import (
    ApplyForCredential,
    CompleteApplication,
    IssueCredential,
    OnApplication,
    VerifyPhone,
)
from sealbook.application.view import View
from sealbook.domain import credential, customer, device
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.evidence import check_evidence
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.values import Kind, RevocationReason, SuspensionReason


def handle(view: View, request: OfApplication) -> UUID:
    match request:
        case ApplyForCredential():
            return _apply(view, request)
        case VerifyPhone():
            return _phone(view, request)
        case OnApplication(credential=ref, command=command):
            return on_credential(view, view.resolve(ref), command)
        case CompleteApplication():
            return _complete(view, request)
        case IssueCredential():
            return _issue(view, request)
        case _:
            assert_never(request)


def _apply(view: View, request: ApplyForCredential) -> UUID:
    holder, stream, kind = view.resolve(request.customer), request.credential, view.kinds.offered(request.kind)
    replaced = _replaced(view, request, holder)
    device.fit_for(view.device(view.resolve(request.device)), kind)
    _open(view, request, holder=holder, kind=kind, replaces=replaced)
    policy_id = request.policy_id or kind.policy
    if policy_id is None:
        raise Refused(Refusal.NO_POLICY, f"a {kind.kind} has no policy of its own: name one")
    command = credential.Apply(
        at=request.at,
        customer=holder,
        kind=request.kind,
        holder=customer.enrolled(view.customer(holder)).kind,
        device=view.resolve(request.device),
        policy=view.policies.in_force(policy_id, request.at).ref,
        purpose=request.purpose,
        replaces=replaced,
        identified_at=None if replaced is None else _identified_at(view, replaced),
    )
    return on_credential(view, stream, command)


def _identified_at(view: View, replaced: UUID) -> datetime | None:
    """Return when the holder was last identified, unless the old credential may be in another's hands."""
    old = credential.issued(view.credential(replaced))
    doubtful = old.stolen or old.lockout.for_good or old.suspended_for == SuspensionReason.CLONE_SUSPECTED
    return None if doubtful else old.identified_at


def _open(
    view: View,
    request: ApplyForCredential | IssueCredential,
    *,
    holder: UUID,
    kind: KindDocument,
    replaces: UUID | None,
) -> None:
    """Settle what the customer holds of the kind, for what time alone has ended is in nobody's way, and open."""
    for held in customer.enrolled(view.customer(holder)).holding(kind.kind):
        on_credential(view, held, credential.Settle(at=request.at))
    if request.name is not None:
        view.claim(request.name, request.credential, owner=holder)
    opening = customer.OpenCredential(at=request.at, credential=request.credential, kind=kind, replaces=replaces)
    on_customer(view, holder, opening)


def _replaced(view: View, request: ApplyForCredential | IssueCredential, holder: UUID) -> UUID | None:
    if request.replaces is None:
        return None
    stream = view.resolve(request.replaces)
    old = credential.issued(view.credential(stream))
    if old.customer != holder or old.kind is not request.kind:
        raise Refused(Refusal.NOT_FOUND, "the credential to replace is another customer's, or of another kind")
    return stream


def _phone(view: View, request: VerifyPhone) -> UUID:
    """Compare the phone's owner with the applicant; for a company, with its users."""
    stream = view.resolve(request.credential)
    holder = credential.pending(view.credential(stream)).customer
    owner = view.find(request.identity)
    known = customer.enrolled(view.customer(holder))
    own_name = owner == holder or (owner is not None and known.user(owner) is not None)
    command = credential.VerifyPhone(
        at=request.at, provider=request.provider, evidence=request.evidence, own_name=own_name
    )
    return on_credential(view, stream, command)


def _complete(view: View, request: CompleteApplication) -> UUID:
    """Issuing moves the heads of customer, device and credential together."""
    stream = view.resolve(request.credential)
    application = credential.pending(view.credential(stream))
    kind = view.kinds.kind(application.kind)
    customer.check_eligible(customer.active(view.customer(application.customer)), kind)
    issue = credential.Issue(
        at=request.at,
        customer=application.customer,
        kind=application.kind,
        holder=application.holder,
        policy=view.policies.in_force(application.policy.policy_id, request.at).ref,
        device=application.device,
        replaces=application.replaces,
        old_end=_old_end(view, application.replaces, request.at),
        reference=request.reference,
        identified_at=application.identified_at,
        attestation=request.attestation,
    )
    on_credential(view, stream, issue)
    _end(view, application.replaces, issue)
    bind(view, application.device, application.customer, kind, request.at)
    _set_first_secret(view, stream, request)
    return stream


def _issue(view: View, request: IssueCredential) -> UUID:
    """Issue at the counter: what an application proves step by step, an officer has seen."""
    holder, kind = view.resolve(request.customer), view.kinds.offered(request.kind)
    replaced, bound = _replaced(view, request, holder), view.resolve(request.device)
    known = customer.enrolled(view.customer(holder))
    _check_free(kind.fees.of_issue_krw(known.kind), request.kind)
    _open(view, request, holder=holder, kind=kind, replaces=replaced)
    issue = credential.Issue(
        at=request.at,
        customer=holder,
        kind=request.kind,
        holder=known.kind,
        policy=view.policies.in_force(request.policy_id, request.at).ref,
        device=bound,
        replaces=replaced,
        old_end=_old_end(view, replaced, request.at),
        reference=request.reference,
        evidence=check_evidence(request.evidence),
        identified_at=request.at,
        attestation=request.attestation,
    )
    on_credential(view, request.credential, issue)
    _end(view, replaced, issue)
    bind(view, bound, holder, kind, request.at)
    _set_first_secret(view, request.credential, request)
    return request.credential


def _set_first_secret(view: View, stream: UUID, request: CompleteApplication | IssueCredential) -> None:
    if request.with_secret:
        on_credential(view, stream, credential.SetSecret(at=request.at, generation=1))


def _check_free(fee_krw: int, kind: Kind) -> None:
    if fee_krw:
        raise Refused(Refusal.FEE_UNPAID, f"a {kind} has a fee: apply for it, and the fee is charged before the issue")


def _old_end(view: View, replaced: UUID | None, at: datetime) -> datetime | None:
    """Let the clock decide for what is replaced, and return when it was to end."""
    if replaced is None:
        return None
    on_credential(view, replaced, credential.Settle(at=at))
    return credential.issued(view.credential(replaced)).expires_at


def _end(view: View, replaced: UUID | None, issue: credential.Issue) -> None:
    """End what a new credential replaces as superseded, unless it has ended."""
    if replaced is None:
        return
    old = credential.issued(view.credential(replaced))
    if not old.ended_at(issue.at):
        on_credential(view, replaced, credential.Revoke(at=issue.at, reason=RevocationReason.SUPERSEDED))
