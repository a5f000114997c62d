"""Credentials: from the application or the counter to the end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Unpack

from sealbook.adapters.client.calls import Call, How, Ref, as_done, body, command, done, thing
from sealbook.adapters.client.holders import CREDENTIALS
from sealbook.adapters.client.results import Done, Secret

Attestation = Mapping[str, str]
"""`level` and `digest`: how well the device keeps the key, and by which attestation."""


def _on(credential: Ref, verb: str, how: How, **said: object) -> Call[Done]:
    return done(thing(CREDENTIALS, credential, verb), how, **said)


def _text(ref: Ref | None) -> str | None:
    return None if ref is None else str(ref)


# --- Applications


def apply(
    *,
    customer: Ref,
    kind: str,
    device: Ref,
    name: str | None = None,
    policy_id: str | None = None,
    purpose: str | None = None,
    replaces: Ref | None = None,
    **how: Unpack[How],
) -> Call[Done]:
    """Apply for a credential, or with `replaces` for a reissue; its steps follow."""
    said = {"name": name, "kind": kind, "policy_id": policy_id, "purpose": purpose, "replaces": _text(replaces)}
    return done("/v1/applications", how, customer=str(customer), device=str(device), **said)


def verify_phone(credential: Ref, *, identity: str, provider: str, evidence: str, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "verify-phone", how, identity=identity, provider=provider, evidence=evidence)


def capture_id(
    credential: Ref,
    *,
    document: str,
    evidence: str,
    digest: str,
    request: str,
    fault: str | None = None,
    **how: Unpack[How],
) -> Call[Done]:
    said = {"document": document, "evidence": evidence, "digest": digest, "request": request, "fault": fault}
    return _on(credential, "capture-id", how, **said)


def confirm_id(credential: Ref, *, request: str, authentic: bool, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "confirm-id", how, request=request, authentic=authentic)


def verify_account(
    credential: Ref,
    *,
    account: str,
    evidence: str,
    code_sent_at: datetime,
    code_matches: bool,
    own_name: bool,
    **how: Unpack[How],
) -> Call[Done]:
    said = {"code_sent_at": code_sent_at, "code_matches": code_matches, "own_name": own_name}
    return _on(credential, "verify-account", how, account=account, evidence=evidence, **said)


def retry_step(credential: Ref, **how: Unpack[How]) -> Call[Done]:
    """Let the step be tried again that failed too often."""
    return _on(credential, "retry-step", how)


def escalate(credential: Ref, **how: Unpack[How]) -> Call[Done]:
    """Turn to the support."""
    return _on(credential, "escalate", how)


def complete(
    credential: Ref, *, attestation: Attestation | None = None, reference: str | None = None, **how: Unpack[How]
) -> Call[Done]:
    """Complete an application: the credential is issued, and the device bound."""
    return _on(credential, "complete", how, attestation=attestation, reference=reference)


def abandon(credential: Ref, **how: Unpack[How]) -> Call[Done]:
    """Give an application up."""
    return _on(credential, "abandon", how)


def reject(credential: Ref, reason: str, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "reject", how, reason=reason)


# --- At the counter


def issue(
    *,
    customer: Ref,
    kind: str,
    device: Ref,
    policy_id: str,
    name: str | None = None,
    evidence: str | None = None,
    attestation: Attestation | None = None,
    replaces: Ref | None = None,
    reference: str | None = None,
    otp: bool = False,
    **how: Unpack[How],
) -> Call[Secret]:
    """Issue at the counter; with `replaces`, reissue; with `otp`, make a seed and show its provisioning URI once."""
    content = body(
        customer=str(customer),
        kind=kind,
        device=str(device),
        policy_id=policy_id,
        name=name,
        evidence=evidence,
        attestation=attestation,
        replaces=_text(replaces),
        reference=reference,
        otp={} if otp else None,
    )
    return command("/v1/credentials", content, how, read=as_done(Secret))


def set_secret(credential: Ref, **how: Unpack[How]) -> Call[Secret]:
    """Make a new seed, which counts instead of the one before. Its provisioning URI is shown once."""
    return command(thing(CREDENTIALS, credential, "secrets"), b"{}", how, read=as_done(Secret))


def resynchronize(credential: Ref, first_code: str, second_code: str, **how: Unpack[How]) -> Call[Done]:
    """Put right by two codes in a row how far the phone's clock is off."""
    return _on(credential, "resynchronize", how, first_code=first_code, second_code=second_code)


def unlock(credential: Ref, *, evidence: str | None = None, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "unlock", how, evidence=evidence)


# --- Its life


def request_renewal(credential: Ref, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "request-renewal", how)


def object_to_renewal(credential: Ref, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "object-to-renewal", how)


def consent_to_renewal(credential: Ref, *, evidence: str | None = None, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "consent-to-renewal", how, evidence=evidence)


def switch_policy(credential: Ref, policy: str, mode: str = "keep", **how: Unpack[How]) -> Call[Done]:
    """Put a credential under another policy version, like `D@2`; `mode` says what becomes of the period."""
    return _on(credential, "switch-policy", how, policy=policy, mode=mode)


def suspend(credential: Ref, *, reason: str | None = None, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "suspend", how, reason=reason)


def resume(credential: Ref, *, evidence: str | None = None, **how: Unpack[How]) -> Call[Done]:
    """End a suspension. An app gives no evidence."""
    return _on(credential, "resume", how, evidence=evidence)


def revoke(credential: Ref, *, reason: str | None = None, **how: Unpack[How]) -> Call[Done]:
    """End a credential for good."""
    return _on(credential, "revoke", how, reason=reason)


def signal_clone(credential: Ref, evidence: str, **how: Unpack[How]) -> Call[Done]:
    """Report that there may be a copy."""
    return _on(credential, "signal-clone", how, evidence=evidence)


def require_reset(credential: Ref, **how: Unpack[How]) -> Call[Done]:
    return _on(credential, "require-reset", how)


def complete_reset(
    credential: Ref,
    *,
    key_rolled: bool,
    evidence: str | None = None,
    attestation: Attestation | None = None,
    **how: Unpack[How],
) -> Call[Done]:
    return _on(credential, "complete-reset", how, key_rolled=key_rolled, evidence=evidence, attestation=attestation)
