"""Problems: how whatever goes wrong is told over HTTP (RFC 9457), from one table of permanent codes.

A problem says what is wrong and what to do about it. It never says what was sent.
"""

import ast
import inspect
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec
from starlette.responses import Response

from sealbook.domain.errors import Refusal

MEDIA_TYPE = "application/problem+json"


class Fault(StrEnum):
    """What is wrong with a request, or with the service, before any rule of the domain is asked."""

    ADDRESS_NOT_FOUND = "address_not_found"
    """There is nothing at this address."""
    APPROVAL = "approval"
    """No erasure can be approved by this: another service gave it, or it was given too long ago."""
    BODY_TOO_LARGE = "body_too_large"
    """The body is longer than the service takes."""
    BUSY = "busy"
    """Too many requests are under way: this one was not begun."""
    DEADLINE = "deadline"
    """No answer in time. A command may have been carried out: send it again with the same Idempotency-Key."""
    FORBIDDEN = "forbidden"
    """The token is good, and not for this."""
    FUTURE = "future"
    """A moment that is recorded cannot lie in the future: compare the clocks."""
    IDEMPOTENCY_KEY = "idempotency_key"
    """A command needs an Idempotency-Key: a UUID of version 4 or 7, a new one for each command."""
    INTERNAL = "internal"
    """A defect of the service. What was asked for may have been done: look, or send the same key again."""
    INVALID_REQUEST = "invalid_request"
    """The request is not of the form that the description of the interface gives."""
    JOB_NOT_DONE = "job_not_done"
    """There is no result: the job is not done yet, failed, or was cancelled. Its state says which."""
    LEDGER_DAMAGED = "ledger_damaged"
    """What is stored contradicts itself. Nothing is served from it until a person has looked."""
    METHOD_NOT_ALLOWED = "method_not_allowed"
    """The address takes other methods."""
    MALFORMED = "malformed"
    """The body or a header cannot be read."""
    NOT_SEALED = "not_sealed"
    """The seal does not reach it: nothing is sealed yet, or not this, or no witness has signed it."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """Nobody can tell for now whether it was carried out: send it again with the same Idempotency-Key."""
    POSITION_AHEAD = "position_ahead"
    """The log does not reach this position: it is another ledger's, or this one came back from an older copy."""
    PROOF_NOT_SET_UP = "proof_not_set_up"
    """There is nothing that a proof of this form could be checked with."""
    RATE_LIMITED = "rate_limited"
    """Too many requests for this credential or from this caller: wait as long as Retry-After says."""
    REASON_REQUIRED = "reason_required"
    """Who looks at a customer's record says why, in the header Access-Reason."""
    UNAUTHENTICATED = "unauthenticated"
    """The request needs a good bearer token."""
    UNAVAILABLE = "unavailable"
    """The ledger does not answer. Nothing of this request was done: send it again."""
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    """The body is not of a media type that is taken here."""
    WEBHOOK = "webhook"
    """There can be no such webhook: the detail says why."""


Code = Refusal | Fault

_STATUS_OF_FAULTS: Mapping[Code, int] = {
    Fault.ADDRESS_NOT_FOUND: 404,
    Fault.APPROVAL: 409,
    Fault.BODY_TOO_LARGE: 413,
    Fault.BUSY: 503,
    Fault.DEADLINE: 504,
    Fault.FORBIDDEN: 403,
    Fault.FUTURE: 409,
    Fault.IDEMPOTENCY_KEY: 400,
    Fault.INTERNAL: 500,
    Fault.INVALID_REQUEST: 422,
    Fault.JOB_NOT_DONE: 409,
    Fault.LEDGER_DAMAGED: 500,
    Fault.METHOD_NOT_ALLOWED: 405,
    Fault.MALFORMED: 400,
    Fault.NOT_SEALED: 404,
    Fault.OUTCOME_UNKNOWN: 503,
    Fault.POSITION_AHEAD: 409,
    Fault.PROOF_NOT_SET_UP: 409,
    Fault.RATE_LIMITED: 429,
    Fault.REASON_REQUIRED: 400,
    Fault.UNAUTHENTICATED: 401,
    Fault.UNAVAILABLE: 503,
    Fault.UNSUPPORTED_MEDIA_TYPE: 415,
    Fault.WEBHOOK: 409,
}
_NOT_FOR_THIS_CALLER_OR_PROOF = (
    *(Refusal.BAD_PROOF, Refusal.REPLAY, Refusal.WRONG_DEVICE, Refusal.UNLOCK_METHOD, Refusal.NETWORK),
    *(Refusal.EXPIRED, Refusal.REVOKED, Refusal.SUSPENDED, Refusal.LOCKED, Refusal.RESET_REQUIRED),
    *(Refusal.SCOPE, Refusal.NOT_LINKED, Refusal.NOT_ELIGIBLE, Refusal.NOT_OWN_NAME, Refusal.NAME_MISMATCH),
    *(Refusal.EVIDENCE, Refusal.FOUR_EYES, Refusal.ROLE, Refusal.ATTESTATION, Refusal.INTEGRITY),
    *(Refusal.LOCK_SCREEN, Refusal.APP_OUTDATED, Refusal.LEGAL_HOLD, Refusal.RETENTION),
)
_STATUS_OF_REFUSALS: Mapping[Code, int] = {
    **dict.fromkeys(Refusal, 409),
    **dict.fromkeys(_NOT_FOR_THIS_CALLER_OR_PROOF, 403),
    Refusal.NOT_FOUND: 404,
    Refusal.PRECONDITION_FAILED: 412,
    # As the IETF's draft of the Idempotency-Key header has it.
    Refusal.COMMAND_ID_REUSED: 422,
}
STATUS: Mapping[Code, int] = {**_STATUS_OF_FAULTS, **_STATUS_OF_REFUSALS}


class Problem(Exception):
    """A request that ends with a problem. `headers` go with the answer."""

    def __init__(
        self, code: Code, detail: str = "", *, headers: Mapping[str, str] | None = None, more: Mapping[str, object] = {}
    ) -> None:
        super().__init__(code)
        self.code, self.detail, self.headers, self.more = code, detail, headers or {}, more


class Meaning(NamedTuple):
    title: str
    meaning: str


def _meanings(codes: type[StrEnum]) -> dict[str, Meaning]:
    """Return what stands under each code in the source: said once, it is told to readers and callers alike."""
    (cls,) = ast.parse(inspect.getsource(codes)).body
    assert isinstance(cls, ast.ClassDef)  # noqa: S101 (what was read is a class)
    found = dict[str, Meaning]()
    for one, told in zip(cls.body, cls.body[1:], strict=False):
        match one, told:
            case ast.Assign(value=ast.Constant(value=str(code))), ast.Expr(value=ast.Constant(value=str(text))):
                found[code] = Meaning(code.replace("_", " ").capitalize(), " ".join(text.split()))
            case _:
                continue
    return found


MEANINGS: Mapping[str, Meaning] = {**_meanings(Refusal), **_meanings(Fault)}


def help_link(code: Code) -> str:
    """Return where the service itself says what a code means: relative, as RFC 9457 3.1.1 allows."""
    return f"/problems/{code}"


def content(code: Code, detail: str = "", more: Mapping[str, object] = {}) -> bytes:
    told = MEANINGS[code]
    return msgspec.json.encode(
        {
            "type": help_link(code),
            "title": told.title,
            "status": STATUS[code],
            "detail": detail or told.meaning,
            "code": str(code),
            **more,
        }
    )


def response(problem: Problem) -> Response:
    return Response(
        content(problem.code, problem.detail, problem.more),
        status_code=STATUS[problem.code],
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **problem.headers},
    )
