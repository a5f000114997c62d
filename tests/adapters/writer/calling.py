"""A process with many callers of the writer process, for the tests of both.

Each caller sends the uses of its own script, one after the other, and says each as soon as it is answered:
`caller command@position repeated`, a line a use. One whose use has no answer stops there.
"""

import asyncio
import os
import sys
from pathlib import Path
from time import monotonic

from sealbook.adapters.writer.remote import RemoteWriter
from sealbook.application.ports import OutcomeUnknown, Unavailable
from tests.system.gathering import script_of

CALLERS = 50


async def call(writer: RemoteWriter, number: int, caller: int, end_at: float) -> None:
    commands = script_of(number, caller)
    while monotonic() < end_at:
        command = next(commands)
        try:
            answered = await writer.submit(command)
        except (Unavailable, OutcomeUnknown):
            return
        # Past the buffer: what was said must be heard whatever becomes of this process.
        os.write(1, f"{caller} {command.command_id}@{answered.position} {int(answered.repeated)}\n".encode())


async def gather(socket: Path, number: int, seconds: float, patience_seconds: float) -> None:
    async with RemoteWriter(socket, patience_seconds=patience_seconds) as writer:
        os.write(1, b"ready\n")
        await asyncio.to_thread(sys.stdin.readline)
        end_at = monotonic() + seconds
        await asyncio.gather(*(call(writer, number, caller, end_at) for caller in range(CALLERS)))


if __name__ == "__main__":
    asyncio.run(gather(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
