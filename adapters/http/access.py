"""Who may do what: roles, the one table of what each may do, and what a role alone does not settle.

docs/access.md is this table in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sealbook.application.names import Name, NameKind, Ref

REASON_CHARACTERS_MAX = 200
_A_NAME = "name:"


class Role(StrEnum):
    """Whom a token speaks for; the value is its scope."""

    APP = "app"
    TELLER = "teller"
    CALL_CENTER = "call_center"
    AUDITOR = "auditor"
    ANALYST = "analyst"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as a verified token says. `subject` is a reference, and the actor of what the caller does.

    `customer` is what the token calls the one customer that an app acts for. `certificate` is the thumbprint
    (base64url of SHA-256) of the client certificate that the token is bound to, None if it is bound to none.
    """

    subject: str
    roles: frozenset[Role]
    customer: str | None = field(default=None, repr=False)
    certificate: str | None = None

    @property
    def own(self) -> Ref | None:
        """Return the customer that an app acts for, as a reference to look up."""
        if self.customer is None:
            return None
        try:
            return UUID(self.customer)
        except ValueError:
            return Name(NameKind.CUSTOMER, self.customer.removeprefix(_A_NAME))


class Denial(StrEnum):
    """Why a caller who is known may not do it."""

    ROLE = "role"
    OTHER_CUSTOMER = "other_customer"
    REASON = "reason"
    VOUCHING = "vouching"
    FOUR_EYES = "four_eyes"


_SAID: Mapping[Denial, str] = {
    Denial.ROLE: "the token's scope does not permit this: ask for one that does",
    Denial.OTHER_CUSTOMER: "an app acts for its own customer only: nothing of that name or id is this customer's",
    Denial.REASON: f"say why you look at this record, in 1 to {REASON_CHARACTERS_MAX} ASCII characters: case 4711",
    Denial.VOUCHING: "an app cannot vouch for an identification: have it done at the counter",
    Denial.FOUR_EYES: "another administrator than the one who asks has to approve this",
}


class Forbidden(Exception):
    """The caller is known and may not do it. The message repeats nothing that was sent."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(_SAID[denial])
        self.denial = denial


class Action(StrEnum):
    """What the API does. The value is a permanent public name."""

    # At the counter
    ENROLL_CUSTOMER = "customer.enroll"
    CHANGE_NAME = "customer.change_name"
    RECORD_DEATH = "customer.record_death"
    CLOSE_CUSTOMER = "customer.close"
    CHANGE_COMPANY_USERS = "company.change_users"
    RETIRE_DEVICE = "device.retire"
    RECOVER_DEVICE = "device.recover"
    WAIVE_FEE = "fee.waive"
    REJECT_APPLICATION = "application.reject"
    ISSUE = "credential.issue"
    SET_SECRET = "credential.set_secret"  # noqa: S105 (a name)
    UNLOCK = "credential.unlock"
    # By the holder
    CHANGE_CONTACT = "customer.change_contact"
    CHANGE_SERVICES = "customer.change_services"
    PROPOSE_TRANSACTION = "transaction.propose"
    REGISTER_DEVICE = "device.register"
    UPDATE_DEVICE = "device.update"
    OFFER_HANDOVER = "device.offer_handover"
    REPLACE_DEVICE = "device.replace"
    RELEASE_DEVICE = "device.release"
    APPLY = "application.apply"
    TAKE_STEP = "application.take_step"
    COMPLETE_APPLICATION = "application.complete"
    ABANDON_APPLICATION = "application.abandon"
    CHARGE_FEE = "fee.charge"
    CHALLENGE = "credential.challenge"
    USE = "credential.use"
    RESYNCHRONIZE = "credential.resynchronize"
    RESUME = "credential.resume"
    REVOKE = "credential.revoke"
    RESET = "credential.reset"
    COMPLETE_RESET = "credential.complete_reset"
    LINK = "credential.link"
    SET_UNLOCK_METHOD = "credential.set_unlock_method"
    RENEW = "credential.renew"
    # What must be quick, by phone too
    REPORT_LOSS = "loss.report"
    SUSPEND = "credential.suspend"
    SIGNAL_CLONE = "credential.signal_clone"
    ESCALATE = "application.escalate"
    RETRY_STEP = "application.retry_step"
    # By the administration
    RESTRICT = "customer.restrict"
    HOLD_FOR_LAW = "customer.legal_hold"
    ERASE_CUSTOMER = "customer.erase"
    ERASE_CREDENTIAL = "credential.erase"
    SWITCH_POLICY = "credential.switch_policy"
    CHANGE_POLICIES = "policy.change"
    CHANGE_WEBHOOKS = "webhook.change"
    # Reading
    READ_KINDS = "kind.read"
    READ_POLICIES = "policy.read"
    READ_CUSTOMER = "customer.read"
    READ_DEVICE = "device.read"
    READ_CREDENTIAL = "credential.read"
    READ_HISTORY = "history.read"
    READ_RENEWAL_INFO = "renewal_info.read"
    READ_LISTS = "list.read"
    READ_REPORTS = "report.read"
    READ_BUNDLES = "bundle.read"
    READ_CHECKPOINTS = "checkpoint.read"
    READ_TAIL = "tail.read"
    READ_WEBHOOKS = "webhook.read"
    RUN_WHAT_IF = "what_if.run"
    READ_WHAT_IF = "what_if.read"


_COUNTER = frozenset({Role.TELLER})
_BACK_END = frozenset({Role.TELLER})
"""Of the bank's own systems, which speak as a teller: an app must not vouch for its own phone check or payment."""
_HOLDER = frozenset({Role.APP, Role.TELLER})
_SUPPORT = frozenset({Role.TELLER, Role.CALL_CENTER})
_ALARM = frozenset({Role.APP, Role.TELLER, Role.CALL_CENTER})
_OFFICE = frozenset({Role.ADMINISTRATOR})
_RECORDS = frozenset({Role.APP, Role.TELLER, Role.CALL_CENTER, Role.AUDITOR, Role.ADMINISTRATOR})
_OVERSIGHT = frozenset({Role.AUDITOR})
_FIGURES = frozenset({Role.AUDITOR, Role.ANALYST, Role.ADMINISTRATOR})
_OPERATION = frozenset({Role.AUDITOR, Role.ADMINISTRATOR})

MAY: Mapping[Action, frozenset[Role]] = {
    Action.ENROLL_CUSTOMER: _COUNTER,
    Action.CHANGE_NAME: _COUNTER,
    Action.RECORD_DEATH: _COUNTER,
    Action.CLOSE_CUSTOMER: _COUNTER,
    Action.CHANGE_COMPANY_USERS: _COUNTER,
    Action.RETIRE_DEVICE: _COUNTER,
    Action.RECOVER_DEVICE: _COUNTER,
    Action.WAIVE_FEE: _COUNTER,
    Action.REJECT_APPLICATION: _COUNTER,
    Action.ISSUE: _COUNTER,
    Action.SET_SECRET: _COUNTER,
    Action.UNLOCK: _COUNTER,
    Action.CHANGE_CONTACT: _HOLDER,
    Action.CHANGE_SERVICES: _HOLDER,
    Action.PROPOSE_TRANSACTION: _HOLDER,
    Action.REGISTER_DEVICE: _HOLDER,
    Action.UPDATE_DEVICE: _HOLDER,
    Action.OFFER_HANDOVER: _HOLDER,
    Action.REPLACE_DEVICE: _HOLDER,
    Action.RELEASE_DEVICE: _HOLDER,
    Action.APPLY: _HOLDER,
    Action.TAKE_STEP: _BACK_END,
    Action.COMPLETE_APPLICATION: _BACK_END,
    Action.ABANDON_APPLICATION: _HOLDER,
    Action.CHARGE_FEE: _BACK_END,
    Action.CHALLENGE: _HOLDER,
    Action.USE: _HOLDER,
    Action.RESYNCHRONIZE: _HOLDER,
    Action.RESUME: _HOLDER,
    Action.REVOKE: _HOLDER,
    Action.RESET: _HOLDER,
    # It stands on a check of the phone, which the phone itself cannot vouch for.
    Action.COMPLETE_RESET: _BACK_END,
    Action.LINK: _HOLDER,
    Action.SET_UNLOCK_METHOD: _HOLDER,
    Action.RENEW: _HOLDER,
    Action.REPORT_LOSS: _ALARM,
    Action.SUSPEND: _ALARM,
    Action.SIGNAL_CLONE: _ALARM,
    Action.ESCALATE: _ALARM,
    Action.RETRY_STEP: _SUPPORT,
    Action.RESTRICT: _OFFICE,
    Action.HOLD_FOR_LAW: _OFFICE,
    Action.ERASE_CUSTOMER: _OFFICE,
    Action.ERASE_CREDENTIAL: _OFFICE,
    Action.SWITCH_POLICY: _OFFICE,
    Action.CHANGE_POLICIES: _OFFICE,
    Action.CHANGE_WEBHOOKS: _OFFICE,
    Action.READ_KINDS: frozenset(Role),
    Action.READ_POLICIES: frozenset(Role),
    Action.READ_CUSTOMER: _RECORDS,
    Action.READ_DEVICE: _RECORDS,
    Action.READ_CREDENTIAL: _RECORDS,
    Action.READ_HISTORY: _RECORDS,
    Action.READ_RENEWAL_INFO: _RECORDS,
    Action.READ_LISTS: _OVERSIGHT,
    Action.READ_REPORTS: _FIGURES,
    Action.READ_BUNDLES: _OVERSIGHT,
    Action.READ_CHECKPOINTS: _FIGURES,
    Action.READ_TAIL: _OVERSIGHT,
    Action.READ_WEBHOOKS: _OPERATION,
    Action.RUN_WHAT_IF: frozenset({Role.ANALYST}),
    Action.READ_WHAT_IF: frozenset({Role.ANALYST, Role.AUDITOR}),
}
"""The whole of what roles may do. An app may do its actions for its own customer only: `targets` sees to that."""

PERSONAL = frozenset(
    {
        Action.READ_CUSTOMER,
        Action.READ_DEVICE,
        Action.READ_CREDENTIAL,
        Action.READ_HISTORY,
        Action.READ_RENEWAL_INFO,
        Action.READ_LISTS,
        Action.READ_BUNDLES,
        Action.READ_TAIL,
    }
)
"""Looks at what concerns persons: the staff says why, and is recorded."""

VOUCHED = frozenset({Action.RESUME, Action.REPLACE_DEVICE, Action.SET_UNLOCK_METHOD})
"""What an app may do without `evidence` only: there it stands for an identification that it cannot make itself."""

FOUR_EYES = frozenset({Action.ERASE_CUSTOMER, Action.ERASE_CREDENTIAL})
"""What two administrators do: one asks, another approves."""


def require(caller: Caller, *roles: Role) -> None:
    """Raise Forbidden(role) unless the caller has one of the roles."""
    if caller.roles.isdisjoint(roles):
        raise Forbidden(Denial.ROLE)


def permit(caller: Caller, action: Action) -> None:
    """Raise Forbidden(role) unless the caller's role may do it."""
    if caller.roles.isdisjoint(MAY[action]):
        raise Forbidden(Denial.ROLE)
    if Role.APP in caller.roles and len(caller.roles) > 1:
        # An app is held to its customer. With another role beside it, it would not be.
        raise Forbidden(Denial.ROLE)


def acts_as_app(caller: Caller) -> bool:
    """Tell whether the caller is held to one customer. Whoever has no role, or others beside, is, too."""
    return Role.APP in caller.roles or not caller.roles


def require_no_vouching(caller: Caller, action: Action, evidence: str | None) -> None:
    """Raise Forbidden(vouching) if an app gives evidence for what only the counter can vouch for."""
    if evidence is not None and action in VOUCHED and acts_as_app(caller):
        raise Forbidden(Denial.VOUCHING)


def require_second_person(caller: Caller, *, asked_by: str) -> None:
    """Raise Forbidden(four_eyes) unless another than the subject who asked approves."""
    if caller.subject == asked_by:
        raise Forbidden(Denial.FOUR_EYES)


def reason_to_record(caller: Caller, action: Action, reason: str | None) -> str | None:
    """Return why the staff looks at a personal record, to be recorded; None where nothing is to be recorded.

    Raises Forbidden(reason) if there is no reason, or none that is one printable line.
    """
    said = None if reason is None else reason.strip()
    if said is not None and not (0 < len(said) <= REASON_CHARACTERS_MAX and said.isascii() and said.isprintable()):
        raise Forbidden(Denial.REASON)
    if action not in PERSONAL or acts_as_app(caller):
        return None
    if said is None:
        raise Forbidden(Denial.REASON)
    return said
