"""The interface as a document, OpenAPI 3.1: every route, also the bare ones, with every answer that it may give."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel

from sealbook.adapters.http import commands, erasures, secrets, webhooks
from sealbook.adapters.http.access import Action
from sealbook.adapters.http.documented import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    OF_A_BODY,
    OF_A_COMMAND,
    OF_ANY,
    PLACE,
    REF,
    Schema,
    answer,
    body,
    described,
    may,
    problems,
)
from sealbook.adapters.http.use_bodies import BatchBody, UseBody
from sealbook.adapters.webhooks.endpoints import DeadLetter, Endpoint

TIME: Schema = {"type": "string", "format": "date-time"}
ID: Schema = {"type": "string", "format": "uuid"}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}


def _object(**properties: Schema) -> Schema:
    """Return the schema of an object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


SCHEMAS: Mapping[str, Schema] = {
    "Used": _object(credential=TEXT, id=ID, accepted={"const": True}, **PLACE),
    "BatchAnswer": _object(
        results={
            "type": "array",
            "items": {
                "type": "object",
                "required": ["status"],
                "properties": {"status": NUMBER, "credential": TEXT, "id": ID, "code": TEXT, **PLACE},
            },
        }
    ),
    "Challenge": _object(credential=ID, challenge=TEXT, expires_at=TIME),
    "Secret": {
        "type": "object",
        "required": ["id", "position", "version", "events"],
        "properties": {
            "id": ID,
            "asked": TEXT,
            "provisioning_uri": {"type": "string", "description": "Shown once, and never in a repeated answer."},
            **PLACE,
        },
    },
    "Approval": _object(approval=TEXT, expires_at=TIME),
    "Count": _object(count=NUMBER),
    "WebhookSecret": _object(id=ID, secret=TEXT),
    "WebhookList": _object(webhooks={"type": "array", "items": {"$ref": REF.format(model="Webhook")}}),
    "DeadLetters": _object(dead_letters={"type": "array", "items": {"$ref": REF.format(model="DeadLetter")}}),
}
PATH_ID: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "An id (a UUID), or the bank's own name; `name:` before it forces a name.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def _bare(text: str, action: Action, *, named: str, model: str | None, parameters: list[Schema]) -> Schema:
    operation: dict[str, Any] = {
        "summary": text.partition(".")[0],
        "description": f"{text} {may(action)}",
        "tags": ["uses"],
        "parameters": parameters,
        "responses": {
            str(status): told
            for status, told in [
                (200, answer(named, "Carried out, and durable.", tagged=named == "Used")),
                *problems(*OF_ANY, *OF_A_BODY, *OF_A_COMMAND).items(),
            ]
        },
    }
    if model is not None:
        operation["requestBody"] = body(model)
    return {"post": operation}


PATHS: Mapping[str, Schema] = {
    "/v1/credentials/{id}/uses": _bare(
        "Ask whether a use may pass. The answer is durable before it is given; a refused use is recorded, too.",
        Action.USE,
        named="Used",
        model="UseBody",
        parameters=[PATH_ID, IDEMPOTENCY_KEY, IF_MATCH],
    ),
    "/v1/uses:batch": _bare(
        "Ask for many uses at once, each with an Idempotency-Key of its own; each is answered for itself.",
        Action.USE,
        named="BatchAnswer",
        model="BatchBody",
        parameters=[],
    ),
    "/v1/credentials/{id}/challenges": _bare(
        "Ask for a challenge to sign, for the use that is to come under this Idempotency-Key.",
        Action.CHALLENGE,
        named="Challenge",
        model=None,
        parameters=[PATH_ID, IDEMPOTENCY_KEY],
    ),
}


def _open(
    text: str, content: Schema, *, media_type: str = "application/json", bad: Mapping[Any, Schema] = {}
) -> Schema:
    """Return the description of an address that asks for no token."""
    good = {"description": "As it stands.", "content": {media_type: {"schema": content}}}
    told = {str(status): each for status, each in {200: good, **problems(500), **bad}.items()}
    return {"get": {"summary": text, "tags": ["health"], "security": [], "responses": told}}


_READY = _object(
    ready={"type": "boolean"},
    checks={"type": "array", "items": _object(name=TEXT, ok={"type": "boolean"}, what=TEXT)},
)
_MEANING = _object(code=TEXT, title=TEXT, status=NUMBER, meaning=TEXT)
OPEN: Mapping[str, Schema] = {
    "/livez": _open("Tell that the service answers", _object(alive={"const": True})),
    "/readyz": _open(
        "Tell whether requests may be sent",
        _READY,
        bad={503: {"description": "Send none.", "content": {"application/json": {"schema": _READY}}}},
    ),
    "/metrics": _open("Tell numbers, as Prometheus reads them", TEXT, media_type="text/plain"),
    "/problems/{code}": _open("Say what a permanent code means", _MEANING, bad=problems(404)),
    "/v1/openapi.json": _open("Describe the interface", {"type": "object"}),
}
OPEN["/problems/{code}"]["get"]["parameters"] = [{"name": "code", "in": "path", "required": True, "schema": TEXT}]


def document(api: FastAPI) -> dict[str, Any]:
    """Return the document of an app; it is made once."""
    if not api.openapi_schema:
        models: list[type[BaseModel]] = [*commands.MODELS, *secrets.MODELS, *erasures.MODELS, *webhooks.MODELS]
        _, of_structs = msgspec.json.schema_components([UseBody, BatchBody, Endpoint, DeadLetter], ref_template=REF_OF)
        schemas = {**SCHEMAS, **of_structs, "Webhook": of_structs["Endpoint"]}
        api.openapi_schema = described(api, models, schemas, {**PATHS, **OPEN})
    return api.openapi_schema


REF_OF = REF.format(model="{name}")
