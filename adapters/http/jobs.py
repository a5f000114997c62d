"""What-if jobs: an analyst asks what other policies would have come to, and comes back for the answer.

Whoever leads the ledger's processes carries them out (`adapters.jobs`): a request only puts them into the queue.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.access import Action
from sealbook.adapters.http.answers import answered, good
from sealbook.adapters.http.bodies import Moment, Part
from sealbook.adapters.http.commanding import command_id, digest_sent, json_body
from sealbook.adapters.http.commands import parsed
from sealbook.adapters.http.documented import (
    IDEMPOTENCY_KEY,
    OF_A_BODY,
    OF_A_COMMAND,
    OF_A_TARGET,
    OF_ANY,
    Schema,
    may,
    problems,
)
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.shapes import document_shape, record, rows, shape
from sealbook.adapters.jobs.rows import Job, Jobs, JobThere, NotDone, TooManyJobs, UnknownJob
from sealbook.adapters.jobs.what_if import request_of
from sealbook.adapters.scenarios import TwiceGiven, labelled
from sealbook.application import questions
from sealbook.application.ports import EventStore
from sealbook.domain.errors import Refusal
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import PolicyRef, SwitchMode

T = TypeVar("T")
PATH = "/v1/what-if-jobs"
POLICIES_MAX = 20
JOBS_MAX, JOBS = 500, 100
JobId = Annotated[UUID, Path(description="The Idempotency-Key that the job was asked for with.")]
PolicyName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?:@[1-9][0-9]{0,8})?$", strict=True)
]


class WhatIfBody(Part):
    """Which policies: whole documents, names of the ledger's policies (`D`, or `D@1` for a version), or presets.

    Without `switch_at` they apply to all of history. `mode` says what the switch does.
    """

    policies: Annotated[list[PolicyName | RenewalPolicy], Field(min_length=1, max_length=POLICIES_MAX)]
    as_of: Moment | None = None
    switch_at: Moment | None = None
    mode: SwitchMode | None = None


_TALLY: Schema = {"type": "object", "additionalProperties": {"type": "integer"}}
_COUNT: Schema = {"type": "integer"}
JOB = shape(Job)
LIST = record({"jobs": rows(JOB)})
RESULT = record(
    {
        "as_of": shape(datetime),
        "factual": record(
            {
                "credentials": _COUNT,
                "agrees": {"type": "boolean"},
                "differing": _COUNT,
                "recorded": _TALLY,
                "replayed": _TALLY,
                "observed_renewals": _COUNT,
                "observed_renewals_replayed": _COUNT,
                "observed_expiries": _COUNT,
                "observed_expiries_replayed": _COUNT,
            }
        ),
        "policies": rows(
            record(
                {
                    "policy": {"type": "string"},
                    "digest": {"type": "string", "description": "SHA-256 of the policy's document."},
                    "credentials": _TALLY,
                    "renewals": _COUNT,
                    "lapses": _COUNT,
                    "refused_uses": _COUNT,
                    "changed": _COUNT,
                }
            )
        ),
    }
)


class WhatIfJobs:
    """The routes of what-if jobs."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def router(self) -> APIRouter:
        router = APIRouter()
        run, read = Action.RUN_WHAT_IF, Action.READ_WHAT_IF
        for method, path, endpoint, action, told, codes in (
            ("POST", "", self.submit, run, _ACCEPTED, (*OF_A_BODY, *OF_A_COMMAND)),
            ("GET", "", self.latest, read, good(LIST, "The latest first."), ()),
            ("GET", "/{id}", self.one, read, good(JOB, "As it stands."), OF_A_TARGET),
            ("GET", "/{id}/result", self.result, read, good(RESULT, "What it came to."), (404, 409)),
            ("DELETE", "/{id}", self.cancel, run, good(JOB, "As it stands."), OF_A_TARGET),
        ):
            text, status = endpoint.__doc__ or "", 202 if method == "POST" else 200
            router.add_api_route(
                f"{PATH}{path}",
                endpoint,
                methods=[method],
                response_model=None,
                status_code=status,
                summary=text.partition(".")[0],
                description=f"{text} {may(action)}",
                tags=["what-if-jobs"],
                operation_id=f"what-if-job-{endpoint.__name__}",
                responses={status: told, **problems(*OF_ANY, *codes)},
                openapi_extra=_BODY if method == "POST" else {},
            )
        return router

    async def submit(self, request: Request) -> Response:
        """Ask what other policies would have come to. The Idempotency-Key becomes the job's id."""
        service = self._service
        caller = await service.caller(request, Action.RUN_WHAT_IF)
        raw = await json_body(request)
        job = command_id(request)
        sent = digest_sent(request.method.encode(), request.scope["raw_path"], raw, caller=caller).hex()
        wish = parsed(WhatIfBody, raw)
        assert isinstance(wish, WhatIfBody)  # noqa: S101 (what was parsed)
        if wish.mode is not None and wish.switch_at is None:
            raise Problem(Fault.INVALID_REQUEST, "mode says what a switch does: give its moment, switch_at")
        found, first = await self._ask(lambda store: self._submitted(store, job, wish, sent=sent, by=caller.subject))
        headers = {"Location": f"{PATH}/{job}", **({} if first else {"Idempotent-Replayed": "true"})}
        answer = answered(found, headers)
        answer.status_code = 202
        return answer

    async def latest(self, request: Request, limit: Annotated[int, Query(ge=1, le=JOBS_MAX)] = JOBS) -> Response:
        """List what was asked for last."""
        await self._service.caller(request, Action.READ_WHAT_IF)
        return answered({"jobs": await self._ask(lambda store: Jobs(store.connection).latest(limit))})

    async def one(self, request: Request, id: JobId) -> Response:  # noqa: A002 (its name in the address)
        """Tell how a job stands, and how far it is."""
        await self._service.caller(request, Action.READ_WHAT_IF)
        return answered(await self._ask(lambda store: Jobs(store.connection).get(id)))

    async def result(self, request: Request, id: JobId) -> Response:  # noqa: A002 (its name in the address)
        """Read what a job came to."""
        await self._service.caller(request, Action.READ_WHAT_IF)
        return answered(await self._ask(lambda store: Jobs(store.connection).result(id)))

    async def cancel(self, request: Request, id: JobId) -> Response:  # noqa: A002 (its name in the address)
        """Cancel a job: one that waits at once, one that runs soon. One that has ended stays as it is."""
        await self._service.caller(request, Action.RUN_WHAT_IF)
        at = self._service.now()
        return answered(await self._ask(lambda store: Jobs(store.connection).cancel(id, at=at)))

    def _submitted(
        self, store: PostgresEventStore, job: UUID, wish: WhatIfBody, *, sent: str, by: str
    ) -> tuple[Job, bool]:
        """Return the job, and whether it is asked for the first time."""
        jobs, now = Jobs(store.connection), self._service.now()
        known = jobs.known(job, sent=sent, by=by)
        if known is not None:
            return known, False
        # As they are now: what the ledger learns later changes no job.
        asked = request_of(_documents(store, wish), as_of=wish.as_of or now, switch_at=wish.switch_at, mode=wish.mode)
        return jobs.submit(job, request=asked, sent=sent, at=now, by=by), True

    async def _ask(self, question: Callable[[PostgresEventStore], T]) -> T:
        """Answer over a reader's connection. Raises Problem for what no job may be."""
        try:
            return await self._service.readers.ask(question)
        except UnknownJob:
            raise Problem(Fault.ADDRESS_NOT_FOUND, "there is no job of this id") from None
        except NotDone:
            raise Problem(Fault.JOB_NOT_DONE) from None
        except JobThere:
            raise Problem(Refusal.COMMAND_ID_REUSED) from None
        except TooManyJobs as many:
            raise Problem(Fault.BUSY, str(many), headers={"Retry-After": "60"}) from None


def _documents(store: EventStore, wish: WhatIfBody) -> dict[str, RenewalPolicy]:
    """Return the policies asked about, by label. Raises Problem(invalid_request), Problem(not_found)."""
    book, presets = questions.policies(store).policies, preset_policies()

    def document(asked: str | RenewalPolicy) -> RenewalPolicy:
        if isinstance(asked, RenewalPolicy):
            return asked
        ref = PolicyRef.parse(asked) if "@" in asked else None
        held = book.get(asked if ref is None else ref.policy_id)
        if held is None:
            found = presets.get(asked)
        else:
            found = held.version(held.latest_version if ref is None else ref.version)
        if found is None:
            raise Problem(Refusal.NOT_FOUND, "neither the ledger nor a preset has a policy of one of these names")
        return found

    try:
        return labelled(map(document, wish.policies))
    except TwiceGiven:
        raise Problem(
            Fault.INVALID_REQUEST, "two of the policies have one name: give each a policy_id or version of its own"
        ) from None


_ACCEPTED: Schema = {
    **good(JOB, "It is in the queue, or it was asked for before."),
    "headers": {
        "Location": {"description": "Where the job is.", "schema": {"type": "string"}},
        "Idempotent-Replayed": {"description": "`true` if it was asked for before.", "schema": {"type": "string"}},
    },
}
_BODY: dict[str, Any] = {
    "parameters": [IDEMPOTENCY_KEY],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": document_shape(WhatIfBody, mode="validation")}},
    },
}
