"""Looks: who of the staff looked at what of whom, and why, is in the ledger before they see it.

No record, no answer. A history is one look, however many pages it has: a cursor shows that the first page was
recorded, and leads to nothing that came later. What lies with nobody, a device in a drawer, has nobody to record it
for. A list over all customers is noted in the log only: it is nobody's record, and one look would otherwise move
the stream of every customer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from starlette.requests import Request

from sealbook.adapters.http.access import Action, Caller, reason_to_record
from sealbook.adapters.http.commanding import CHANNELS, accepted
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.targets import Asked, Target, found
from sealbook.adapters.observing import logs
from sealbook.application.commands import Command
from sealbook.application.names import NameKind
from sealbook.application.ports import EventStore
from sealbook.application.requests import OnCustomer
from sealbook.domain.customer import ViewRecord
from sealbook.domain.errors import Refusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is looked at: of what it is a name, by whom it may be, and by which word a look is recorded."""

    of: tuple[NameKind, ...]
    action: Action
    what: str


def reason_given(request: Request, caller: Caller, action: Action) -> str | None:
    """Return why the staff looks, None where nothing is to be recorded. Raises Forbidden(reason)."""
    return reason_to_record(caller, action, request.headers.get("access-reason"))


async def looked_at(
    service: Service,
    request: Request,
    caller: Caller,
    text: str,
    look: Look,
    question: Callable[[EventStore, Target], T],
    *,
    seen_before: bool = False,
) -> T:
    """Answer about what was asked for, once it is recorded who of the staff looks at it.

    Raises what `record_look` and the question raise, Forbidden(reason), and Refused(not_found).
    """
    asked = [Asked(text, look.of)]
    reason = reason_given(request, caller, look.action)
    if reason is not None and not seen_before:
        (target,) = await service.readers.ask(lambda store: found(store, asked, caller=caller))
        await record_look(service, caller, target.holder, what=look.what, reason=reason)

    def answer(store: EventStore) -> T:
        # Anew after the record: a look moves the customer's stream, and the ETag is to be the one that counts.
        (target,) = found(store, asked, caller=caller)
        return question(store, target)

    return await service.readers.ask(answer)


async def record_look(service: Service, caller: Caller, holder: UUID | None, *, what: str, reason: str) -> None:
    """Note a look in the record of the customer whom it concerns; it is durable when this returns.

    Raises Problem, Busy, Unavailable and OutcomeUnknown: then nothing may be shown.
    """
    if holder is None:
        return
    view = ViewRecord(at=service.now(), what=what, reason=reason)
    command = Command(
        request=OnCustomer(customer=holder, command=view),
        command_id=service.new_id(),
        actor=caller.subject,
        channel=CHANNELS[min(caller.roles)],
    )
    answered = await service.writer.submit(command)
    if answered.refusal is not Refusal.CUSTOMER_STATE:
        # Of who is erased, nothing is left that concerns a person: that is the one refusal which lets the look pass.
        accepted(answered)


def note_list(caller: Caller, *, what: str, reason: str) -> None:
    """Note in the log that somebody looked at a list over all customers; the reason if it is a code."""
    logs.logger("looks").info("a list was read", actor=caller.subject, where=what, why=reason)
