"""Proofs: what an auditor checks offline, with `sealbook-verify` or any C2SP client."""

from typing import Unpack

from sealbook.adapters.client.calls import Answer, Call, Ref, Seen, look, thing
from sealbook.adapters.client.holders import CREDENTIALS, CUSTOMERS


def checkpoint(*, witnessed: bool = False) -> Call[str]:
    """Fetch the latest checkpoint, or the latest that a witness signed as well."""
    return look(f"/v1/checkpoints/{'witnessed' if witnessed else 'latest'}", {}, read=_text)


def credential_bundle(credential: Ref, *, witnessed: bool = False, **seen: Unpack[Seen]) -> Call[bytes]:
    """Fetch the proof of a credential's whole history: a file for `sealbook-verify history`."""
    return look(thing(CREDENTIALS, credential, "bundle"), seen, read=_bytes, asked={"witnessed": witnessed})


def customer_bundle(customer: Ref, *, witnessed: bool = False, **seen: Unpack[Seen]) -> Call[bytes]:
    return look(thing(CUSTOMERS, customer, "bundle"), seen, read=_bytes, asked={"witnessed": witnessed})


def event_proof(position: int, *, witnessed: bool = False, **seen: Unpack[Seen]) -> Call[str]:
    """Fetch the proof that an event is in the log."""
    return look(f"/v1/events/{position}/proof", seen, read=_text, asked={"witnessed": witnessed})


def _text(answer: Answer) -> str:
    return answer.content.decode()


def _bytes(answer: Answer) -> bytes:
    return answer.content
