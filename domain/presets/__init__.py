"""Policies and kinds that the package brings, as documents with their sources."""

import json
import tomllib
from functools import cache
from importlib.resources import files

from sealbook.domain.kind_document import BankDocument, KindBook, KindDocument
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import Kind

DEFAULT_POLICY = "D"


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
def preset_kinds() -> KindBook:
    """Return the kinds of credential that the package brings. Their sources stand in their TOML files."""
    documents = (KindDocument.model_validate(tomllib.loads(_text(f"{kind}.toml"))) for kind in Kind)
    return KindBook(
        kinds={document.kind: document for document in documents},
        bank=BankDocument.model_validate(tomllib.loads(_text("bank.toml"))),
    )


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
