"""Refusals: the ledger understood the request and the rules say no.

A code is public and permanent: it stands in answers, in `credential.use_refused` events and in
the documentation, and is never renamed or given another meaning.
"""

from enum import StrEnum


class Refusal(StrEnum):
    """Why the rules said no. The value is the permanent public code."""

    ALREADY_FINAL = "already_final"
    """A revoked or finally lapsed credential admits no further change."""
    ALREADY_HELD = "already_held"
    """The person has a live credential of this kind."""
    ALREADY_ISSUED = "already_issued"
    """A credential is issued once."""
    BACK_IN_TIME = "back_in_time"
    """The command speaks of a moment before the credential was issued."""
    COMMAND_ID_REUSED = "command_id_reused"
    """The command id was used before with other content."""
    CUSTOMER_STATE = "customer_state"
    """The customer is not enrolled."""
    DEVICE_SLOT = "device_slot"
    """The person has as many bound devices as the kind allows."""
    DEVICE_STATE = "device_state"
    """The device is not registered."""
    DEVICE_TAKEN = "device_taken"
    """The device is bound to another person, or its key to another device."""
    DUPLICATE = "duplicate"
    """The identity is enrolled, or the name taken, already."""
    EXPIRED = "expired"
    """The credential's validity had ended at that moment."""
    NOT_ELIGIBLE = "not_eligible"
    """The policy does not concern this kind of credential or of holder."""
    NOT_FOUND = "not_found"
    """Nothing of that name or id is in the ledger."""
    NOT_ISSUED = "not_issued"
    """The credential has not been issued."""
    NO_POLICY = "no_policy"
    """No such policy version is in force."""
    POLICY_NOTICE = "policy_notice"
    """A policy must be announced a month before it takes effect, unless a law forces it."""
    POLICY_VERSION = "policy_version"
    """The policy version exists with other content, or is not above the last one."""
    RENEWALS_EXHAUSTED = "renewals_exhausted"
    """The policy allows no further renewal."""
    REPORTED = "reported"
    """Another system refused the use; its reason is not known here."""
    REVOKED = "revoked"
    """The credential was revoked."""
    SUSPENDED = "suspended"
    """The credential is suspended."""
    WINDOW = "window"
    """The policy does not renew on request at that moment."""
    WRONG_DEVICE = "wrong_device"
    """The use did not come from the bound device."""


class Refused(Exception):
    """The rules say no. Nothing was recorded, unless the refusal itself is evidence.

    `code` is permanent; `message` says in one line what to do about it and holds no personal data.
    """

    def __init__(self, code: Refusal, message: str) -> None:
        super().__init__(f"{message} [{code}]")
        self.code = code
        self.message = message
