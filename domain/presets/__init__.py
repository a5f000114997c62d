"""Policies and kinds that the package brings, as documents with their sources."""

import json
import tomllib
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import Kind

DEFAULT_POLICY = "D"


class KindDocument(BaseModel):
    """What the bank allows for a kind of credential."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    devices_per_person_max: int = Field(ge=1)


@cache
def preset_policies() -> dict[str, RenewalPolicy]:
    """Return the policies that the package brings, by id. Their sources stand in policies.json."""
    entries = json.loads(_text("policies.json"))
    return {
        policy_id: RenewalPolicy.model_validate_json(json.dumps({"policy_id": policy_id, **entry["policy"]}))
        for policy_id, entry in entries.items()
    }


@cache
def preset_meanings() -> dict[str, str]:
    """Return, by policy id, what a preset says in a sentence."""
    return {policy_id: entry["meaning"] for policy_id, entry in json.loads(_text("policies.json")).items()}


@cache
def kind_document(kind: Kind) -> KindDocument:
    """Return a kind's document. Raises Refused(not_eligible) for a kind that the bank does not issue."""
    try:
        text = _text(f"{kind}.toml")
    except FileNotFoundError:
        raise Refused(Refusal.NOT_ELIGIBLE, f"a {kind} is not issued here: it has no document") from None
    return KindDocument.model_validate(tomllib.loads(text))


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
