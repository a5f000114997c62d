"""Reports read back: what was asked, to be asked again, and where two reports differ."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from sealbook.adapters.history_files import BadFile, policy_of
from sealbook.adapters.replay.plan import Asked
from sealbook.adapters.replay.report import SCHEMA


def read_report(path: Path) -> dict[str, Any]:
    """Return a report that was written. Raises BadFile."""
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadFile(f"{path}: {(error.strerror or 'cannot be read').lower()}") from error
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path}: not a report of whatif run") from error
    if not isinstance(document, dict) or "made_of" not in document or "asked" not in document:
        raise BadFile(f"{path}: not a report of whatif run")
    held = cast("dict[str, Any]", document)
    if held.get("schema") != SCHEMA:
        raise BadFile(f"{path}: a report of schema {held.get('schema')}, this version reads {SCHEMA}")
    return held


def asked_again(document: dict[str, Any], *, where: Path) -> Asked:
    """Return what a report was asked. Raises BadFile."""
    try:
        asked, labels = document["asked"], [str(each["label"]) for each in document["policies"]]
        documents = [
            policy_of(each, where=f"{where}: {label}") for each, label in zip(asked["policies"], labels, strict=True)
        ]
        return Asked(
            policies=dict(zip(labels, documents, strict=True)),
            in_force=asked["in_force"],
            sample=None if asked["sample"] is None else Fraction(str(asked["sample"])),
            seed=int(asked["seed"]),
            exposed_after_days=int(asked["exposed_after_days"]),
            engine=str(asked["engine"]),
            fees=asked["fees"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(f"{where}: what it was asked cannot be read") from error


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
