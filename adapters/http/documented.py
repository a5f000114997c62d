"""The description of the interface: what is said of each route beside its address (OpenAPI 3.1)."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from sealbook.adapters.http.access import MAY, Action
from sealbook.adapters.http.offered import Offered
from sealbook.adapters.http.problems import MEANINGS, MEDIA_TYPE, STATUS

REF = "#/components/schemas/{model}"
Schema = dict[str, Any]

IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The command's id, a UUID of version 4 or 7: the same key and request give the same answer.",
    "schema": {
        "type": "string",
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    },
}
IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that was read last: if the stream has moved since, nothing is done.",
    "schema": {"type": "string", "pattern": '^"[0-9]{1,9}"$'},
}
ACCESS_REASON: Schema = {
    "name": "Access-Reason",
    "in": "header",
    "required": False,
    "description": "Why a member of the staff looks at a customer's record: kept in the ledger with who looked.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~](?:[ -~]*[!-~])?$"},
}
PLACE: Schema = {
    "position": {"type": ["integer", "null"], "description": "Of the last event that it left; null if it left none."},
    "version": {"type": ["integer", "null"], "description": "Of the stream after that: the ETag."},
    "events": {"type": "array", "items": {"type": "string"}, "description": "The events that it left."},
}
DONE: Schema = {
    "type": "object",
    "required": ["id", "position", "version", "events"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "asked": {"type": "string", "description": "The name or id that was asked for."},
        **PLACE,
    },
}
PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457. `code` is permanent; `type` leads to what it means.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": sorted(MEANINGS)},
        "position": {"type": ["integer", "null"]},
        "version": {"type": ["integer", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "fault": {"type": "string"}},
            },
        },
    },
}
SCHEMAS: Mapping[str, Schema] = {"Problem": PROBLEM, "Done": DONE}
OF_ANY = (400, 401, 403, 422, 429, 500, 503, 504)
OF_A_TARGET = (404,)
OF_A_BODY = (413, 415)
OF_A_COMMAND = (404, 409, 412)


def problems(*statuses: int) -> dict[int | str, Schema]:
    """Return the problems that a route may answer with; each status says which codes it can have."""
    return {
        status: {
            "description": ", ".join(sorted(str(code) for code, each in STATUS.items() if each == status)),
            "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}},
        }
        for status in sorted(set(statuses))
    }


def answer(name: str, description: str, *, tagged: bool = False) -> Schema:
    """Return a good answer, by the name of its schema."""
    told: Schema = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": REF.format(model=name)}}},
    }
    if tagged:
        told["headers"] = {
            "ETag": {"description": "The version of the stream.", "schema": {"type": "string"}},
            "Idempotent-Replayed": {
                "description": "`true` if this is the first answer again.",
                "schema": {"type": "string"},
            },
        }
    return told


def body(model: str, *, required: bool = True) -> Schema:
    return {"required": required, "content": {"application/json": {"schema": {"$ref": REF.format(model=model)}}}}


def may(action: Action) -> str:
    return "For the scopes " + ", ".join(sorted(f"`{role}`" for role in MAY[action])) + "."


def command_documentation(row: Offered, model: type[BaseModel]) -> dict[str, Any]:
    """Return what `add_api_route` is told of a command."""
    status = 201 if row.creates else 200
    told = " ".join((model.__doc__ or "").split())
    verb = row.path.removeprefix("/v1/").replace("/{id}", "")
    extra = {
        "parameters": [IDEMPOTENCY_KEY, IF_MATCH],
        "requestBody": body(model.__name__, required=bool(model.model_fields)),
    }
    return {
        "summary": verb.replace("/", ": ").replace("-", " ").capitalize(),
        "description": f"{told} {may(row.action)}".strip(),
        "tags": [row.path.split("/")[2]],
        "operation_id": verb.replace("/", "-"),
        "status_code": status,
        "responses": {
            status: answer("Done", "Carried out, and durable.", tagged=True),
            **problems(*OF_ANY, *OF_A_BODY, *OF_A_COMMAND),
        },
        "openapi_extra": extra,
    }


def described(
    api: FastAPI, models: Iterable[type[BaseModel]], schemas: Mapping[str, Schema], paths: Mapping[str, Schema]
) -> Schema:
    """Return the whole document: what FastAPI knows, the bodies of commands, and the routes that are bare."""
    document = get_openapi(title=api.title, version=api.version, description=api.description, routes=api.routes)
    for path, operations in paths.items():
        document["paths"].setdefault(path, {}).update(operations)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    components = document.setdefault("components", {})
    own = {**SCHEMAS, **schemas, **definitions.get("$defs", {})}
    components["schemas"] = {**components.get("schemas", {}), **own}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    document["security"] = [{"bearer": []}]
    return document
