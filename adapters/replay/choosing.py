"""Which engine replays a policy, when nobody asked for one."""

from collections.abc import Sequence

from sealbook.adapters.replay.bitmap import BitmapEngine
from sealbook.adapters.replay.contract import Engine, UseClasses
from sealbook.adapters.replay.csr import CsrEngine
from sealbook.domain.policy_document import RenewalPolicy


def auto(
    policies: Sequence[RenewalPolicy], *, classes: UseClasses, reference: Engine | None = None, threads: int = 1
) -> list[Engine]:
    """Return the fastest engine that can do each policy; its name says which.

    `reference` does what compiled code cannot. Raises ValueError for a policy that no engine can do.
    """
    compiled: list[Engine] = [
        BitmapEngine(classes=classes, threads=threads),
        CsrEngine(classes=classes, threads=threads),
    ]
    engines = [*compiled, *([] if reference is None else [reference])]
    return [_first_able(engines, policy) for policy in policies]


def _first_able(engines: Sequence[Engine], policy: RenewalPolicy) -> Engine:
    able = next((engine for engine in engines if engine.refuses(policy) is None), None)
    if able is None:
        raise ValueError(f"no engine can do this in policy {policy.ref}: {engines[-1].refuses(policy)}")
    return able
