"""Notices: what the holder is told before an end or a renewal, and what the holder says to it.

The enforcement decree of the Electronic Financial Transactions Act, article 6(1), asks for a notice at
least a month before a renewal that nobody applied for; without a use in the six months before, for
written consent (domain section 2).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from sealbook.domain.credential.standing import Credential, check_unlapsed
from sealbook.domain.evidence import check_evidence
from sealbook.domain.records import replace
from sealbook.domain.values import EventType

# --- Events


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryNoticeSent:
    """`lead` is how long before the end it was due, such as P30D."""

    stored: ClassVar = EventType("credential.expiry_notice_sent", 1)

    at: datetime
    expires_at: datetime
    lead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalNoticeSent:
    """`planned_at` is from when on the credential may renew by itself."""

    stored: ClassVar = EventType("credential.renewal_notice_sent", 1)

    at: datetime
    planned_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalConsentGiven:
    stored: ClassVar = EventType("credential.renewal_consent_given", 1)

    at: datetime
    evidence: str


Event = ExpiryNoticeSent | RenewalNoticeSent | RenewalConsentGiven


# --- Commands


@dataclass(frozen=True, slots=True, kw_only=True)
class SendExpiryNotice:
    at: datetime
    lead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRenewalNotice:
    at: datetime
    planned_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentToRenewal:
    """`evidence` refers to the holder's written or signed consent."""

    at: datetime
    evidence: str | None


Command = SendExpiryNotice | SendRenewalNotice | ConsentToRenewal


# --- Evolve


def evolve(state: Credential, event: Event) -> Credential:
    term = state.term
    match event:
        case ExpiryNoticeSent(lead=lead):
            return replace(state, term=replace(term, notices=(*term.notices, lead)))
        case RenewalNoticeSent(at=at):
            return replace(state, term=replace(term, notified_at=at))
        case RenewalConsentGiven():
            return replace(state, term=replace(term, consented=True))
        case _:
            assert_never(event)


# --- Decide


def decide(state: Credential, command: Command) -> tuple[Event, ...]:
    """Answer; one notice of a kind in a period."""
    check_unlapsed(state, command.at)
    match command:
        case SendExpiryNotice(at=at, lead=lead):
            end = state.expires_at
            told = lead in state.term.notices
            return () if end is None or told else (ExpiryNoticeSent(at=at, expires_at=end, lead=lead),)
        case SendRenewalNotice(at=at, planned_at=planned_at):
            told = state.term.notified_at is not None
            return () if told else (RenewalNoticeSent(at=at, planned_at=planned_at),)
        case ConsentToRenewal(at=at, evidence=evidence):
            return () if state.term.consented else (RenewalConsentGiven(at=at, evidence=check_evidence(evidence)),)
        case _:
            assert_never(command)
