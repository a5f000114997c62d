"""What is typed after whatif run, as a question."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sealbook.adapters.cli.session import BadInput
from sealbook.adapters.history_files import is_there, read_policy
from sealbook.adapters.scenarios import TwiceGiven, labelled
from sealbook.domain.calendar import Period
from sealbook.domain.policy_document import RenewalPolicy

if TYPE_CHECKING:
    from sealbook.adapters.replay.plan import Asked, Histories

FEE_MAX = 10**9
NOT_RULES = {"policy_id", "version", "announced_at", "effective_from", "law_forced", "applies_to"}
"""What of a policy says what it is called and how it came, not what it decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed, as it was typed."""

    policies: Sequence[str]
    grid: str | None
    engine: str
    sample: str | None
    seed: int
    exposed_after: str
    fees: Sequence[str]


def asked_of(histories: "Histories", typed: Typed) -> "Asked":
    """Return the question that was typed about histories. Raises BadInput, BadFile."""
    from sealbook.adapters.replay.plan import ENGINES, Asked

    if typed.engine not in ENGINES:
        raise BadInput(f"--engine is {typed.engine!r}: there are {', '.join(ENGINES)}")
    if not typed.policies and typed.grid is None:
        raise BadInput("nothing is asked: give --policy, --grid, or both")
    policies = _policies(histories, typed)
    return Asked(
        policies=policies,
        in_force=_in_force(histories, policies),
        sample=_sample(typed.sample),
        seed=typed.seed,
        exposed_after_days=_days(typed.exposed_after),
        engine=typed.engine,
        fees=_fees(typed.fees, histories.kinds) if typed.fees else None,
    )


def _policies(histories: "Histories", typed: Typed) -> dict[str, RenewalPolicy]:
    from sealbook.adapters.replay.grid import BadGrid, grid_of, swept

    given = [read_policy(each) for each in typed.policies]
    try:
        policies = labelled(given)
        if typed.grid is None:
            return policies
        grid = grid_of(typed.grid)
        return {**policies, **swept(given[0] if given else _base(histories), grid)}
    except (TwiceGiven, BadGrid) as bad:
        raise BadInput(str(bad)) from None


def _base(histories: "Histories") -> RenewalPolicy:
    if len(histories.policies) != 1:
        known = ", ".join(str(each.ref) for each in histories.policies) or "none"
        raise BadInput(f"--grid needs a base: give one with --policy, for not one policy was in force, but {known}")
    return histories.policies[0]


def _in_force(histories: "Histories", policies: Mapping[str, RenewalPolicy]) -> str | None:
    """Return the label of the policy in force; None where several were, or none is asked about."""
    if len(histories.policies) != 1:
        return None
    rules = _rules(histories.policies[0])
    return next((label for label, each in policies.items() if _rules(each) == rules), None)


def _rules(policy: RenewalPolicy) -> dict[str, object]:
    return {name: value for name, value in policy.model_dump().items() if name not in NOT_RULES}


def _sample(text: str | None) -> Fraction | None:
    from sealbook.adapters.replay.sampling import share_of

    try:
        return None if text is None else share_of(text)
    except ValueError as bad:
        raise BadInput(f"--sample: {bad}") from None


def _days(text: str) -> int:
    try:
        period = Period.parse(text)
    except ValueError as bad:
        raise BadInput(f"--exposed-after: {bad}") from None
    if period.months:
        raise BadInput(f"--exposed-after is {text!r}: write days or weeks, like P90D, for no month is a number of days")
    return period.days


def _fees(arguments: Sequence[str], kinds: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for argument in arguments:
        kind, equals, amount = argument.rpartition("=")
        of_file = is_there(argument) or not equals
        for name, value in _fees_in(Path(argument)).items() if of_file else ((kind, _whole(amount)),):
            if name not in kinds:
                raise BadInput(f"--fees: no kind {name!r} in this snapshot: there are {', '.join(kinds)}")
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= FEE_MAX:
                raise BadInput(f"--fees: {name} costs {value!r}: write a whole amount from 0 to {FEE_MAX:,}")
            found[name] = value
    return found


def _whole(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() else text


def _fees_in(path: Path) -> dict[str, object]:
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"--fees {path}: {(error.strerror or 'cannot be read').lower()}") from None
    except (ValueError, RecursionError):
        raise BadInput(f"--fees {path}: not a JSON document") from None
    if not isinstance(document, dict):
        raise BadInput(f"--fees {path}: write an object of amounts by kind")
    return cast("dict[str, object]", document)
