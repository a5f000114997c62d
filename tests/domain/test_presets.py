"""The policies and kinds that the package brings."""

import json
from importlib.resources import files

import pytest

from sealbook.domain import presets
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import DEFAULT_POLICY, KindDocument, kind_document, preset_meanings, preset_policies
from sealbook.domain.values import Kind
from tests.oracle import PRESETS

ENTRIES: dict[str, dict[str, object]] = json.loads(files(presets).joinpath("policies.json").read_text(encoding="utf-8"))


def test_all_fifteen_are_there() -> None:
    assert len(PRESETS) == 15
    assert preset_policies().keys() == PRESETS.keys()
    assert DEFAULT_POLICY in preset_policies()


@pytest.mark.parametrize("policy_id", PRESETS)
def test_a_preset_is_the_policy_of_the_rules(policy_id: str) -> None:
    written = RenewalPolicy.model_validate_json(json.dumps(PRESETS[policy_id]))

    assert preset_policies()[policy_id] == written
    assert preset_policies()[policy_id].digest == written.digest


@pytest.mark.parametrize("policy_id", PRESETS)
def test_a_preset_says_what_it_means_and_whence_it_comes(policy_id: str) -> None:
    entry = ENTRIES[policy_id]

    assert entry.keys() == {"meaning", "source", "policy"}
    assert preset_meanings()[policy_id] == entry["meaning"]
    assert str(entry["meaning"]).endswith(".")
    assert entry["source"]


def test_a_mobile_certificate_is_on_one_device() -> None:
    assert kind_document(Kind.KB_MOBILE_CERTIFICATE) == KindDocument(
        kind=Kind.KB_MOBILE_CERTIFICATE, devices_per_person_max=1
    )


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.KB_MOBILE_CERTIFICATE])
def test_a_kind_without_a_document_is_not_issued(kind: Kind) -> None:
    with pytest.raises(Refused) as caught:
        kind_document(kind)

    assert caught.value.code is Refusal.NOT_ELIGIBLE
