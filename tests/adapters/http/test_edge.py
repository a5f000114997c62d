"""Which requests have no deadline."""

import asyncio
from uuid import uuid4

import pytest
from starlette.types import Message, Receive, Scope, Send

from sealbook.adapters.http.edge import LONG, Edge, EdgeLimits
from tests.adapters.http.served import Served

LONG_PATHS = (
    *("/v1/events", "/v1/events/7/proof", "/v1/reports/counts", "/v1/lists/slots", "/v1/tiles/0/000"),
    *("/v1/checkpoints/latest", "/v1/customers/alice/bundle", "/v1/credentials/x/bundle"),
)


def status_of(path: str) -> int:
    """Return the status of an answer that takes longer than a request may."""
    sent = list[Message]()

    async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    def told(**_told: object) -> None:
        """Nobody listens."""

    edge = Edge(
        slow,
        EdgeLimits(in_flight_max=1, body_bytes_max=1, deadline_seconds=0.001),
        told=told,
        failed=lambda _error: None,
        shed=lambda: None,
        new_id=uuid4,
    )
    asyncio.run(edge({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send))
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("path", LONG_PATHS)
def test_what_takes_long_has_no_deadline(path: str) -> None:
    assert status_of(path) == 200


@pytest.mark.parametrize("path", ["/v1/customers/alice", "/v1/credentials/x/uses", "/v1/proofs"])
def test_all_else_has_one(path: str) -> None:
    assert status_of(path) == 504


def test_every_long_path_has_a_route(running: Served) -> None:
    paths = running.api.openapi()["paths"]
    assert [each for each in LONG if not any(path.startswith(each) for path in paths)] == []
