"""An app acts for its own customer only: over all routes there are, its token neither reads nor moves another's.

Every place of a request that names something is given another customer's id or name in its turn, while the others
name the app's own. The answer must be the one to a name that nobody has.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import httpx
import pyotp
import pytest
from starlette.routing import Route

from tests.adapters.http.served import APP_BODY, TELLER, Holding, Served, holding

NOT_FOR_CALLERS = {"/livez", "/readyz", "/metrics", "/problems/{code}", "/v1/openapi.json"}
CUSTOMERS, DEVICES, CREDENTIALS = "customer", "device", "credential"
WHAT_IS_NAMED = {
    **dict.fromkeys(("customer", "person", "by", "owner", "company"), CUSTOMERS),
    **dict.fromkeys(("device", "old", "new"), DEVICES),
    **dict.fromkeys(("credential", "replaces", "of"), CREDENTIALS),
}
"""By the name of a member or a parameter, what it names."""
SAID = {
    "app": APP_BODY,
    "policy": "D@1",
    "policy_id": "D",
    "kind": "mobile_otp",
    **dict.fromkeys(("first_code", "second_code"), "123456"),
    "events": ["credential."],
    "url": "https://bank.example/hook",
    "unlock_method": "pin",
    "challenge": "AAAA",
    "signature": "AAAA",
}
"""What stands for itself in a plausible body."""
PARTS = {"kind": "mobile_otp", "policy_id": "D"}
"""What other parts of an address say; what is not here is a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place of a request that names something: the address, or a member of the body or the query."""

    name: str
    names: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    method: str
    path: str
    described: Mapping[str, Any] = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path

    @cached_property
    def body(self) -> dict[str, Any] | None:
        told = self.described.get("requestBody")
        return None if told is None else self._resolved(told["content"]["application/json"]["schema"])

    @cached_property
    def slots(self) -> list[Slot]:
        found: list[Slot] = []
        thing = self.path.split("/")[2]
        if "{id}" in self.path and thing in ("customers", "devices", "credentials"):
            found.append(Slot(name="{id}", names=thing.removesuffix("s")))
        queried = [each["name"] for each in self.described.get("parameters", ()) if each["in"] == "query"]
        members = list(self._members(self.body)) if self.body is not None else []
        return found + [
            Slot(name=each, names=WHAT_IS_NAMED[each]) for each in queried + members if each in WHAT_IS_NAMED
        ]

    def sent(self, chosen: Mapping[str, str], *, code: str, new: Iterator[int]) -> tuple[str, Any]:
        """Return an address and a body in which slots are as chosen, and all else is plausible."""
        path = self.path.replace("{id}", quote(chosen.get("{id}", str(uuid4())), safe=""))
        path = re.sub(r"{(\w+)}", lambda part: PARTS.get(part[1], "1"), path)
        queried = {
            each["name"]: chosen[each["name"]]
            for each in self.described.get("parameters", ())
            if each["in"] == "query" and each["name"] in chosen
        }
        body = None if self.body is None else self._value("", self.body, {**chosen, "code": code}, new)
        return path + (f"?{urlencode(queried)}" if queried else ""), body

    def _resolved(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            found: Any = self.document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        for choice in ("anyOf", "oneOf"):
            if choice in schema:
                told = [each for each in schema[choice] if each.get("type") != "null"]
                return self._resolved(told[0])
        return dict(schema)

    def _members(self, schema: Mapping[str, Any]) -> Iterator[str]:
        for name, told in schema.get("properties", {}).items():
            yield name
            yield from self._members(self._resolved(told))
        if "items" in schema:
            yield from self._members(self._resolved(schema["items"]))

    def _value(self, name: str, schema: Mapping[str, Any], chosen: Mapping[str, Any], new: Iterator[int]) -> Any:
        told = self._resolved(schema)
        if name in chosen:
            return chosen[name]
        if name in SAID:
            return SAID[name]
        if name == "idempotency_key":
            return str(uuid4())
        match told:
            case {"const": said}:
                return said
            case {"enum": [first, *_]}:
                return first
            case {"type": "object"}:
                # What an app may not vouch for would be refused before anything is looked up.
                members = {
                    each: inner
                    for each, inner in told.get("properties", {}).items()
                    if each != "evidence" or each in told.get("required", ())
                }
                return {each: self._value(each, inner, chosen, new) for each, inner in members.items()}
            case {"type": "array"}:
                return [self._value("", told["items"], chosen, new)]
            case {"type": "boolean"}:
                return True
            case {"type": "integer"}:
                return told.get("minimum", 1)
            case {"format": "date-time"}:
                return "2024-03-15T01:00:00Z"
            case _:
                return f"text_{next(new)}"


def operations(running: Served) -> list[Operation]:
    """Return every operation of the app, by its routes; each is in the description of the interface."""
    document = running.api.openapi()
    described = document["paths"]
    found: list[Operation] = []
    for route in routes_of(running.api.routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            if route.path not in NOT_FOR_CALLERS:
                # As the description has it: without what the framework converts a part of the address by.
                path = re.sub(r":\w+}", "}", route.path)
                told = described[path][method.lower()]
                found.append(Operation(method=method, path=path, described=told, document=document))
    return found


def routes_of(routes: Any) -> Iterator[Route]:
    for each in routes:
        if isinstance(each, Route):
            yield each
        else:
            # A router that was included stands for its routes.
            yield from routes_of(getattr(each, "original_router", each).routes)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A customer with every kind of thing: a phone, a credential, and an application under way."""

    held: Holding
    application: str
    application_name: str

    def ids(self) -> dict[str, list[str]]:
        held = self.held
        return {CUSTOMERS: [held.customer], DEVICES: [held.device], CREDENTIALS: [held.credential, self.application]}

    def names(self) -> dict[str, list[str]]:
        held = self.held
        return {
            CUSTOMERS: [held.customer_name],
            DEVICES: [held.device_key],
            CREDENTIALS: [held.credential_name, f"name:{self.application_name}"],
        }

    @property
    def streams(self) -> list[UUID]:
        return [UUID(each) for told in self.ids().values() for each in told]

    @property
    def telling(self) -> list[str]:
        """What no answer to somebody else may hold."""
        told = [*self.ids().values(), *self.names().values()]
        return [each.removeprefix("name:") for many in told for each in many]

    @property
    def code(self) -> str:
        assert self.held.seed_uri is not None
        generator: Any = pyotp.parse_uri(self.held.seed_uri)
        return str(generator.now())


def whole(running: Served, name: str) -> Whole:
    held = holding(running, name)
    application_name = f"application of {name}"
    wish = {
        "name": application_name,
        "customer": held.customer,
        "kind": "kb_mobile_certificate",
        "device": held.device,
        "policy_id": "D",
    }
    applied = running.done("/v1/applications", wish, by=TELLER)
    return Whole(held=held, application=applied["id"], application_name=application_name)


NOBODY_IDS = {each: [str(uuid4())] * 2 for each in (CUSTOMERS, DEVICES, CREDENTIALS)}
NOBODY_NAMES = {each: ["nobody-1", "nobody-2"] for each in (CUSTOMERS, DEVICES, CREDENTIALS)}


def told(answer: httpx.Response, said: Mapping[str, str]) -> tuple[int, str]:
    """Return an answer without what the request said itself, and where the app's own credential stands by now."""
    text = f"{answer.headers.get('location')} {answer.headers.get('link')} {answer.text}"
    for each in said.values():
        text = text.replace(each, "<asked>")
    return answer.status_code, re.sub(r'"(position|version)":[0-9]+', r'"\1":0', text)


@pytest.fixture
def bystander(running: Served) -> Whole:
    """The other customer, whose names are like nothing else in an answer."""
    return whole(running, "bystander-b7f3")


def test_no_route_reads_or_moves_what_is_anothers(running: Served, bystander: Whole) -> None:
    own, new = whole(running, "own-a1c9"), count(1)
    before = versions(running, bystander)
    wrong, asked = list[object](), 0
    for operation in operations(running):
        for slots, others, nobodys in tries(operation, bystander):
            chosen = {each.name: own.ids()[each.names][0] for each in operation.slots}
            answers: list[tuple[int, str]] = []
            for said in (others, nobodys):
                path, body = operation.sent({**chosen, **said}, code=bystander.code, new=new)
                answers.append(told(running.call(operation.method, path, body, by=own.held.app), said))
            (status, text), of_nobody = answers
            shown = [each for each in bystander.telling if each in text]
            differs = (status, text) != of_nobody
            if shown or (slots and differs) or status >= 500:
                wrong.append((*operation.key, slots, (status, text), of_nobody))
            asked += 1
    assert wrong == []
    assert versions(running, bystander) == before
    assert asked > 400


def test_what_is_asked_there_is_plausible(running: Served, bystander: Whole) -> None:
    """Or else a refusal would say nothing: for its own things, an app is told more than that the form is wrong."""
    new, of_wrong_form = count(1), list[object]()
    for operation in operations(running):
        chosen = {each.name: bystander.ids()[each.names][0] for each in operation.slots}
        path, body = operation.sent(chosen, code=bystander.code, new=new)
        answer = running.call(operation.method, path, body, by=bystander.held.app)
        if operation.slots and answer.json().get("code") in ("invalid_request", "malformed", "unsupported_media_type"):
            of_wrong_form.append((*operation.key, body, answer.text))
    assert of_wrong_form == []


def tries(
    operation: Operation, bystander: Whole
) -> Iterator[tuple[tuple[str, ...], Mapping[str, str], Mapping[str, str]]]:
    """Yield which slots name what is another's, what they say, and what they say where nobody has it."""
    if not operation.slots:
        yield (), {}, {}
    together = [tuple(operation.slots)] if len(operation.slots) > 1 else []
    for slots in [*((each,) for each in operation.slots), *together]:
        for theirs, nobodys in ((bystander.ids(), NOBODY_IDS), (bystander.names(), NOBODY_NAMES)):
            for which in (0, -1):
                yield (
                    tuple(each.name for each in slots),
                    {each.name: theirs[each.names][which] for each in slots},
                    {each.name: nobodys[each.names][which] for each in slots},
                )


def versions(running: Served, customer: Whole) -> dict[UUID, int]:
    heads = running.store.load(streams=customer.streams, names=(), commands=()).heads
    return {stream: head.version for stream, head in heads.items()}
