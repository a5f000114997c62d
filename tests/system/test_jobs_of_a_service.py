"""A what-if job of a service in processes of its own, whose leader is killed: another service ends it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sealbook.adapters.http.access import Role
from tests.conftest import KeptKeys
from tests.system.service_ledger import Ledger, ledger_in
from tests.system.service_process import ServiceProcess, until

HOLDERS = 20

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def ledger(ledger_dsn: str, kept_keys: KeptKeys, tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(ledger_dsn, kept_keys, tmp_path) as ledger:
        yield ledger


def asked(service: ServiceProcess, ledger: Ledger, method: str, path: str, body: object = None) -> dict[str, Any]:
    said = {"authorization": f"Bearer {ledger.token('analyst-1', role=Role.ANALYST)}"}
    said |= {"idempotency-key": str(uuid4())} if method == "POST" else {}
    url = f"http://127.0.0.1:{service.port}{path}"
    answer = httpx.request(method, url, json=body, headers=said, timeout=60)
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_job_whose_service_was_killed_is_ended_by_the_next(ledger: Ledger) -> None:
    ledger.with_holders(HOLDERS)
    with ServiceProcess(ledger, workers=1) as first:
        job = asked(first, ledger, "POST", "/v1/what-if-jobs", {"policies": ["D", "XC"]})["id"]
        first.kill()
    with ServiceProcess(ledger, workers=1) as second:
        until(lambda: asked(second, ledger, "GET", f"/v1/what-if-jobs/{job}")["state"] == "done")
        result = asked(second, ledger, "GET", f"/v1/what-if-jobs/{job}/result")
    assert result["factual"]["credentials"] == HOLDERS
    assert [each["policy"] for each in result["policies"]] == ["D", "XC"]
