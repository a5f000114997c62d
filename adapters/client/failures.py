"""What a call may end with instead of a result. Nothing here holds what was sent: no code, no token, no name."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import httpx
import msgspec

DOUBTFUL_CODES = frozenset({"deadline", "outcome_unknown", "internal"})
"""Codes that do not say whether it was carried out."""


class ClientError(Exception):
    """A call without a result. `key` is its Idempotency-Key, None if it changes nothing.

    `in_doubt` says that it may have been carried out: the same call with the same `key` tells.
    """

    def __init__(self, message: str, *, key: UUID | None, in_doubt: bool) -> None:
        super().__init__(message)
        self.key, self.in_doubt = key, in_doubt


class NoAnswer(ClientError):
    """The service did not answer in time, or what came was no answer of it."""


class Problem(ClientError):
    """The service said no (RFC 9457). `code` is permanent: compare that, and never the words of `detail`.

    `position` and `version` tell where a refusal was recorded, None if it left nothing. `errors` name the members
    of the body that are wrong. `request_id` is for who runs the service, to find the call in the log.
    """

    def __init__(
        self,
        *,
        code: str,
        status: int,
        detail: str,
        key: UUID | None = None,
        in_doubt: bool = False,
        position: int | None = None,
        version: int | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}", key=key, in_doubt=in_doubt)
        self.code, self.status, self.detail = code, status, detail
        self.position, self.version, self.errors = position, version, tuple(errors)
        self.retry_after_seconds, self.request_id = retry_after_seconds, request_id


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A problem as it is sent; members that are not known are passed over."""

    code: str
    status: int = 0
    detail: str = ""
    position: int | None = None
    version: int | None = None
    errors: tuple[dict[str, str], ...] = ()

    def problem(
        self,
        *,
        status: int,
        key: UUID | None,
        in_doubt: bool,
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
    ) -> Problem:
        return Problem(
            code=self.code,
            status=status,
            detail=self.detail,
            key=key,
            in_doubt=in_doubt or self.code in DOUBTFUL_CODES,
            position=self.position,
            version=self.version,
            errors=self.errors,
            retry_after_seconds=retry_after_seconds,
            request_id=request_id,
        )


_decode = msgspec.json.Decoder(Told).decode


def told(status: int, headers: httpx.Headers, content: bytes) -> Told:
    """Return what an answer says is wrong; for one that is not the service's, a code that names its status."""
    if headers.get("content-type", "").startswith("application/problem+json"):
        try:
            return _decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
    # A proxy's own words may repeat what was sent.
    return Told(code=f"http_{status}", detail=f"status {status}, and not in the service's own words")
