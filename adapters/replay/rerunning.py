"""Reports read back: what was asked, to be asked again, and where two reports differ."""

import json
from fractions import Fraction
from pathlib import Path
from reprlib import repr as shortened
from typing import Annotated, Any, cast

import msgspec

from sealbook.adapters.history_files import BadFile, policy_of
from sealbook.adapters.replay.plan import ENGINES, Asked
from sealbook.adapters.replay.report import SCHEMA
from sealbook.domain.calendar import PERIOD_YEARS_MAX


def read_report(path: Path) -> dict[str, Any]:
    """Return a report that was written. Raises BadFile."""
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path}: not a report of whatif run") from error
    held = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    sorts = {"schema": int, "sealbook": str, "made_of": dict, "asked": dict, "policies": list}
    wrong = [name for name, sort in sorts.items() if type(held.get(name)) is not sort]
    if "schema" not in wrong and held["schema"] != SCHEMA:
        raise BadFile(f"{path}: a report of schema {shortened(held['schema'])}, this version reads {SCHEMA}")
    if wrong:
        raise BadFile(f"{path}: not a report of whatif run: {wrong[0]} is missing, or not what it is in one")
    return held


def asked_again(document: dict[str, Any], *, where: Path) -> Asked:
    """Return what a report was asked, but for the label of the policy in force. Raises BadFile."""
    try:
        return _asked(document, where=where)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise BadFile(f"{where}: what it was asked cannot be read: {error}") from error


def _asked(document: dict[str, Any], *, where: Path) -> Asked:
    asked = msgspec.convert(document["asked"], _Asked)
    labels = [each.label for each in msgspec.convert(document["policies"], list[_Labelled])]
    if asked.engine not in ENGINES:
        raise ValueError(f"there is no engine {shortened(asked.engine)}")
    if not labels or len(labels) != len(set(labels)) or len(labels) != len(asked.policies):
        raise ValueError("it has at least one policy, and each has a label of its own")
    policies = [policy_of(each, where=f"{where}: {label}") for each, label in zip(asked.policies, labels, strict=True)]
    return Asked(
        policies=dict(zip(labels, policies, strict=True)),
        sample=None if asked.sample is None else Fraction(str(asked.sample)),
        seed=asked.seed,
        exposed_after_days=asked.exposed_after_days,
        engine=asked.engine,
        fees=asked.fees,
    )


class _Labelled(msgspec.Struct):
    label: str


class _Asked(msgspec.Struct):
    """What can be asked, each of its sort and in its bounds; what else stands there follows from it."""

    policies: list[object]
    sample: Annotated[float, msgspec.Meta(gt=0, le=1)] | None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    exposed_after_days: Annotated[int, msgspec.Meta(ge=0, le=PERIOD_YEARS_MAX * 366)]
    engine: str
    fees: dict[str, int] | None


def first_difference(one: object, other: object, *, at: str = "") -> str | None:
    """Return where two documents first differ, like policies.0.totals.renewals.low; None where nowhere."""
    mine, theirs = _parts(one), _parts(other)
    if mine is None or theirs is None or type(one) is not type(other):
        return None if type(one) is type(other) and one == other else at or "the whole"
    for key in {**mine, **theirs}:
        inner = f"{at}.{key}".lstrip(".")
        if key not in mine or key not in theirs:
            return inner
        found = first_difference(mine[key], theirs[key], at=inner)
        if found is not None:
            return found
    return None


def _parts(document: object) -> dict[str, object] | None:
    """Return what a document is made of, by name or by number; None for a plain value."""
    if isinstance(document, list):
        return {str(number): each for number, each in enumerate(cast("list[object]", document))}
    return cast("dict[str, object]", document) if isinstance(document, dict) else None
