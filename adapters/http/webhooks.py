"""Webhooks: an administrator says where the bank's other systems want to hear of what happens."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.access import Action
from sealbook.adapters.http.bodies import Part, Text
from sealbook.adapters.http.commanding import command_id, json_body
from sealbook.adapters.http.commands import parsed
from sealbook.adapters.http.documented import IDEMPOTENCY_KEY, OF_A_BODY, OF_ANY, answer, body, may, problems
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.service import Service
from sealbook.adapters.webhooks.addresses import NotReachable, Reach
from sealbook.adapters.webhooks.endpoints import BadWebhook, Endpoint, UnknownWebhook, Webhooks, WebhookThere
from sealbook.domain.errors import Refusal

T = TypeVar("T")
NOT_STORED = {"Cache-Control": "no-store"}
WebhookId = Annotated[UUID, Path(description="The webhook's id.")]


class WebhookBody(Part):
    """Where to tell, and of which events: whole names, or beginnings like `credential.`."""

    url: Annotated[str, Field(min_length=1, max_length=2_000)]
    events: Annotated[list[Text], Field(min_length=1, max_length=100)]
    after: Annotated[int, Field(ge=0, le=2**62)] | None = None


class LettersBody(Part):
    """Which dead letter, by its position; without one, all."""

    position: Annotated[int, Field(ge=1, le=2**62)] | None = None


MODELS: tuple[type[BaseModel], ...] = (WebhookBody, LettersBody)


class WebhookRoutes:
    """The routes of webhooks."""

    def __init__(self, service: Service, reach: Reach) -> None:
        self._service, self._reach = service, reach

    def router(self) -> APIRouter:
        router = APIRouter()
        for method, path, endpoint, action, model, status, named in (
            ("POST", "", self.register, Action.CHANGE_WEBHOOKS, WebhookBody, 201, "WebhookSecret"),
            ("GET", "", self.listed, Action.READ_WEBHOOKS, None, 200, "WebhookList"),
            ("GET", "/{id}", self.one, Action.READ_WEBHOOKS, None, 200, "Webhook"),
            ("DELETE", "/{id}", self.remove, Action.CHANGE_WEBHOOKS, None, 204, ""),
            ("POST", "/{id}/pause", self.pause, Action.CHANGE_WEBHOOKS, None, 200, "Webhook"),
            ("POST", "/{id}/resume", self.resume, Action.CHANGE_WEBHOOKS, None, 200, "Webhook"),
            ("POST", "/{id}/rotate-secret", self.rotate, Action.CHANGE_WEBHOOKS, None, 200, "WebhookSecret"),
            ("GET", "/{id}/dead-letters", self.dead_letters, Action.READ_WEBHOOKS, None, 200, "DeadLetters"),
            ("POST", "/{id}/replay", self.replay, Action.CHANGE_WEBHOOKS, LettersBody, 200, "Count"),
            ("POST", "/{id}/discard", self.discard, Action.CHANGE_WEBHOOKS, LettersBody, 200, "Count"),
        ):
            documentation = _documented(method, endpoint.__doc__ or "", action, model, status, named)
            router.add_api_route(
                f"/v1/webhooks{path}", endpoint, methods=[method], response_model=None, **documentation
            )
        return router

    async def register(self, request: Request) -> Response:
        """Register a webhook. Its secret is shown once; the Idempotency-Key becomes its id."""
        caller = await self._service.caller(request, Action.CHANGE_WEBHOOKS)
        wish = parsed(WebhookBody, await json_body(request))
        assert isinstance(wish, WebhookBody)  # noqa: S101 (what was parsed)
        key, at = command_id(request), self._service.now()
        secret = await self._ask(
            lambda webhooks: webhooks.register(
                key, url=wish.url, events=wish.events, at=at, by=caller.subject, after=wish.after
            )
        )
        return _answer({"id": str(key), "secret": secret}, status=201)

    async def listed(self, request: Request) -> Response:
        """List all webhooks."""
        await self._service.caller(request, Action.READ_WEBHOOKS)
        found = await self._ask(lambda webhooks: webhooks.registered())
        return _answer({"webhooks": [_told(each) for each in found]})

    async def one(self, request: Request, id: WebhookId) -> Response:  # noqa: A002 (its name in the address)
        """Tell how a webhook stands."""
        await self._service.caller(request, Action.READ_WEBHOOKS)
        return _answer(_told(await self._ask(lambda webhooks: webhooks.get(id))))

    async def remove(self, request: Request, id: WebhookId) -> Response:  # noqa: A002 (its name in the address)
        """Remove a webhook with all that is outstanding of it."""
        await self._service.caller(request, Action.CHANGE_WEBHOOKS)
        await self._ask(lambda webhooks: webhooks.remove(id))
        return Response(status_code=204)

    async def pause(self, request: Request, id: WebhookId) -> Response:  # noqa: A002 (its name in the address)
        """Send nothing from the next delivery on. Nothing is lost: it waits."""
        return await self._changed(request, id, lambda webhooks: webhooks.pause(id))

    async def resume(self, request: Request, id: WebhookId) -> Response:  # noqa: A002 (its name in the address)
        """Go on where the webhook was paused."""
        at = self._service.now()
        return await self._changed(request, id, lambda webhooks: webhooks.resume(id, at=at))

    async def rotate(self, request: Request, id: WebhookId) -> Response:  # noqa: A002 (its name in the address)
        """Make a new secret, shown once; the old one signs as well for a day.

        Sent again within that day, it replaces the new one at once, and the old one signs for what is left of the day.
        """
        await self._service.caller(request, Action.CHANGE_WEBHOOKS)
        at = self._service.now()
        secret = await self._ask(lambda webhooks: webhooks.rotate_secret(id, at=at))
        return _answer({"id": str(id), "secret": secret})

    async def dead_letters(
        self,
        request: Request,
        id: WebhookId,  # noqa: A002 (its name in the address)
        after: Annotated[int, Query(ge=0, le=2**62)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Response:
        """List deliveries that were given up, by position."""
        await self._service.caller(request, Action.READ_WEBHOOKS)
        found = await self._ask(lambda webhooks: webhooks.dead_letters(id, after=after, limit=limit))
        return _answer({"dead_letters": [each._asdict() for each in found]})

    async def replay(self, request: Request, id: WebhookId) -> Response:  # noqa: A002 (its name in the address)
        """Try a dead letter anew, or all of them."""
        at = self._service.now()
        return await self._letters(request, lambda webhooks, one: webhooks.replay(id, at=at, position=one))

    async def discard(self, request: Request, id: WebhookId) -> Response:  # noqa: A002 (its name in the address)
        """Give a dead letter up for good, or all of them."""
        return await self._letters(request, lambda webhooks, one: webhooks.discard(id, position=one))

    async def _letters(self, request: Request, done: Callable[[Webhooks, int | None], int]) -> Response:
        await self._service.caller(request, Action.CHANGE_WEBHOOKS)
        wish = parsed(LettersBody, await json_body(request))
        assert isinstance(wish, LettersBody)  # noqa: S101 (what was parsed)
        return _answer({"count": await self._ask(lambda webhooks: done(webhooks, wish.position))})

    async def _changed(self, request: Request, webhook: UUID, change: Callable[[Webhooks], None]) -> Response:
        await self._service.caller(request, Action.CHANGE_WEBHOOKS)

        def changed(webhooks: Webhooks) -> Endpoint:
            change(webhooks)
            return webhooks.get(webhook)

        return _answer(_told(await self._ask(changed)))

    async def _ask(self, question: Callable[[Webhooks], T]) -> T:
        """Answer over a reader's connection. Raises Problem for what no webhook may be."""
        service = self._service

        def asked(store: PostgresEventStore) -> T:
            webhooks = Webhooks(store.connection, keys=service.keys, randomness=service.randomness, reach=self._reach)
            return question(webhooks)

        try:
            return await service.readers.ask(asked)
        except UnknownWebhook:
            raise Problem(Fault.ADDRESS_NOT_FOUND, "there is no webhook of this id") from None
        except WebhookThere as there:
            raise Problem(Refusal.DUPLICATE, str(there)) from None
        except (BadWebhook, NotReachable) as bad:
            raise Problem(Fault.WEBHOOK, str(bad)) from None


def _told(endpoint: Endpoint) -> dict[str, Any]:
    return asdict(endpoint)


def _answer(told: object, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(told), status_code=status, media_type="application/json", headers=NOT_STORED)


def _documented(
    method: str, text: str, action: Action, model: type[Part] | None, status: int, named: str
) -> dict[str, Any]:
    creating = status == 201
    extra: dict[str, Any] = {"parameters": [IDEMPOTENCY_KEY]} if creating else {}
    if model is not None:
        extra["requestBody"] = body(model.__name__, required=creating)
    good = {"description": "Done."} if not named else answer(named, "Done.")
    bad = problems(*OF_ANY, 404, *(OF_A_BODY if method == "POST" else ()), *((409,) if creating else ()))
    return {
        "summary": text.partition(".")[0],
        "description": " ".join(f"{text} {may(action)}".split()),
        "tags": ["webhooks"],
        "status_code": status,
        "responses": {status: good, **bad},
        "openapi_extra": extra,
    }
