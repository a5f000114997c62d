"""What is typed after whatif run, as a question."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, cast

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

    def files(self) -> list[Path]:
        """Return the files that are named in it."""
        return [*policy_files(self.policies), *(Path(each) for each in self.fees if is_there(each))]


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


def asked_anew(histories: "Histories", report: dict[str, Any], *, where: Path) -> "Asked":
    """Return what a report was asked, as if it were typed about histories. Raises BadInput, BadFile."""
    from sealbook.adapters.replay.rerunning import asked_again

    asked = asked_again(report, where=where)
    if asked.fees is not None:
        _check_fees(asked.fees, histories.kinds, where=f"{where}: asked.fees")
    return replace(asked, in_force=_in_force(histories, asked.policies))


def policies_typed(arguments: Sequence[str]) -> list[RenewalPolicy]:
    """Return the policies that --policy names, each once. Raises BadInput, BadFile."""
    found: dict[str, RenewalPolicy] = {}
    for argument in arguments:
        if not argument.partition("#")[0].strip():
            raise BadInput(f"--policy is {argument!r}: write FILE, FILE#ID or the id of a preset")
        policy = read_policy(argument)
        if policy.digest in found:
            raise BadInput(f"--policy {argument}: {policy.ref} stands twice")
        found[policy.digest] = policy
    return list(found.values())


def policy_files(arguments: Sequence[str]) -> list[Path]:
    """Return the files that --policy names."""
    names = [each.partition("#")[0] for each in arguments]
    return [Path(name) for name in names if name and is_there(name)]


def _policies(histories: "Histories", typed: Typed) -> dict[str, RenewalPolicy]:
    from sealbook.adapters.replay.grid import BadGrid, grid_of, swept

    given = policies_typed(typed.policies)
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
    except ValueError:
        raise BadInput(f"--exposed-after is {shortened(text)}: write days or weeks, like P90D") from None
    if period.months:
        raise BadInput(f"--exposed-after is {text!r}: write days or weeks, like P90D, for no month is a number of days")
    return period.days


def _fees(arguments: Sequence[str], kinds: Sequence[str]) -> dict[str, int]:
    found: dict[str, object] = {}
    for argument in arguments:
        kind, equals, amount = argument.rpartition("=")
        of_file = is_there(argument) or not equals
        found |= _fees_in(Path(argument)) if of_file else {kind: _whole(amount)}
    _check_fees(found, kinds, where="--fees")
    return cast("dict[str, int]", found)


def _check_fees(fees: Mapping[str, object], kinds: Sequence[str], *, where: str) -> None:
    for kind, amount in fees.items():
        if kind not in kinds:
            raise BadInput(f"{where}: no kind {shortened(kind)} in this snapshot: there are {', '.join(kinds)}")
        if not isinstance(amount, int) or isinstance(amount, bool) or not 0 <= amount <= FEE_MAX:
            raise BadInput(f"{where}: {kind} costs {shortened(amount)}: write a whole amount from 0 to {FEE_MAX:,}")


def _whole(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(FEE_MAX)) else text


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
