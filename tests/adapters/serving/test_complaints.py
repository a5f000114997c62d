"""What keeps a leader's tasks from working can be read in the log."""

import asyncio
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from sealbook import service_wiring
from sealbook.adapters.cli.session import OpenLedger
from sealbook.adapters.observing import logs
from sealbook.adapters.serving.task import WebhookReach
from sealbook.domain.presets import preset_kinds

WHY = "the database cannot be reached: it is being shut down"


class Opened:
    """As much of a ledger as is asked for before anything runs."""

    kinds, reach = preset_kinds(), dict[str, Any]()


class Complains:
    """Stands for the sender of webhooks, and for the runner of jobs."""

    def __init__(self, *_given: object, complain: Callable[[str], None], **_named: object) -> None:
        self.complain = complain

    async def run(self, _ending: asyncio.Event) -> None:
        self.complain(WHY)


@pytest.mark.parametrize(("number", "name"), [(1, "WebhookSender"), (2, "JobRunner")])
def test_what_is_complained_of_can_be_read(monkeypatch: pytest.MonkeyPatch, number: int, name: str) -> None:
    said = io.StringIO()
    monkeypatch.setattr(service_wiring, name, Complains)
    leading = getattr(service_wiring, "_leading")  # noqa: B009 (of the module's own)

    logs.configure(said, clock=lambda: datetime.now(UTC))
    tasks = leading(cast("OpenLedger", Opened()), WebhookReach())
    asyncio.run(tasks[number](asyncio.Event()))

    assert WHY in said.getvalue()
