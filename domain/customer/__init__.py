"""Customer: a person or company that the bank knows, cut by stage of the relationship.

| Stage | Module | Rules |
|---|---|---|
| enrollment, services, contact, name | `relationship` | R06, R09, R16, 5.3 |
| credentials, device slots, linked IDs | `holdings` | R16, R25, R44, R53 |
| users and roles of a company, four eyes | `company` | R11, 5.3 |
| restriction, death, closure, erasure | `ending` | 5.3 |
| looks of the staff | `access` | 2 |

* What another command's guard reads stands here, so that two concurrent ones cannot both pass.
* A customer has at most as many bound devices as its kind of credential allows (domain rule R25).
* Personal or corporate is settled at enrollment and never changes (domain rule R09).
"""

from collections.abc import Iterable
from functools import reduce

from sealbook.domain.customer import access, company, ending, holdings, relationship
from sealbook.domain.customer.access import RecordViewed, ViewRecord
from sealbook.domain.customer.company import (
    AddUser,
    ApproveTransaction,
    GrantRole,
    ProposeTransaction,
    RemoveRole,
    RemoveUser,
    RoleGranted,
    RoleRemoved,
    TransactionApproved,
    TransactionProposed,
    UserAdded,
    UserRemoved,
)
from sealbook.domain.customer.ending import (
    Close,
    CustomerClosed,
    CustomerDeceased,
    CustomerRestricted,
    Erase,
    LegalHoldLifted,
    LegalHoldPlaced,
    LiftLegalHold,
    LiftRestriction,
    PersonalDataErased,
    PlaceLegalHold,
    RecordDeath,
    Restrict,
    RestrictionLifted,
)
from sealbook.domain.customer.holdings import (
    AdoptCredential,
    CloseCredential,
    CredentialClosed,
    CredentialOpened,
    DeviceSlotReleased,
    DeviceSlotTaken,
    IdReleased,
    IdTaken,
    OpenCredential,
    ReleaseDeviceSlot,
    ReleaseId,
    TakeDeviceSlot,
    TakeId,
    check_eligible,
)
from sealbook.domain.customer.relationship import (
    ChangeContact,
    ChangeName,
    ContactChanged,
    Enroll,
    Enrolled,
    JoinService,
    LeaveService,
    NameChanged,
    ServiceJoined,
    ServiceLeft,
)
from sealbook.domain.customer.standing import CompanyUser, Customer, Proposal, State, active, enrolled, present
from sealbook.domain.kind_document import BankDocument

__all__ = [
    "AddUser",
    "AdoptCredential",
    "ApproveTransaction",
    "ChangeContact",
    "ChangeName",
    "Close",
    "CloseCredential",
    "Command",
    "CompanyUser",
    "ContactChanged",
    "CredentialClosed",
    "CredentialOpened",
    "Customer",
    "CustomerClosed",
    "CustomerDeceased",
    "CustomerRestricted",
    "DeviceSlotReleased",
    "DeviceSlotTaken",
    "Enroll",
    "Enrolled",
    "Erase",
    "Event",
    "GrantRole",
    "IdReleased",
    "IdTaken",
    "JoinService",
    "LeaveService",
    "LegalHoldLifted",
    "LegalHoldPlaced",
    "LiftLegalHold",
    "LiftRestriction",
    "NameChanged",
    "OpenCredential",
    "PersonalDataErased",
    "PlaceLegalHold",
    "Proposal",
    "ProposeTransaction",
    "RecordDeath",
    "RecordViewed",
    "ReleaseDeviceSlot",
    "ReleaseId",
    "RemoveRole",
    "RemoveUser",
    "Restrict",
    "RestrictionLifted",
    "RoleGranted",
    "RoleRemoved",
    "ServiceJoined",
    "ServiceLeft",
    "State",
    "TakeDeviceSlot",
    "TakeId",
    "TransactionApproved",
    "TransactionProposed",
    "UserAdded",
    "UserRemoved",
    "ViewRecord",
    "active",
    "check_eligible",
    "decide",
    "enrolled",
    "evolve",
    "fold",
    "present",
]

Event = Enrolled | relationship.Event | holdings.Event | company.Event | ending.Event | access.Event
Command = Enroll | relationship.Command | holdings.Command | company.Command | ending.Command | access.Command


def evolve(state: State, event: Event) -> State:
    """Apply one fact. Raises Refused(customer_state) when a history does not begin with its enrollment."""
    if isinstance(event, Enrolled):
        return relationship.begin(event)
    known = enrolled(state)
    if isinstance(event, holdings.Event):
        return holdings.evolve(known, event)
    if isinstance(event, relationship.Event):
        return relationship.evolve(known, event)
    if isinstance(event, company.Event):
        return company.evolve(known, event)
    if isinstance(event, access.Event):
        return access.evolve(known, event)
    return ending.evolve(known, event)


def fold(history: Iterable[Event], since: State = None) -> State:
    return reduce(evolve, history, since)


def decide(state: State, command: Command, bank: BankDocument) -> tuple[Event, ...]:
    """Answer a command with new facts, nothing (already so), or a refusal."""
    if isinstance(command, Enroll):
        return relationship.enroll(state, command)
    if isinstance(command, holdings.Command):
        return holdings.decide(state, command)
    if isinstance(command, relationship.Command):
        return relationship.decide(state, command)
    if isinstance(command, company.Command):
        return company.decide(state, command)
    if isinstance(command, access.Command):
        return access.decide(state, command)
    return ending.decide(state, command, bank)
