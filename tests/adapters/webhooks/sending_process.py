"""A sender in a process of its own, which a test kills. It is told the ledger's DSN and the receiver's port."""

import asyncio
import random
import sys
from datetime import UTC, datetime
from ipaddress import ip_network

from sealbook.adapters.webhooks.addresses import Reach
from sealbook.adapters.webhooks.retrying import Patience
from sealbook.adapters.webhooks.sender import WebhookSender
from tests.system.writing import opened


def main(dsn: str, port: str) -> None:
    sender = WebhookSender(
        lambda: opened(dsn),
        clock=lambda: datetime.now(UTC),
        chance=random.random,
        reach=Reach(networks=(ip_network("127.0.0.0/8"),), ports=frozenset({int(port)}), plain_http=True),
        patience=Patience(first_wait_seconds=0.05, longest_wait_seconds=0.1),
    )
    asyncio.run(sender.run(asyncio.Event()))


if __name__ == "__main__":
    main(*sys.argv[1:])
