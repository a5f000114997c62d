"""Who may do what: the table is whole, docs/access.md tells it, and what a role alone does not settle is settled."""

import re
from pathlib import Path
from types import UnionType
from typing import Any, get_args
from uuid import UUID

import pytest

from sealbook.adapters.http.access import (
    FOUR_EYES,
    MAY,
    PERSONAL,
    REASON_CHARACTERS_MAX,
    VOUCHED,
    Action,
    Caller,
    Denial,
    Forbidden,
    Role,
    permit,
    reason_to_record,
    require,
    require_no_vouching,
    require_second_person,
)
from sealbook.application import commands, requests
from sealbook.application.names import Name, NameKind
from tests.test_docs import ROOT, Row, rows

STAFF = [role for role in Role if role is not Role.APP]
READS = {action for action in Action if action.name.startswith("READ_")}


def caller(*roles: Role, subject: str = "someone", customer: str | None = None) -> Caller:
    return Caller(subject=subject, roles=frozenset(roles), customer=customer)


def denial(ask: Any, *args: Any, **more: Any) -> Denial | None:
    try:
        ask(*args, **more)
    except Forbidden as refused:
        return refused.denial
    return None


# --- The table


def test_every_action_is_somebodys() -> None:
    assert set(MAY) == set(Action)
    assert all(MAY.values())


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_table_says(role: Role, action: Action) -> None:
    assert denial(permit, caller(role), action) is (None if role in MAY[action] else Denial.ROLE)
    assert denial(require, caller(role), *MAY[action]) is (None if role in MAY[action] else Denial.ROLE)


def test_nobody_in_particular_may_do_nothing() -> None:
    assert {denial(permit, caller(), action) for action in Action} == {Denial.ROLE}


def test_the_rules_that_the_table_keeps() -> None:
    def may(role: Role) -> set[Action]:
        return {action for action, roles in MAY.items() if role in roles}

    assert may(Role.AUDITOR) == READS, "an auditor reads all, and changes nothing"
    assert not may(Role.ANALYST) & PERSONAL, "an analyst sees no person"
    assert may(Role.APP) - READS <= may(Role.TELLER), "what the holder does, can be done at the counter"
    vouches_for_itself = {Action.TAKE_STEP, Action.COMPLETE_APPLICATION, Action.CHARGE_FEE} & may(Role.APP)
    assert not vouches_for_itself, "an app does not say itself that a phone was checked or a fee was paid"
    assert not may(Role.APP) & {Action.ISSUE, Action.UNLOCK, Action.SET_SECRET, Action.WAIVE_FEE, *FOUR_EYES}
    assert may(Role.CALL_CENTER) - READS == {
        Action.REPORT_LOSS,
        Action.SUSPEND,
        Action.SIGNAL_CLONE,
        Action.ESCALATE,
        Action.RETRY_STEP,
    }
    assert not may(Role.ADMINISTRATOR) & (may(Role.APP) - READS), "who runs the service is no holder"
    assert may(Role.APP) >= VOUCHED


WRITES_OF: dict[str, Action | None] = {
    "EnrollCustomer": Action.ENROLL_CUSTOMER,
    "AddCompanyUser": Action.CHANGE_COMPANY_USERS,
    "RemoveCompanyUser": Action.CHANGE_COMPANY_USERS,
    "ChangeRole": Action.CHANGE_COMPANY_USERS,
    "OnTransaction": Action.PROPOSE_TRANSACTION,
    "CloseCustomer": Action.CLOSE_CUSTOMER,
    "EraseCustomer": Action.ERASE_CUSTOMER,
    "customer.JoinService": Action.CHANGE_SERVICES,
    "customer.LeaveService": Action.CHANGE_SERVICES,
    "customer.ChangeContact": Action.CHANGE_CONTACT,
    "customer.ChangeName": Action.CHANGE_NAME,
    "customer.Restrict": Action.RESTRICT,
    "customer.LiftRestriction": Action.RESTRICT,
    "customer.RecordDeath": Action.RECORD_DEATH,
    "customer.PlaceLegalHold": Action.HOLD_FOR_LAW,
    "customer.LiftLegalHold": Action.HOLD_FOR_LAW,
    "customer.Erase": Action.ERASE_CUSTOMER,
    "customer.ViewRecord": None,  # the service writes it, for a reader
    "RegisterDevice": Action.REGISTER_DEVICE,
    "ReleaseDevice": Action.RELEASE_DEVICE,
    "ReportLoss": Action.REPORT_LOSS,
    "RecoverDevice": Action.RECOVER_DEVICE,
    "ReplaceDevice": Action.REPLACE_DEVICE,
    "device.UpdateApp": Action.UPDATE_DEVICE,
    "device.UpdateOs": Action.UPDATE_DEVICE,
    "device.ObserveLockScreen": Action.UPDATE_DEVICE,
    "device.ObserveIntegrity": Action.UPDATE_DEVICE,
    "device.OfferHandover": Action.OFFER_HANDOVER,
    "device.Retire": Action.RETIRE_DEVICE,
    "ApplyForCredential": Action.APPLY,
    "VerifyPhone": Action.TAKE_STEP,
    "CompleteApplication": Action.COMPLETE_APPLICATION,
    "IssueCredential": Action.ISSUE,
    "credential.CaptureId": Action.TAKE_STEP,
    "credential.ConfirmId": Action.TAKE_STEP,
    "credential.VerifyAccount": Action.TAKE_STEP,
    "credential.ChargeFee": Action.CHARGE_FEE,
    "credential.WaiveFee": Action.WAIVE_FEE,
    "credential.RetryStep": Action.RETRY_STEP,
    "credential.Escalate": Action.ESCALATE,
    "credential.Abandon": Action.ABANDON_APPLICATION,
    "credential.Reject": Action.REJECT_APPLICATION,
    "LinkId": Action.LINK,
    "UnlinkId": Action.LINK,
    "LinkService": Action.LINK,
    "EraseCredential": Action.ERASE_CREDENTIAL,
    "credential.Use": Action.USE,
    "credential.RecordRefusal": None,
    "credential.RequestRenewal": Action.RENEW,
    "credential.ObjectToRenewal": Action.RENEW,
    "credential.ConsentToRenewal": Action.RENEW,
    "credential.SwitchPolicy": Action.SWITCH_POLICY,
    "credential.Settle": None,
    "credential.Suspend": Action.SUSPEND,
    "credential.Resume": Action.RESUME,
    "credential.Revoke": Action.REVOKE,
    "credential.Unlock": Action.UNLOCK,
    "credential.RecordLock": None,
    "credential.Resynchronize": Action.RESYNCHRONIZE,
    "credential.ObserveRenewal": None,
    "credential.ObserveExpiry": None,
    "credential.SetUnlockMethod": Action.SET_UNLOCK_METHOD,
    "credential.RemoveUnlockMethod": Action.SET_UNLOCK_METHOD,
    "credential.ReportUnlockFailure": Action.SET_UNLOCK_METHOD,
    "credential.SendExpiryNotice": None,
    "credential.SendRenewalNotice": None,
    "credential.SignalClone": Action.SIGNAL_CLONE,
    "credential.SetSecret": Action.SET_SECRET,
    "credential.UnlinkService": Action.LINK,
    "credential.RequireReset": Action.RESET,
    "credential.CompleteReset": Action.COMPLETE_RESET,
    "policy.Announce": Action.CHANGE_POLICIES,
    "policy.Adopt": Action.CHANGE_POLICIES,
    "policy.Withdraw": Action.CHANGE_POLICIES,
    "OnLedger": None,  # the ledger's own record of itself
    "AdoptIssued": None,  # an import reads files, not requests
    "AdoptFact": None,
    "AdoptAttempt": None,
}
"""By every command of the domain, the action that a caller needs for it."""
ENVELOPES = {"OnCustomer", "OnDevice", "OnApplication", "OnCredential", "OnPolicy"}


def named(union: Any, before: str = "") -> set[str]:
    members = get_args(union) if isinstance(union, UnionType) else (union,)
    return {before + each.__name__ for each in members}


def test_every_command_of_the_domain_is_an_action() -> None:
    known = (
        named(commands.Request) - ENVELOPES
        | named(requests.OwnOfCustomer, "customer.")
        | named(requests.OwnOfDevice, "device.")
        | named(requests.OwnOfApplication, "credential.")
        | named(requests.OwnOfCredential, "credential.")
        | named(requests.OwnOfPolicy, "policy.")
    )
    assert known <= set(WRITES_OF)


def test_every_action_that_writes_stands_for_a_command_or_is_the_services_own() -> None:
    own = {
        Action.CHALLENGE,
        Action.CHANGE_WEBHOOKS,
        Action.RUN_WHAT_IF,
    }
    assert set(Action) - READS - own == set(WRITES_OF.values()) - {None}


# --- The document


def told(action: Action, role: Role) -> str:
    if role not in MAY[action]:
        return ""
    if role is Role.APP and MAY[action] != frozenset(Role):
        return "own, no evidence" if action in VOUCHED else "own"
    if action in PERSONAL:
        return "reason"
    return "two" if action in FOUR_EYES else "yes"


@pytest.fixture(scope="module")
def document() -> str:
    return Path(ROOT / "docs/access.md").read_text(encoding="utf-8")


def test_the_document_tells_the_table(document: str) -> None:
    found: list[Row] = list(rows(document, "action"))
    assert [each.words("action") for each in found] == [[str(action)] for action in Action]
    for row, action in zip(found, Action, strict=True):
        assert {role: row.cells[f"`{role}`"] for role in Role} == {role: told(action, role) for role in Role}
        assert row.cells["what"]


def test_the_document_tells_the_scopes(document: str) -> None:
    assert re.findall(r"^\| `(\w+)` \| (?!.*\|.*\|)", document, re.MULTILINE)[: len(Role)] == list(Role)


# --- What a role does not settle


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        (None, None),
        ("0190a000-0000-7000-8000-000000000001", UUID("0190a000-0000-7000-8000-000000000001")),
        ("C1", Name(NameKind.CUSTOMER, "C1")),
        ("name:C1", Name(NameKind.CUSTOMER, "C1")),
        (
            "name:0190a000-0000-7000-8000-000000000001",
            Name(NameKind.CUSTOMER, "0190a000-0000-7000-8000-000000000001"),
        ),
    ],
)
def test_a_token_names_its_customer_by_id_or_name(text: str | None, ref: UUID | Name | None) -> None:
    assert caller(Role.APP, customer=text).own == ref


def test_an_app_vouches_for_no_identification() -> None:
    app, teller = caller(Role.APP), caller(Role.TELLER)
    for action in VOUCHED:
        assert denial(require_no_vouching, app, action, "a reference") is Denial.VOUCHING
        assert denial(require_no_vouching, app, action, "") is Denial.VOUCHING
        assert denial(require_no_vouching, app, action, None) is None
        assert denial(require_no_vouching, teller, action, "a reference") is None
    assert denial(require_no_vouching, app, Action.RENEW, "signed by the holder") is None


def test_two_administrators_are_two_persons() -> None:
    one = caller(Role.ADMINISTRATOR, subject="one")
    assert denial(require_second_person, one, asked_by="other") is None
    assert denial(require_second_person, one, asked_by="one") is Denial.FOUR_EYES


@pytest.mark.parametrize("action", sorted(PERSONAL))
@pytest.mark.parametrize("role", STAFF)
def test_the_staff_says_why_it_looks_at_a_person(role: Role, action: Action) -> None:
    assert reason_to_record(caller(role), action, " complaint 7 ") == "complaint 7"
    for bad in (None, "", "  ", "x" * (REASON_CHARACTERS_MAX + 1), "two\nlines", "\x1b[31m", "\ud800", "\u202e"):
        assert denial(reason_to_record, caller(role), action, bad) is Denial.REASON


def test_of_an_app_and_of_what_is_no_persons_nothing_is_recorded() -> None:
    assert reason_to_record(caller(Role.APP), Action.READ_CREDENTIAL, None) is None
    assert reason_to_record(caller(Role.ANALYST), Action.READ_REPORTS, None) is None
    assert reason_to_record(caller(Role.TELLER), Action.USE, None) is None
