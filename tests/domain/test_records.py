"""Records: a changed copy is a record like any other."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from sealbook.domain.credential import Credential
from sealbook.domain.credential.standing import LinkedId, Links
from sealbook.domain.records import replace
from tests.domain.examples import USE_D, credential_after, issued_under

HELD = credential_after(issued_under(USE_D))
LINKS = Links(ids=(LinkedId(bank_id="id-1", owner=HELD.customer, purpose="own"),))


def test_a_changed_copy_is_what_the_standard_library_makes() -> None:
    changed = replace(HELD, suspended=True, links=LINKS)

    assert changed == dataclasses.replace(HELD, suspended=True, links=LINKS)
    assert type(changed) is Credential
    assert hash(changed) == hash(dataclasses.replace(HELD, suspended=True, links=LINKS))
    assert repr(changed) == repr(dataclasses.replace(HELD, suspended=True, links=LINKS))


def test_the_record_that_is_copied_stays_as_it_was() -> None:
    before = copy.deepcopy(HELD)

    replace(HELD, suspended=True, links=LINKS)

    assert before == HELD


def test_a_changed_copy_is_frozen() -> None:
    changed: Any = replace(HELD, suspended=True)

    with pytest.raises(dataclasses.FrozenInstanceError):
        changed.suspended = False


def test_a_changed_copy_travels_as_any_record_does() -> None:
    changed = replace(HELD, suspended=True)

    assert pickle.loads(pickle.dumps(changed)) == changed  # noqa: S301 (what was pickled in the line itself)


def test_a_record_gains_no_field() -> None:
    unknown: Any = {"colour": "blue"}

    with pytest.raises(AttributeError):
        replace(HELD, **unknown)
