"""Customers and their devices."""

from datetime import datetime
from typing import Unpack

from sealbook.adapters.client.calls import Call, How, Ref, done, thing
from sealbook.adapters.client.results import Done

CUSTOMERS, DEVICES, CREDENTIALS = "customers", "devices", "credentials"


def enroll(
    name: str | None, *, subkind: str = "individual", identity: str | None = None, **how: Unpack[How]
) -> Call[Done]:
    """Enroll a customer under the bank's own `name`; `identity` is what says that it is the same person."""
    return done("/v1/customers", how, name=name, subkind=subkind, identity=identity)


def join_service(customer: Ref, service: str, **how: Unpack[How]) -> Call[Done]:
    return done(thing(CUSTOMERS, customer, "join-service"), how, service=service)


def leave_service(customer: Ref, service: str, **how: Unpack[How]) -> Call[Done]:
    return done(thing(CUSTOMERS, customer, "leave-service"), how, service=service)


def restrict(customer: Ref, reason: str, **how: Unpack[How]) -> Call[Done]:
    """Restrict a customer: every credential of it is held."""
    return done(thing(CUSTOMERS, customer, "restrict"), how, reason=reason)


def lift_restriction(customer: Ref, **how: Unpack[How]) -> Call[Done]:
    return done(thing(CUSTOMERS, customer, "lift-restriction"), how)


def record_death(customer: Ref, *, evidence: str | None = None, **how: Unpack[How]) -> Call[Done]:
    return done(thing(CUSTOMERS, customer, "record-death"), how, evidence=evidence)


def place_legal_hold(customer: Ref, case: str, **how: Unpack[How]) -> Call[Done]:
    """Let nothing of a customer be erased while a case lasts."""
    return done(thing(CUSTOMERS, customer, "place-legal-hold"), how, case=case)


def lift_legal_hold(customer: Ref, case: str, **how: Unpack[How]) -> Call[Done]:
    return done(thing(CUSTOMERS, customer, "lift-legal-hold"), how, case=case)


def close_customer(customer: Ref, **how: Unpack[How]) -> Call[Done]:
    """End the relationship."""
    return done(thing(CUSTOMERS, customer, "close"), how)


def register_device(
    public_key: str, *, model: str, os_version: str, app_version: str, app_store: str, **how: Unpack[How]
) -> Call[Done]:
    """Register a phone by its public key (base64 of the DER SubjectPublicKeyInfo), with the bank's app on it."""
    app = {"version": app_version, "store": app_store}
    return done("/v1/devices", how, key=public_key, model=model, os_version=os_version, app=app)


def release_device(device: Ref, **how: Unpack[How]) -> Call[Done]:
    """Give a device back."""
    return done(thing(DEVICES, device, "release"), how)


def replace_device(device: Ref, new: Ref, *, evidence: str | None = None, **how: Unpack[How]) -> Call[Done]:
    """Move what is on a device to another one. An app gives no evidence; it hands over instead."""
    return done(thing(DEVICES, device, "replace"), how, new=str(new), evidence=evidence)


def offer_handover(device: Ref, **how: Unpack[How]) -> Call[Done]:
    return done(thing(DEVICES, device, "offer-handover"), how)


def recover_device(device: Ref, *, evidence: str | None = None, **how: Unpack[How]) -> Call[Done]:
    return done(thing(DEVICES, device, "recover"), how, evidence=evidence)


def retire_device(device: Ref, **how: Unpack[How]) -> Call[Done]:
    """Take a device out of service for good."""
    return done(thing(DEVICES, device, "retire"), how)


def report_loss(
    *,
    customer: Ref | None = None,
    device: Ref | None = None,
    credential: Ref | None = None,
    lost_at: datetime | None = None,
    theft: bool = False,
    **how: Unpack[How],
) -> Call[Done]:
    """Report that something is lost: the device, what is on it, all that the customer has. Exactly one is named."""
    told = {CUSTOMERS: customer, DEVICES: device, CREDENTIALS: credential}
    lost = [(of, ref) for of, ref in told.items() if ref is not None]
    if len(lost) != 1:
        raise ValueError("say what is lost: a customer's all, a device, or a credential")
    ((of, ref),) = lost
    return done(thing(of, ref, "report-loss"), how, lost_at=lost_at, theft=theft)
