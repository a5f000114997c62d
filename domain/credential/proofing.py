"""Proof of identity: phone, document and account, one step after the other (domain rules R23, R26, R27, R57, R58).

Evidence is kept elsewhere: an event holds a reference to it and its digest, never an image, a
number or a name.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, assert_never

from sealbook.domain.credential.applying import StepFailed, check_next, failed
from sealbook.domain.credential.standing import Application
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.records import replace
from sealbook.domain.values import CaptureFault, EventType, IdDocument, Step

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneVerified:
    stored: ClassVar = EventType("credential.phone_verified", 1)

    at: datetime
    provider: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdDocumentCaptured:
    """`request` is the question to the document's issuer, whose answer comes later."""

    stored: ClassVar = EventType("credential.id_document_captured", 1)

    at: datetime
    document: IdDocument
    evidence: str
    digest: str
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdCaptureRejected:
    stored: ClassVar = EventType("credential.id_capture_rejected", 1)

    at: datetime
    document: IdDocument
    fault: CaptureFault
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdAuthenticityConfirmed:
    stored: ClassVar = EventType("credential.id_authenticity_confirmed", 1)

    at: datetime
    request: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRefused:
    """The issuer does not know the document as it was shown; it may be photographed again."""

    stored: ClassVar = EventType("credential.id_refused", 1)

    at: datetime
    request: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountVerified:
    stored: ClassVar = EventType("credential.account_verified", 1)

    at: datetime
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLinked:
    stored: ClassVar = EventType("credential.account_linked", 1)

    at: datetime
    account: str


Event = (
    PhoneVerified
    | IdDocumentCaptured
    | IdCaptureRejected
    | IdAuthenticityConfirmed
    | IdRefused
    | AccountVerified
    | AccountLinked
)


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPhone:
    """The carrier's answer. `own_name`: the phone is registered to the applicant."""

    at: datetime
    provider: str
    evidence: str
    own_name: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureId:
    """A photo of a document. With a `fault` it cannot be used and is not kept."""

    at: datetime
    document: IdDocument
    evidence: str
    digest: str
    request: str
    fault: CaptureFault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmId:
    """The issuer's answer to a request."""

    at: datetime
    request: str
    authentic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyAccount:
    """The code of a one-won transfer, as the holder entered it. `account` is a reference."""

    at: datetime
    account: str
    evidence: str
    code_sent_at: datetime
    code_matches: bool
    own_name: bool


Command = VerifyPhone | CaptureId | ConfirmId | VerifyAccount


# --- Evolve


def evolve(state: Application, event: Event) -> Application:
    match event:
        case PhoneVerified():
            return _done(state, Step.PHONE)
        case IdDocumentCaptured(request=request):
            return replace(state, awaiting=request)
        case IdCaptureRejected(attempt=attempt):
            return state.failing(Step.ID_DOCUMENT, attempt)
        case IdAuthenticityConfirmed(at=at):
            return replace(_done(state, Step.ID_DOCUMENT), awaiting=None, identified_at=at)
        case IdRefused(attempt=attempt):
            return replace(state.failing(Step.ID_DOCUMENT, attempt), awaiting=None)
        case AccountVerified():
            return _done(state, Step.ACCOUNT)
        case AccountLinked():
            return state
        case _:
            assert_never(event)


def _done(state: Application, step: Step) -> Application:
    return replace(state.done_with(step), escalated=False)


# --- Decide


def decide(state: Application, command: Command, kind: KindDocument) -> tuple[Event | StepFailed, ...]:
    """Answer a step. A check of ours that fails is a fact as well: it is recorded and counted."""
    match command:
        case VerifyPhone():
            return _phone(state, command, kind)
        case CaptureId():
            return _captured(state, command, kind)
        case ConfirmId():
            return _confirmed(state, command)
        case VerifyAccount():
            return _account(state, command, kind)
        case _:
            assert_never(command)


def _phone(state: Application, command: VerifyPhone, kind: KindDocument) -> tuple[Event | StepFailed, ...]:
    check_next(state, Step.PHONE, kind)
    if not command.own_name:
        return failed(state, Step.PHONE, Refusal.NAME_MISMATCH, at=command.at)
    return (PhoneVerified(at=command.at, provider=command.provider, evidence=command.evidence),)


def _captured(state: Application, command: CaptureId, kind: KindDocument) -> tuple[Event, ...]:
    check_next(state, Step.ID_DOCUMENT, kind)
    if command.document not in kind.steps.documents:
        taken = ", ".join(sorted(kind.steps.documents))
        raise Refused(Refusal.DOC_TYPE, f"a {state.kind} takes no {command.document}: show one of {taken}")
    if command.fault is not None:
        attempt = state.failures_of(Step.ID_DOCUMENT) + 1
        return (IdCaptureRejected(at=command.at, document=command.document, fault=command.fault, attempt=attempt),)
    return (
        IdDocumentCaptured(
            at=command.at,
            document=command.document,
            evidence=command.evidence,
            digest=command.digest,
            request=command.request,
        ),
    )


def _confirmed(state: Application, command: ConfirmId) -> tuple[Event, ...]:
    if state.awaiting != command.request:
        raise Refused(Refusal.UNKNOWN_REQUEST, "no document of this application awaits that answer")
    if command.authentic:
        return (IdAuthenticityConfirmed(at=command.at, request=command.request),)
    attempt = state.failures_of(Step.ID_DOCUMENT) + 1
    return (IdRefused(at=command.at, request=command.request, attempt=attempt),)


def _account(state: Application, command: VerifyAccount, kind: KindDocument) -> tuple[Event | StepFailed, ...]:
    check_next(state, Step.ACCOUNT, kind)
    fault = _fault(command, timedelta(minutes=kind.steps.account_code_minutes))
    if fault is not None:
        return failed(state, Step.ACCOUNT, fault, at=command.at)
    return (
        AccountVerified(at=command.at, evidence=command.evidence),
        AccountLinked(at=command.at, account=command.account),
    )


def _fault(command: VerifyAccount, code_life: timedelta) -> Refusal | None:
    if not command.own_name:
        return Refusal.NOT_OWN_NAME
    if not command.code_sent_at <= command.at < command.code_sent_at + code_life:
        return Refusal.CODE_EXPIRED
    return None if command.code_matches else Refusal.MISMATCH
