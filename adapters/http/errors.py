"""Errors: what each is told as over HTTP."""

from collections.abc import Sequence

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sealbook.adapters.eventstore.gatherer import Busy
from sealbook.adapters.http.access import Denial, Forbidden
from sealbook.adapters.http.bearer import Unauthenticated
from sealbook.adapters.http.client_certificates import BadClientCertificate
from sealbook.adapters.http.edge import BodyTooLarge
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.seal.bundles import NotSealed
from sealbook.application.ports import LedgerDamaged, OutcomeUnknown, Unavailable
from sealbook.domain.errors import Refused

AGAIN = {"Retry-After": "1"}


def problem_of(error: Exception) -> Problem:
    """Return what an error is told as. What is not known is a defect of ours."""
    match error:
        case Problem():
            return error
        case Refused(code=code, message=message):
            return Problem(code, message)
        case Unauthenticated(challenge=challenge):
            return Problem(Fault.UNAUTHENTICATED, str(error), headers={"WWW-Authenticate": challenge})
        case Forbidden(denial=Denial.REASON):
            return Problem(Fault.REASON_REQUIRED, str(error))
        case Forbidden():
            return Problem(Fault.FORBIDDEN, str(error))
        case BadClientCertificate():
            return Problem(Fault.MALFORMED, str(error))
        case Busy(retry_after_seconds=seconds):
            return Problem(Fault.BUSY, headers={"Retry-After": str(max(1, round(seconds)))})
        case OutcomeUnknown():
            return Problem(Fault.OUTCOME_UNKNOWN, headers=AGAIN)
        case NotSealed():
            return Problem(Fault.NOT_SEALED, str(error))
        case Unavailable():
            return Problem(Fault.UNAVAILABLE, headers=AGAIN)
        case LedgerDamaged():
            return Problem(Fault.LEDGER_DAMAGED)
        case BodyTooLarge():
            # What of the body was not read must not be taken for the next request.
            return Problem(Fault.BODY_TOO_LARGE, headers={"Connection": "close"})
        case ClientDisconnect():
            # Gone in the middle of its own request: nobody's defect, and nobody hears the answer.
            return Problem(Fault.MALFORMED)
        case RequestValidationError():
            return Problem(Fault.INVALID_REQUEST)
        case HTTPException(status_code=404):
            return Problem(Fault.ADDRESS_NOT_FOUND)
        case HTTPException(status_code=405, headers=headers):
            return Problem(Fault.METHOD_NOT_ALLOWED, headers=headers)
        case HTTPException(status_code=status) if status < 500:
            return Problem(Fault.MALFORMED)
        case _:
            return Problem(Fault.INTERNAL)


KNOWN: Sequence[type[Exception]] = (
    *(Problem, Refused, Unauthenticated, Forbidden, BadClientCertificate, Unavailable, OutcomeUnknown, LedgerDamaged),
    *(BodyTooLarge, ClientDisconnect, RequestValidationError, HTTPException),
)
