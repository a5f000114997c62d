"""When is it best to renew this credential? (domain 4.3b; the idea is RFC 9773's)"""

from dataclasses import dataclass
from datetime import datetime

from sealbook.domain import renewal
from sealbook.domain.policy import PolicyBook
from sealbook.projections.moment import Moment
from sealbook.projections.renewal_eligibility import AutoRenewal, auto_renewal


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalWindow:
    """From `start` until `end`, exclusive, a use or a request renews. A window that has passed means: at once."""

    start: datetime
    end: datetime


def renewal_window(moment: Moment, policies: PolicyBook) -> RenewalWindow | None:
    """Answer for a moment; None where nothing that the holder does renews.

    What stands in the way for now, a suspension or an objection, changes nothing: it can be lifted.
    """
    credential = moment.credential
    if credential is None:
        return None
    policy, term = policies.policy(credential.policy), credential.term
    on_request = renewal.request_window(policy, term)
    if on_request is not None:
        open_to_it = not credential.ended_at(moment.as_of) and renewal.renewals_left(policy, term)
        return RenewalWindow(start=on_request[0], end=on_request[1]) if open_to_it else None
    status, _ = auto_renewal(credential, policy, moment.as_of)
    start, end = term.bounds.eligible_from, term.bounds.expires_at
    if status is AutoRenewal.NOT_APPLICABLE or start is None or end is None:
        return None
    return RenewalWindow(start=start, end=end)
