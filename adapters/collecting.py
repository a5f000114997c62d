"""The garbage collector, told that bulk work makes much and leaves few cycles behind."""

import gc
from collections.abc import Generator
from contextlib import contextmanager

OBJECTS_BETWEEN = 250_000


@contextmanager
def seldom_collected() -> Generator[None]:
    """Let the collector look for cycles after every 250,000 more objects instead of 700.

    What bulk work drops is freed at once by its reference count, so nearly every look is in vain: it costs
    a tenth of the time. What the program has already is not looked at meanwhile.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
