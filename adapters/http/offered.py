"""What the API offers to do: one row a command, its address and who may; routes are made of the rows.

What is missing here is not for a client: what the clock brings about, what an import observes, a use, whose proof
is checked first, and an erasure, which takes two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sealbook.adapters.http.access import Action
from sealbook.application import requests
from sealbook.application.commands import Request
from sealbook.application.names import NameKind
from sealbook.domain import credential, customer, device

THINGS = {
    NameKind.CUSTOMER: "customers",
    NameKind.DEVICE_KEY: "devices",
    NameKind.CREDENTIAL: "credentials",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A command that can be asked for.

    `target` is the field of `cls` that the address names, None where the command is one of the aggregate's own;
    `creates` the field that gets a new id. `own` are the fields of which an app must be the owner, `unheld`
    those that may be of a device that nobody holds, `hidden` those that are not for a client to say.
    """

    path: str
    of: NameKind
    cls: type
    action: Action
    make: Callable[..., Request]
    target: str | None = None
    creates: str | None = None
    own: tuple[str, ...] = ()
    target_own: bool = True
    unheld: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """Return the fields that a body does not say."""
        return (*(each for each in (self.target, self.creates) if each is not None), *self.hidden)


def _wrapped(of: NameKind, wrapper: Callable[..., Request], field: str) -> Callable[..., Offered]:
    def own(verb: str, cls: Any, action: Action) -> Offered:  # noqa: ANN401 (any command)
        def make(stream: UUID, at: datetime, said: dict[str, Any]) -> Request:
            return wrapper(**{field: stream, "command": cls(at=at, **said)})

        return Offered(path=f"/v1/{THINGS[of]}/{{id}}/{verb}", of=of, cls=cls, action=action, make=make)

    return own


_customer = _wrapped(NameKind.CUSTOMER, requests.OnCustomer, "customer")
_device = _wrapped(NameKind.DEVICE_KEY, requests.OnDevice, "device")
_application = _wrapped(NameKind.CREDENTIAL, requests.OnApplication, "credential")
_credential = _wrapped(NameKind.CREDENTIAL, requests.OnCredential, "credential")


def _on(of: NameKind, verb: str, cls: Any, action: Action, target: str, **more: Any) -> Offered:  # noqa: ANN401
    """Return the row of a request that moves more than one aggregate."""

    def make(stream: UUID, at: datetime, said: dict[str, Any]) -> Request:
        request: Request = cls(at=at, **{target: stream}, **said)
        return request

    path = f"/v1/{THINGS[of]}/{{id}}/{verb}"
    return Offered(path=path, of=of, cls=cls, action=action, make=make, target=target, **more)


def _new(path: str, of: NameKind, cls: Any, action: Action, creates: str, **more: Any) -> Offered:  # noqa: ANN401
    def make(stream: UUID, at: datetime, said: dict[str, Any]) -> Request:
        request: Request = cls(at=at, **{creates: stream}, **said)
        return request

    return Offered(path=path, of=of, cls=cls, action=action, make=make, creates=creates, **more)


CUSTOMERS: Sequence[Offered] = (
    _new("/v1/customers", NameKind.CUSTOMER, requests.EnrollCustomer, Action.ENROLL_CUSTOMER, "customer"),
    _customer("join-service", customer.JoinService, Action.CHANGE_SERVICES),
    _customer("leave-service", customer.LeaveService, Action.CHANGE_SERVICES),
    _customer("change-contact", customer.ChangeContact, Action.CHANGE_CONTACT),
    _customer("change-name", customer.ChangeName, Action.CHANGE_NAME),
    _customer("restrict", customer.Restrict, Action.RESTRICT),
    _customer("lift-restriction", customer.LiftRestriction, Action.RESTRICT),
    _customer("record-death", customer.RecordDeath, Action.RECORD_DEATH),
    _customer("place-legal-hold", customer.PlaceLegalHold, Action.HOLD_FOR_LAW),
    _customer("lift-legal-hold", customer.LiftLegalHold, Action.HOLD_FOR_LAW),
    _on(NameKind.CUSTOMER, "close", requests.CloseCustomer, Action.CLOSE_CUSTOMER, "customer"),
    _on(NameKind.CUSTOMER, "add-user", requests.AddCompanyUser, Action.CHANGE_COMPANY_USERS, "customer"),
    _on(NameKind.CUSTOMER, "remove-user", requests.RemoveCompanyUser, Action.CHANGE_COMPANY_USERS, "customer"),
    _on(NameKind.CUSTOMER, "change-role", requests.ChangeRole, Action.CHANGE_COMPANY_USERS, "customer"),
    # A person acts for a company: the domain knows who may, the token says who it is.
    _on(
        *(NameKind.CUSTOMER, "transactions", requests.OnTransaction, Action.PROPOSE_TRANSACTION, "customer"),
        own=("by",),
        target_own=False,
    ),
    _on(NameKind.CUSTOMER, "report-loss", requests.ReportLoss, Action.REPORT_LOSS, "lost"),
)

DEVICES: Sequence[Offered] = (
    _new("/v1/devices", NameKind.DEVICE_KEY, requests.RegisterDevice, Action.REGISTER_DEVICE, "device"),
    _device("update-app", device.UpdateApp, Action.UPDATE_DEVICE),
    _device("update-os", device.UpdateOs, Action.UPDATE_DEVICE),
    _device("observe-lock-screen", device.ObserveLockScreen, Action.UPDATE_DEVICE),
    _device("observe-integrity", device.ObserveIntegrity, Action.UPDATE_DEVICE),
    _device("offer-handover", device.OfferHandover, Action.OFFER_HANDOVER),
    _device("retire", device.Retire, Action.RETIRE_DEVICE),
    _on(NameKind.DEVICE_KEY, "release", requests.ReleaseDevice, Action.RELEASE_DEVICE, "device"),
    _on(NameKind.DEVICE_KEY, "recover", requests.RecoverDevice, Action.RECOVER_DEVICE, "device"),
    _on(NameKind.DEVICE_KEY, "replace", requests.ReplaceDevice, Action.REPLACE_DEVICE, "old", unheld=("new",)),
    _on(NameKind.DEVICE_KEY, "report-loss", requests.ReportLoss, Action.REPORT_LOSS, "lost"),
)

APPLICATIONS: Sequence[Offered] = (
    _new(
        *("/v1/applications", NameKind.CREDENTIAL, requests.ApplyForCredential, Action.APPLY, "credential"),
        own=("customer", "replaces"),
        unheld=("device",),
    ),
    _on(NameKind.CREDENTIAL, "verify-phone", requests.VerifyPhone, Action.TAKE_STEP, "credential"),
    _application("capture-id", credential.CaptureId, Action.TAKE_STEP),
    _application("confirm-id", credential.ConfirmId, Action.TAKE_STEP),
    _application("verify-account", credential.VerifyAccount, Action.TAKE_STEP),
    _application("charge-application-fee", credential.ChargeFee, Action.CHARGE_FEE),
    _application("waive-application-fee", credential.WaiveFee, Action.WAIVE_FEE),
    _application("retry-step", credential.RetryStep, Action.RETRY_STEP),
    _application("escalate", credential.Escalate, Action.ESCALATE),
    _application("abandon", credential.Abandon, Action.ABANDON_APPLICATION),
    _application("reject", credential.Reject, Action.REJECT_APPLICATION),
    _on(
        *(NameKind.CREDENTIAL, "complete", requests.CompleteApplication, Action.COMPLETE_APPLICATION, "credential"),
        hidden=("with_secret",),
    ),
)

CREDENTIALS: Sequence[Offered] = (
    _credential("request-renewal", credential.RequestRenewal, Action.RENEW),
    _credential("object-to-renewal", credential.ObjectToRenewal, Action.RENEW),
    _credential("consent-to-renewal", credential.ConsentToRenewal, Action.RENEW),
    _credential("charge-renewal-fee", credential.ChargeFee, Action.CHARGE_FEE),
    _credential("waive-renewal-fee", credential.WaiveFee, Action.WAIVE_FEE),
    _credential("switch-policy", credential.SwitchPolicy, Action.SWITCH_POLICY),
    _credential("suspend", credential.Suspend, Action.SUSPEND),
    _credential("resume", credential.Resume, Action.RESUME),
    _credential("revoke", credential.Revoke, Action.REVOKE),
    _credential("unlock", credential.Unlock, Action.UNLOCK),
    _credential("set-unlock-method", credential.SetUnlockMethod, Action.SET_UNLOCK_METHOD),
    _credential("remove-unlock-method", credential.RemoveUnlockMethod, Action.SET_UNLOCK_METHOD),
    _credential("report-unlock-failure", credential.ReportUnlockFailure, Action.SET_UNLOCK_METHOD),
    _credential("signal-clone", credential.SignalClone, Action.SIGNAL_CLONE),
    _credential("require-reset", credential.RequireReset, Action.RESET),
    _credential("complete-reset", credential.CompleteReset, Action.COMPLETE_RESET),
    _credential("unlink-service", credential.UnlinkService, Action.LINK),
    # Whose the ID or the company is, the domain asks: a person links what is its own, or whom it acts for.
    _on(NameKind.CREDENTIAL, "link-id", requests.LinkId, Action.LINK, "credential"),
    _on(NameKind.CREDENTIAL, "unlink-id", requests.UnlinkId, Action.LINK, "credential"),
    _on(NameKind.CREDENTIAL, "link-service", requests.LinkService, Action.LINK, "credential"),
    _on(NameKind.CREDENTIAL, "report-loss", requests.ReportLoss, Action.REPORT_LOSS, "lost"),
)

OFFERED = (*CUSTOMERS, *DEVICES, *APPLICATIONS, *CREDENTIALS)
