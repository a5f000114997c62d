"""Health: for who watches the service, not for callers. No token is asked for, and nothing is told that needs one."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

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
    """The routes of health. `checks` may ask the database; those `at_hand` answer at once, in the event loop."""

    checks: Sequence[tuple[str, Check]]
    page: MetricsPage
    at_hand: Sequence[tuple[str, Check]] = ()
    _answered_at: float = float("-inf")
    _answer: tuple[int, bytes] = (503, b"")
    _asking: asyncio.Task[None] | None = None
    # Its own: whoever keeps other threads busy must not keep the service from saying that it is ready.
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="health"))

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
        """Tell whether requests may be sent: tokens can be checked, the ledger opens by its own keys, the seal stands.

        Several who ask at once get one answer.
        """
        if self._asking is None and asyncio.get_running_loop().time() - self._answered_at >= KEPT_SECONDS:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            # One who goes away must not take the answer from the others.
            await asyncio.shield(self._asking)
        status, content = self._answer
        return Response(content, status_code=status, media_type="application/json")

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = [*readiness(self.at_hand), *await loop.run_in_executor(self._thread, readiness, self.checks)]
            good = all(each.ok for each in found)
            told = {"ready": good, "checks": [{"name": each.name, "ok": each.ok, "what": each.what} for each in found]}
            self._answer, self._answered_at = (200 if good else 503, msgspec.json.encode(told)), loop.time()
        finally:
            self._asking = None

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
