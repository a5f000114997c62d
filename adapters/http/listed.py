"""What lists there are: a row each, of which its route is made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sealbook.adapters.http.access import Action
from sealbook.adapters.http.moments import moment_parameter
from sealbook.adapters.http.shapes import Schema
from sealbook.adapters.http.targets import Target
from sealbook.application.bank_questions import (
    Answer,
    Asked,
    ask_fees,
    ask_liability,
    ask_links,
    ask_notices,
    ask_policies,
    ask_revocations,
    ask_slots,
    ask_stuck,
    ask_unlawful,
)
from sealbook.application.names import NameKind
from sealbook.projections.device_slots import DeviceSlots
from sealbook.projections.fees import Fees
from sealbook.projections.lawful_renewals import JudgedRenewal
from sealbook.projections.liability import UseAfterLoss
from sealbook.projections.links import Link
from sealbook.projections.notices import Notice
from sealbook.projections.policy_timeline import PolicyVersion
from sealbook.projections.revocations import Revocation
from sealbook.projections.stuck_applications import StuckApplication

ALL, SINCE = "all", "since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What narrows a list: one customer or credential, what changed since, or also what is in order."""

    target: Target | None
    since: datetime | None
    everything: bool

    @property
    def stream(self) -> UUID | None:
        return None if self.target is None else self.target.stream


Question = Callable[[Asked, Filters], Answer[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One list: its address, its question and rows, who may read it, and the names that may narrow it."""

    path: str
    told: str
    question: Question
    row: type
    action: Action = Action.READ_LISTS
    named: str | None = None
    kinds: tuple[NameKind, ...] = ()
    parameters: tuple[Schema, ...] = ()


def _name(name: str, what: str) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"The name or id of {what}: this one alone.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    }


_ALSO_LAWFUL: Schema = {
    "name": ALL,
    "in": "query",
    "required": False,
    "description": "Also those with a basis, and which it is.",
    "schema": {"type": "boolean", "default": False},
}
_OF = (NameKind.CUSTOMER, NameKind.CREDENTIAL)
LISTS: Sequence[Listed] = (
    Listed(
        path="/v1/lists/slots",
        told="Tell who uses how many device slots, of how many.",
        question=lambda asked, filters: ask_slots(asked, filters.stream),
        row=DeviceSlots,
        named="customer",
        kinds=(NameKind.CUSTOMER,),
        parameters=(_name("customer", "a customer"),),
    ),
    Listed(
        path="/v1/lists/links",
        told="List the IDs and services that credentials stand for.",
        question=lambda asked, filters: ask_links(asked, filters.stream),
        row=Link,
        named="of",
        kinds=_OF,
        parameters=(_name("of", "a customer or a credential"),),
    ),
    Listed(
        path="/v1/lists/stuck",
        told="List open applications: the step that each waits at, and how long it has left.",
        question=lambda asked, _: ask_stuck(asked),
        row=StuckApplication,
    ),
    Listed(
        path="/v1/lists/notices",
        told="List notices that are due, and those that were sent.",
        question=lambda asked, _: ask_notices(asked),
        row=Notice,
    ),
    Listed(
        path="/v1/lists/fees",
        told="Sum up fees by kind and version of the schedule: charged, failed, waived, paid back.",
        question=lambda asked, _: ask_fees(asked),
        row=Fees,
        action=Action.READ_REPORTS,
    ),
    Listed(
        path="/v1/lists/liability",
        told="List uses after a loss: since its report the bank is liable.",
        question=lambda asked, _: ask_liability(asked),
        row=UseAfterLoss,
    ),
    Listed(
        path="/v1/lists/policies",
        told="List policy versions: made known when, in force when, and what they apply to.",
        question=lambda asked, _: ask_policies(asked),
        row=PolicyVersion,
        action=Action.READ_REPORTS,
    ),
    Listed(
        path="/v1/lists/unlawful-renewals",
        told="List automatic renewals without the notice or consent that the enforcement decree 6(1) asks for.",
        question=lambda asked, filters: ask_unlawful(asked, all_renewals=filters.everything),
        row=JudgedRenewal,
        parameters=(_ALSO_LAWFUL,),
    ),
    Listed(
        path="/v1/lists/revocations",
        told="List the credentials that are revoked or held, with the reason codes of RFC 5280.",
        question=lambda asked, filters: ask_revocations(asked, since=filters.since),
        row=Revocation,
        parameters=(moment_parameter(SINCE),),
    ),
)
