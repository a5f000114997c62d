"""A process that wants to lead: prints when it does, and when it does no more."""

import asyncio
import sys

from sealbook.adapters.serving.leader import Leader


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


async def lead(dsn: str) -> None:
    async def tell(ending: asyncio.Event) -> None:
        say("leads")
        await ending.wait()
        say("leads no more")

    leader = Leader(dsn, again_seconds=0.1, watch_seconds=0.1)
    say("ready")
    await leader.run(asyncio.Event(), tell)


if __name__ == "__main__":
    asyncio.run(lead(sys.argv[1]))
