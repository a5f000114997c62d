"""The description of the interface is true: schemathesis asks for everything that it says, and for what it rules out.

INTERFACE_EXAMPLES=50 in the environment asks that many times as much of each operation, and in every role.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from sealbook.adapters.http.access import Role
from sealbook.adapters.http.problems import STATUS
from tests.adapters.http.served import Served
from tests.conftest import KeptKeys, Server
from tests.system.serving import REPOSITORY, STAFF, Held, Serving, held, kept, serving

HERE = Path(__file__).parent
MORE = int(os.environ.get("INTERFACE_EXAMPLES", "0"))
SCHEMATHESIS = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "interface.toml"), "run")
STREAM = "text/event-stream"
CALLERS = {
    "staff": STAFF,
    "app": (Role.APP,),
    "nobody": (),
    **({each.value: (each,) for each in STAFF} if MORE else {}),
}


@pytest.fixture(scope="module")
def service(
    postgres_server: Server, ledger_template: str, kept_keys: KeptKeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("service")
    with (
        kept(postgres_server, ledger_template, kept_keys, folder / "ledger") as ledger,
        serving(ledger, folder / "log") as running,
    ):
        yield running


@pytest.fixture(scope="module")
def alice(service: Serving) -> Held:
    return held(service, "alice")


@pytest.fixture(scope="module")
def document(service: Serving) -> dict[str, Any]:
    told: dict[str, Any] = httpx.get(f"{service.url}/v1/openapi.json").raise_for_status().json()
    return told


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []


def test_every_route_is_described_and_nothing_else_is(running: Served) -> None:
    described = {
        (method.upper(), path) for path, operations in running.api.openapi()["paths"].items() for method in operations
    }
    routes = {
        (method, route.path_format)
        for route in iter_route_contexts(running.api.routes)
        for method in route.methods or ()
        # HEAD is answered wherever GET is, by the framework.
        if method != "HEAD"
    }
    assert described == routes


def test_every_problem_stands_under_its_status(document: dict[str, Any]) -> None:
    codes = {str(code) for code in STATUS}
    assert set(document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == codes
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, told in operation["responses"].items():
                if "application/problem+json" in told.get("content", {}):
                    said = set(told["description"].split(", "))
                    assert said == {str(code) for code, each in STATUS.items() if str(each) == status}, (path, status)


@pytest.mark.timeout(300 if not MORE else 7_200)
@pytest.mark.parametrize("caller", CALLERS)
def test_nothing_is_found(caller: str, service: Serving, alice: Held, document: dict[str, Any], tmp_path: Path) -> None:
    roles = CALLERS[caller]
    options = ["--checks", "all", "--generation-database", "none", "--continue-on-failure", "--no-color"]
    if roles:
        token = service.token(*roles, customer=alice.customer if Role.APP in roles else None)
        options += ["--header", f"Authorization: Bearer {token}"]
        # Whoever may read a stream of events would read on for ever: it is asked for below.
        for path in (path for path, operations in document["paths"].items() if _streams(operations)):
            options += ["--exclude-path", path]
    thorough = MORE or caller == "staff"
    options += ["--phases", "examples,coverage,fuzzing,stateful" if thorough else "fuzzing,stateful"]
    options += ["--max-examples", str(MORE or (1 if thorough else 3))]
    told = subprocess.run(
        [*SCHEMATHESIS, f"{service.url}/v1/openapi.json", *options],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY, REPOSITORY / "verify"))),
            "SCHEMATHESIS_HOOKS": "tests.adapters.http.interface_hooks",
            "INTERFACE_IDS": json.dumps(alice.ids),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert '"code":"internal"' not in service.log.read_text()


def _streams(operations: dict[str, Any]) -> bool:
    return any(STREAM in each["responses"].get("200", {}).get("content", {}) for each in operations.values())


def test_a_stream_of_events_begins_as_it_is_described(service: Serving, alice: Held, document: dict[str, Any]) -> None:
    streams = [path for path, operations in document["paths"].items() if _streams(operations)]
    headers = {"authorization": f"Bearer {service.token(Role.AUDITOR)}", "access-reason": "case 7"}
    for path in streams:
        with httpx.stream("GET", service.url + path, headers=headers, timeout=30) as answer:
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, STREAM)
            assert next(answer.iter_lines())
    assert alice.customer


def test_an_address_says_all_the_methods_it_takes(service: Serving) -> None:
    answer = httpx.put(f"{service.url}/v1/webhooks")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


def test_a_question_with_an_unknown_part_is_not_answered(service: Serving, alice: Held) -> None:
    by = service.token(Role.TELLER)
    path = f"/v1/customers/{alice.customer}"
    known = service.asked("GET", f"{path}?as_of=2024-03-15T10:00:00Z", by=by, access_reason="complaint 7")
    misspelt = service.asked("GET", f"{path}?asof=2024-03-15T10:00:00Z", by=by, access_reason="complaint 7")
    assert (misspelt.status_code, misspelt.json()["code"]) == (422, "invalid_request")
    assert known.json().get("code") != "invalid_request"


def test_a_moment_before_time_zones_is_told_as_others_read_it(service: Serving) -> None:
    bob = held(service, "bob")
    asked = f"/v1/credentials/{bob.credential}?known_at=1901-01-01T00:00:00Z"
    told = service.asked("GET", asked, by=service.token(Role.AUDITOR), access_reason="case 7").json()
    assert told["known_at"] == "1901-01-01T00:00:00+00:00"
