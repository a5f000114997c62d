"""The event loop of the processes that serve."""

import asyncio


def event_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop, of the kind that does the most in a second."""
    # Here: a program that only asks for one need not have it.
    import uvloop

    return uvloop.new_event_loop()
