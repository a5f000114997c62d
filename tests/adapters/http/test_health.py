"""Whether a service is ready: asked of the database once for all who ask together, and not without keys for tokens."""

import asyncio
import json
from threading import Event

from starlette.requests import Request

from sealbook.adapters.http.health import Health
from sealbook.adapters.observing.metrics import Metrics
from sealbook.adapters.observing.metrics_page import MetricsPage
from sealbook.adapters.observing.readiness import tokens_can_be_checked
from sealbook.application.ports import Unavailable

ASKED = Request({"type": "http", "method": "GET", "path": "/readyz", "headers": []})


def test_several_who_ask_at_once_have_it_asked_once() -> None:
    begun, go_on, asked = Event(), Event(), list[int]()

    def slow() -> None:
        asked.append(1)
        begun.set()
        go_on.wait()

    async def work() -> list[int]:
        health = Health([("ledger", slow)], MetricsPage(Metrics()))
        asking = [asyncio.create_task(health.ready(ASKED)) for _ in range(5)]
        await asyncio.to_thread(begun.wait)
        asking[0].cancel()
        go_on.set()
        answers = await asyncio.gather(*asking[1:])
        health.close()
        return [each.status_code for each in answers]

    assert (asyncio.run(work()), asked) == ([200] * 4, [1])


def test_without_keys_for_tokens_it_is_not_ready() -> None:
    def keys() -> object:
        raise Unavailable("the issuer's key set cannot be had")

    async def work() -> tuple[int, object]:
        health = Health((), MetricsPage(Metrics()), [("tokens", tokens_can_be_checked(keys))])
        answer = await health.ready(ASKED)
        health.close()
        return answer.status_code, json.loads(bytes(answer.body))["checks"]

    checks = [{"name": "tokens", "ok": False, "what": "the issuer's key set cannot be had"}]
    assert asyncio.run(work()) == (503, checks)
