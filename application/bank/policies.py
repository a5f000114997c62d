"""Policies: what the bank itself decides over the years, and tells its customers a month before."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sealbook.application.bank.telling import BANK
from sealbook.application.commands import Command
from sealbook.application.requests import OnPolicy, OwnOfPolicy
from sealbook.domain import policy
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import DEFAULT_POLICY, preset_policies

ADOPTED = ("D", "X", "G30", "J1", "F3")
NOTICE = timedelta(days=45)
SECOND_THOUGHTS = timedelta(days=20)


def policy_commands(
    *, earliest: datetime, begins_at: datetime, ends_at: datetime, new_id: Callable[[], UUID]
) -> list[Command]:
    """Return what the bank asks: policies before the first life, a new version of D, and one that it takes back."""

    def told(policy_id: str, command: OwnOfPolicy) -> Command:
        request = OnPolicy(policy_id=policy_id, stream=new_id(), command=command)
        return Command(request=request, command_id=new_id(), actor=BANK.actor, channel=BANK.channel)

    adopted = [told(each, policy.Adopt(at=earliest, document=preset_policies()[each])) for each in ADOPTED]
    span = ends_at - begins_at
    second, third = begins_at + 0.4 * span, begins_at + 0.7 * span
    return [
        *adopted,
        told(DEFAULT_POLICY, policy.Announce(at=second, document=_with_notice(second))),
        told(DEFAULT_POLICY, policy.Announce(at=third, document=_stricter(third))),
        told(DEFAULT_POLICY, policy.Withdraw(at=third + SECOND_THOUGHTS, version=3)),
    ]


def _with_notice(at: datetime) -> RenewalPolicy:
    """As the first version, but the holder is told of a renewal beforehand and may object for twenty days.

    The timers of a demo run once a month: with this lead, a notice still comes a month before.
    """
    return _version(2, at, applies_to="keep", notice_lead="P65D", objection="P20D")


def _stricter(at: datetime) -> RenewalPolicy:
    return _version(3, at, notice_lead="P65D", objection="P20D", min_uses=3)


def _version(number: int, at: datetime, **changed: object) -> RenewalPolicy:
    document = preset_policies()[DEFAULT_POLICY].model_dump()
    dates = {"announced_at": at, "effective_from": at + NOTICE}
    return RenewalPolicy.model_validate({**document, "version": number, **dates, **changed})
