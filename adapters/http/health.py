"""Health: for who watches the service, not for callers. No token is asked for, and nothing is told that needs one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from sealbook.adapters.http.edge import Bare
from sealbook.adapters.http.problems import MEANINGS, STATUS, Fault, Problem
from sealbook.adapters.observing.metrics_page import CONTENT_TYPE, MetricsPage
from sealbook.adapters.observing.readiness import Check, readiness

KEPT_SECONDS = 1.0
"""How long an answer about readiness stands: whoever asks often asks the database no oftener."""


@dataclass(slots=True)
class Health:
    """The routes of health. `checks` may ask the database."""

    checks: Sequence[tuple[str, Check]]
    page: MetricsPage
    _asked_at: float = float("-inf")
    _answer: tuple[int, bytes] = (503, b"")

    def routes(self) -> list[BaseRoute]:
        return [
            Bare("/livez", self.alive, methods=["GET"]),
            Bare("/readyz", self.ready, methods=["GET"]),
            Bare("/metrics", self.metrics, methods=["GET"]),
            Bare("/problems/{code}", meaning, methods=["GET"]),
        ]

    async def alive(self, _request: Request) -> Response:
        """Answer: that is all there is to say."""
        return Response(b'{"alive":true}', media_type="application/json")

    async def ready(self, _request: Request) -> Response:
        """Tell whether requests may be sent: the ledger opens, the keys are its own, the seal stands."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_at >= KEPT_SECONDS:
            found = await asyncio.to_thread(readiness, self.checks)
            good = all(each.ok for each in found)
            told = {"ready": good, "checks": [{"name": each.name, "ok": each.ok, "what": each.what} for each in found]}
            self._answer, self._asked_at = (200 if good else 503, msgspec.json.encode(told)), now
        status, content = self._answer
        return Response(content, status_code=status, media_type="application/json")

    async def metrics(self, _request: Request) -> Response:
        return Response(await asyncio.to_thread(self.page.render), headers={"Content-Type": CONTENT_TYPE})


async def meaning(request: Request) -> Response:
    """Say what a permanent code means."""
    code = request.path_params["code"]
    known = {str(each): each for each in STATUS}
    if code not in known:
        raise Problem(Fault.ADDRESS_NOT_FOUND)
    told = {
        "code": code,
        "title": MEANINGS[code].title,
        "status": STATUS[known[code]],
        "meaning": MEANINGS[code].meaning,
    }
    return Response(msgspec.json.encode(told), media_type="application/json")
