"""What the administration does: policies, erasures, webhooks."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack
from uuid import UUID

import msgspec

from sealbook.adapters.client.calls import Answer, Call, How, Ref, as_done, as_told, body, command, decoded, look, thing
from sealbook.adapters.client.holders import CREDENTIALS, CUSTOMERS
from sealbook.adapters.client.results import Approval, DeadLetter, Done, Webhook, WebhookSecret

WEBHOOKS = "/v1/webhooks"


# --- Policies


def announce_policy(document: Mapping[str, Any], **how: Unpack[How]) -> Call[Done]:
    """Announce a policy version, as its document has it; it takes effect on its own date."""
    return command("/v1/policies/announce", msgspec.json.encode(document), how, read=as_done(Done))


def withdraw_policy(policy_id: str, version: int, **how: Unpack[How]) -> Call[Done]:
    """Withdraw a version that has not taken effect."""
    return command(thing("policies", policy_id, "withdraw"), body(version=version), how, read=as_done(Done))


# --- Erasures


def ask_to_erase_customer(customer: Ref, basis: str) -> Call[Approval]:
    """Ask for the erasure of a customer's data; what comes back is for another administrator to approve."""
    return _asked(CUSTOMERS, customer, basis)


def ask_to_erase_credential(credential: Ref, basis: str) -> Call[Approval]:
    return _asked(CREDENTIALS, credential, basis)


def approve_erasure(approval: str, **how: Unpack[How]) -> Call[Done]:
    """Approve what another administrator asked for. It is done at once, and for good."""
    return command("/v1/erasures", body(approval=approval), how, read=as_done(Done))


def _asked(of: str, ref: Ref, basis: str) -> Call[Approval]:
    return command(thing(of, ref, "erasures"), body(basis=basis), {}, read=as_told(Approval))


# --- Webhooks


class _Webhooks(msgspec.Struct, frozen=True):
    webhooks: tuple[Webhook, ...]


class _DeadLetters(msgspec.Struct, frozen=True):
    dead_letters: tuple[DeadLetter, ...]


class _Count(msgspec.Struct, frozen=True):
    count: int


def register_webhook(
    url: str, events: Sequence[str], *, after: int | None = None, **how: Unpack[How]
) -> Call[WebhookSecret]:
    """Register a webhook: whole names of events, or beginnings like `credential.`. Its `key` becomes its id.

    It is not sent again when nobody knows whether it was done, for the secret is shown once: see by the key whether
    there is a webhook of this id, and rotate its secret then.
    """
    content = body(url=url, events=list(events), after=after)
    return command(WEBHOOKS, content, how, read=as_told(WebhookSecret), repeatable=False)


def webhooks() -> Call[tuple[Webhook, ...]]:
    return look(WEBHOOKS, {}, read=_webhooks)


def webhook(webhook: UUID) -> Call[Webhook]:
    return look(f"{WEBHOOKS}/{webhook}", {}, read=as_told(Webhook))


def pause_webhook(webhook: UUID) -> Call[Webhook]:
    return command(f"{WEBHOOKS}/{webhook}/pause", b"", {}, read=as_told(Webhook))


def resume_webhook(webhook: UUID) -> Call[Webhook]:
    return command(f"{WEBHOOKS}/{webhook}/resume", b"", {}, read=as_told(Webhook))


def rotate_webhook_secret(webhook: UUID) -> Call[WebhookSecret]:
    """Make a new secret; the old one signs as well for a day. Sent again in doubt, it makes yet another new one."""
    return command(f"{WEBHOOKS}/{webhook}/rotate-secret", b"", {}, read=as_told(WebhookSecret))


def remove_webhook(webhook: UUID) -> Call[None]:
    """Remove a webhook with all that is outstanding of it. A repetition may find none of this id."""
    return Call(method="DELETE", path=f"{WEBHOOKS}/{webhook}", read=lambda _: None)


def dead_letters(webhook: UUID, *, after: int = 0, limit: int = 100) -> Call[tuple[DeadLetter, ...]]:
    """List deliveries that were given up, of positions after one."""
    return look(f"{WEBHOOKS}/{webhook}/dead-letters", {}, read=_dead_letters, asked={"after": after, "limit": limit})


def replay_dead_letters(webhook: UUID, *, position: int | None = None) -> Call[int]:
    """Try a dead letter anew, or all of them; return how many."""
    return command(f"{WEBHOOKS}/{webhook}/replay", body(position=position), {}, read=_count)


def discard_dead_letters(webhook: UUID, *, position: int | None = None) -> Call[int]:
    """Give a dead letter up for good, or all of them; return how many."""
    return command(f"{WEBHOOKS}/{webhook}/discard", body(position=position), {}, read=_count)


def _webhooks(answer: Answer) -> tuple[Webhook, ...]:
    return decoded(_Webhooks, answer.content).webhooks


def _dead_letters(answer: Answer) -> tuple[DeadLetter, ...]:
    return decoded(_DeadLetters, answer.content).dead_letters


def _count(answer: Answer) -> int:
    return decoded(_Count, answer.content).count
