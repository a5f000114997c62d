"""What an automatic renewal must have had (domain 5.4, invariant 4), told without the code that decides it."""

from collections.abc import Sequence
from datetime import datetime

from sealbook.domain.calendar import Period, shift_back
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import AutoRenewed, Credential, Issued, PolicySwitched, Renewed, Used
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import RenewalCause, SwitchMode


def check_renewal(
    before: Credential, event: Event, after: Credential, earlier: Sequence[Event], book: PolicyBook
) -> None:
    """Raise AssertionError for a renewal that nothing earned, or under another policy than the one in force."""
    if isinstance(event, AutoRenewed | Renewed):
        assert event.policy == _policy_of(earlier)
        assert not before.suspended
        assert not before.locked
        assert not before.revoked
        policy = book.policy(event.policy)
        assert policy.max_renewals is None or before.term.renewals < policy.max_renewals
        assert after.term.renewals == before.term.renewals + 1
        _check_taken_over(event, earlier, book)
        if isinstance(event, AutoRenewed):
            assert not before.term.objected
            _check_earned(before, event, earlier, policy)


def _policy_of(earlier: Sequence[Event]) -> object:
    deciding = [event.policy for event in earlier if isinstance(event, Issued | PolicySwitched)]
    return deciding[-1]


def _check_taken_over(event: AutoRenewed | Renewed, earlier: Sequence[Event], book: PolicyBook) -> None:
    """A version that takes over by itself, and took effect since the last one did, would have decided."""
    held = book.policies[event.policy.policy_id]
    since = max(event.at for event in earlier if isinstance(event, Issued | PolicySwitched))
    if isinstance(event, AutoRenewed) and event.cause is RenewalCause.GRACE:
        return  # One that took effect in a grace waits for the renewal that ends it.
    for version in held.announced - held.withdrawn:
        later = held.version(version)
        assert later is not None
        taking_over = later.version > event.policy.version and later.applies_to != "new"
        effect = later.effective_from
        assert not (taking_over and effect is not None and since < effect < event.at)


def _check_earned(before: Credential, event: AutoRenewed, earlier: Sequence[Event], policy: RenewalPolicy) -> None:
    use = earlier[-1]
    if event.cause is RenewalCause.EXPIRY:
        assert policy.renew_on == "expiry"
        assert event.at == before.expires_at
        assert sum(at >= _counted_since(before, policy) for at in _uses(earlier)) >= policy.min_uses
        return
    assert isinstance(use, Used)
    assert (use.at, use.qualifies) == (event.at, True)
    assert use.channel in policy.channels
    if event.cause is RenewalCause.GRACE:
        assert policy.renew_on in ("use", "expiry")
        assert before.lapsed_at is not None
        assert before.lapsed_at <= event.at
        return
    eligible_from = before.term.bounds.eligible_from
    assert policy.renew_on == "use"
    assert eligible_from is not None
    assert eligible_from <= use.at
    assert sum(at >= eligible_from for at in _uses(earlier)) >= policy.min_uses


def _uses(earlier: Sequence[Event]) -> list[datetime]:
    """Return the qualifying uses since the last renewal, or the last switch that begins anew."""
    uses = list[datetime]()
    for event in earlier:
        anew = isinstance(event, PolicySwitched) and event.mode is not SwitchMode.KEEP
        if anew or isinstance(event, AutoRenewed | Renewed):
            uses.clear()
        elif isinstance(event, Used) and event.qualifies:
            uses.append(event.at)
    return uses


def _counted_since(before: Credential, policy: RenewalPolicy) -> datetime:
    bounds = before.term.bounds
    assert bounds.eligible_from is not None
    assert bounds.expires_at is not None
    assert bounds.eligible_from <= bounds.expires_at
    if isinstance(policy.usage_since, Period):
        return shift_back(bounds.expires_at, policy.usage_since, zone_name=policy.zone)
    return bounds.eligible_from if policy.usage_since == "eligible" else bounds.anchor
