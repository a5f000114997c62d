"""Policies as whole numbers for compiled code: a row each, and what classes of uses qualify."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sealbook.adapters.replay.calendar_tables import CODES
from sealbook.adapters.replay.contract import UseClasses
from sealbook.adapters.replay.moments import SEOUL
from sealbook.domain.calendar import Period
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.renewal import qualifies

NONE = -1
"""The months of a period that a policy does not have."""
UNLIMITED = 2**31

ON_USE, ON_EXPIRY, ON_REQUEST, ON_NEVER = 0, 1, 2, 3
RENEW_ON = {"use": ON_USE, "expiry": ON_EXPIRY, "request": ON_REQUEST, "never": ON_NEVER}
SINCE_ELIGIBLE, SINCE_PERIOD, LOOK_BACK = 0, 1, 2
NO_CLASS, EVERY_CLASS, SOME_CLASSES = 0, 1, 2

CALENDAR, RENEWS_ON, MIN_USES, SINCE, FROM_EXPIRY, MAX_RENEWALS, COUNTING = range(7)
"""The columns of a row; a period has two, its months and its days. COUNTING: which classes qualify."""
VALIDITY, RENEWAL_VALIDITY, ELIGIBLE, LOOKING_BACK, GRACE, WINDOW = range(7, 19, 2)
COLUMNS = 19


class Terms(NamedTuple):
    """Policies by row. `counts` tells by row and class of use whether one of the class qualifies."""

    rows: NDArray[np.int64]
    counts: NDArray[np.bool_]


def terms_of(policies: Sequence[RenewalPolicy], classes: UseClasses) -> Terms:
    """Return the numbers of policies, in their order."""
    counts = np.array([counting(policy, classes) for policy in policies], np.bool_).reshape(-1, len(classes.of))
    rows = np.array([_row(policy) for policy in policies], np.int64).reshape(-1, COLUMNS)
    rows[:, COUNTING] = np.select([~counts.any(axis=1), counts.all(axis=1)], [NO_CLASS, EVERY_CLASS], SOME_CLASSES)
    return Terms(rows, counts)


def counting(policy: RenewalPolicy, classes: UseClasses) -> list[bool]:
    """Tell by class whether the policy counts a use of it."""
    return [qualifies(policy, channel=channel, purpose=purpose) for channel, purpose in classes.of]


def beyond_numbers(policy: RenewalPolicy) -> str | None:
    """Return the field of a policy that no compiled engine can do, None if there is none."""
    if policy.zone != SEOUL:
        return "zone"
    return "reissue_validity" if policy.reissue_validity != "fresh" else None


def _row(policy: RenewalPolicy) -> list[int]:
    look_back = policy.usage_since if isinstance(policy.usage_since, Period) else None
    since = LOOK_BACK if look_back else SINCE_PERIOD if policy.usage_since == "period" else SINCE_ELIGIBLE
    periods = (
        policy.validity,
        policy.validity_of_renewal,
        policy.eligible_after,
        look_back,
        policy.grace,
        policy.request_window,
    )
    return [
        CODES[policy.calendar],
        RENEW_ON[policy.renew_on],
        policy.min_uses,
        since,
        int(policy.extend_from == "expiry"),
        UNLIMITED if policy.max_renewals is None else policy.max_renewals,
        NO_CLASS,
        *(number for period in periods for number in _numbers(period)),
    ]


def _numbers(period: Period | None) -> tuple[int, int]:
    return (NONE, 0) if period is None else (period.months, period.days)
