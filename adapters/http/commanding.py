"""Commanding: a request over HTTP becomes a command of the ledger, and its outcome an answer.

The Idempotency-Key is the command's id, so a repetition is known by the ledger itself, in the transaction that
would do it again. What tells a repetition from a reuse is what the client sent: method, address and body.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.access import Caller, Role
from sealbook.adapters.http.problems import MEANINGS, Fault, Problem
from sealbook.adapters.writer.first_answers import answered_again, left_by
from sealbook.adapters.writer.port import Answered
from sealbook.application import commands
from sealbook.application.commands import Command
from sealbook.application.outcomes import repeated
from sealbook.application.ports import EventStore, Loaded

CHANNELS: Mapping[Role, str] = {
    Role.APP: "app",
    Role.TELLER: "branch",
    Role.CALL_CENTER: "call_center",
    Role.AUDITOR: "office",
    Role.ANALYST: "office",
    Role.ADMINISTRATOR: "office",
}
"""By which way a command came, as events say it."""
CLIENT_ID_VERSIONS = (4, 7)
"""Ids of other versions are the ledger's own to derive: a client must not take them beforehand."""
SENT_BYTES = 32


def command_id(request: Request) -> UUID:
    """Return the Idempotency-Key. Raises Problem(idempotency_key)."""
    try:
        found = UUID(request.headers["idempotency-key"].strip('"'))
    except (KeyError, ValueError):
        raise Problem(Fault.IDEMPOTENCY_KEY) from None
    return client_id(found)


def client_id(found: UUID) -> UUID:
    """Return an id that a client may choose. Raises Problem(idempotency_key) for any other."""
    if found.version not in CLIENT_ID_VERSIONS:
        raise Problem(Fault.IDEMPOTENCY_KEY)
    return found


def version_asked(request: Request) -> int | None:
    """Return the version that If-Match demands, None without one. Raises Problem(malformed)."""
    text = request.headers.get("if-match")
    if text is None or text.strip() == "*":
        return None
    digits = text.strip().strip('"')
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len("2147483647")):
        raise Problem(Fault.MALFORMED, 'If-Match is an ETag of this service, like "17"')
    return int(digits)


async def json_body(request: Request) -> bytes:
    """Return the body. Raises Problem if it is not said to be JSON."""
    body = await request.body()
    media_type, _, _ = request.headers.get("content-type", "").partition(";")
    if body and media_type.strip().lower() != "application/json":
        raise Problem(Fault.UNSUPPORTED_MEDIA_TYPE, "send the body as application/json")
    return body


def digest_sent(method: bytes, path: bytes, body: bytes, *, caller: Caller) -> bytes:
    """Return the digest of what was sent: the same for a repetition, another for any other request.

    Of an app's request it is part for whom the app acts: a bank's back end may be one subject for all its customers.
    """
    whose = (caller.customer or "").encode()
    return hashlib.blake2b(b"%s %s\0%s\0%s" % (method, path, whose, body), digest_size=SENT_BYTES).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a command carries besides its request, and by which a repetition is known."""

    command_id: UUID
    sent: bytes
    actor: str
    channel: str
    if_version: int | None

    @classmethod
    def of(
        cls, request: Request, body: bytes, caller: Caller, *, channel: str | None = None, actor: str | None = None
    ) -> "Envelope":
        """Return the envelope of a request. Raises Problem for a header that is missing or cannot be read.

        `actor` is who acts, if that is not the one who calls.
        """
        return cls(
            command_id=command_id(request),
            sent=digest_sent(request.method.encode(), request.scope["raw_path"], body, caller=caller),
            actor=actor or caller.subject,
            channel=channel or CHANNELS[min(caller.roles)],
            if_version=version_asked(request),
        )

    def command(self, wish: commands.Request) -> Command:
        return Command(
            request=wish,
            command_id=self.command_id,
            actor=self.actor,
            channel=self.channel,
            sent=self.sent,
            if_version=self.if_version,
        )

    def first_answer(self, store: EventStore, known: Loaded | None = None) -> Answered | None:
        """Return how this command was answered if it was carried out, or that its id was another's; else None.

        `known` was loaded with this command's outcome, if it was.
        """
        known = known or store.load(streams=(), names=(), commands=[self.command_id])
        stored = known.outcomes.get(self.command_id)
        if stored is None:
            return None
        digest = commands.digest_of_sent(self.sent, actor=self.actor, channel=self.channel, if_version=self.if_version)
        outcome = repeated(digest, stored, store.command_digest)
        events = [] if outcome.position is None else left_by(store, self.command_id, outcome.position)
        return answered_again(outcome, events)


def accepted(answered: Answered) -> Answered:
    """Return the answer if it is yes. Raises Problem with the permanent code of the refusal."""
    if answered.refusal is None:
        return answered
    if answered.position is None:
        raise Problem(answered.refusal, answered.message)
    place = {"position": answered.position, "version": answered.version}
    raise Problem(answered.refusal, f"{MEANINGS[answered.refusal].meaning} The refusal is recorded.", more=place)


def answer_body(answered: Answered, *, more: Mapping[str, object]) -> bytes:
    place = {"position": answered.position, "version": answered.version, "events": answered.events}
    return msgspec.json.encode({**more, **place})


def told(answered: Answered, *, more: Mapping[str, object], status: int = 200) -> Response:
    """Return the answer to a command that was carried out; its ETag is the version of the stream.

    A repetition has the same body, and says in a header that it is one.
    """
    headers = {"Cache-Control": "no-store"}
    if answered.version is not None:
        headers["ETag"] = f'"{answered.version}"'
    if answered.repeated:
        headers["Idempotent-Replayed"] = "true"
    body = answer_body(answered, more=more)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def not_later(moment: datetime, now: datetime) -> datetime:
    """Return a moment that a client names. Raises Problem(future) if it lies in the future."""
    if moment > now:
        raise Problem(Fault.FUTURE)
    return moment
