"""Uses: with a code, with a signature, many at once."""

import base64
from collections.abc import Callable, Sequence
from typing import Unpack
from uuid import UUID

import msgspec

from sealbook.adapters.client.attempts import AGAIN
from sealbook.adapters.client.calls import Answer, Call, How, Ref, as_done, as_told, command, decoded, thing
from sealbook.adapters.client.failures import Problem, Told
from sealbook.adapters.client.results import Challenge, Used
from sealbook.adapters.ids import new_id

Sign = Callable[[bytes], bytes]
BATCH = "/v1/uses:batch"
_SIGNED = b"sealbook use\0"
_COUNTER_BYTES = 8


class Code(msgspec.Struct, frozen=True, tag="totp"):
    """A one-time code, as the phone shows it."""

    code: str

    def __repr__(self) -> str:
        return "Code()"


class Signature(msgspec.Struct, frozen=True, tag="signature"):
    """A device's signature, base64url, over `message_to_sign`; `counter` is 0 where the device keeps none."""

    challenge: str
    signature: str
    counter: int = 0

    def __repr__(self) -> str:
        return "Signature()"


class Use(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A use as the app tells it. `device` is the phone's id or key, by default the bound one's."""

    proof: Code | Signature
    device: str | None = None
    purpose: str | None = None
    channel: str = "app"
    unlock_method: str | None = None
    network: str | None = None
    linked_id: str | None = None
    relying_party: str | None = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a batch. Its key is its own: in whatever batch it is sent again, it is carried out once."""

    credential: str
    use: Use
    idempotency_key: UUID = msgspec.field(default_factory=new_id)


def use(credential: Ref, use: Use, **how: Unpack[How]) -> Call[Used]:
    """Ask whether a use may pass; when it says yes, that is durable. Raises Problem if it may not."""
    return command(thing("credentials", credential, "uses"), msgspec.json.encode(use), how, read=as_done(Used))


def use_code(credential: Ref, code: str, *, purpose: str | None = None, **how: Unpack[How]) -> Call[Used]:
    """Ask whether a use with a one-time code may pass; `use` takes all that can be told of one."""
    return use(credential, Use(proof=Code(code), purpose=purpose), **how)


def use_many(wishes: Sequence[Wish]) -> Call[tuple[Used | Problem, ...]]:
    """Ask for up to 500 uses at once. What each came to stands in its place: a Problem is not raised, but returned."""
    return Call(
        method="POST",
        path=BATCH,
        content=msgspec.json.encode({"uses": wishes}),
        headers={"Content-Type": "application/json"},
        read=_batch_of(wishes),
        settled=_settled,
    )


def challenge(credential: Ref, **how: Unpack[How]) -> Call[Challenge]:
    """Ask for a challenge to sign, for the use that is to come under the same `key`."""
    return command(thing("credentials", credential, "challenges"), b"", how, read=as_told(Challenge))


def message_to_sign(challenge: Challenge, *, counter: int) -> bytes:
    """Return what the device signs, by ECDSA over P-256 with SHA-256, or by Ed25519."""
    text = challenge.challenge
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return _SIGNED + challenge.credential.bytes + raw + counter.to_bytes(_COUNTER_BYTES)


def signed(challenge: Challenge, signature: bytes, *, counter: int = 0) -> Signature:
    """Return the proof that a device's signature is."""
    text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    return Signature(challenge=challenge.challenge, signature=text, counter=counter)


class _One(Told, frozen=True, kw_only=True):
    """What one use of a batch came to: a use, or a problem, which has a code."""

    code: str = ""
    credential: str = ""
    id: UUID | None = None
    events: tuple[str, ...] = ()


class _Results(msgspec.Struct, frozen=True):
    results: tuple[_One, ...]


def _batch_of(wishes: Sequence[Wish]) -> Callable[[Answer], tuple[Used | Problem, ...]]:
    keys = [each.idempotency_key for each in wishes]

    def read(answer: Answer) -> tuple[Used | Problem, ...]:
        results = decoded(_Results, answer.content).results
        return tuple(_what(one, key) for one, key in zip(results, keys, strict=True))

    return read


def _what(one: _One, key: UUID) -> Used | Problem:
    if one.code:
        return one.problem(status=one.status, key=key, in_doubt=False)
    return Used(credential=one.credential, id=one.id, position=one.position, version=one.version, events=one.events)


def _settled(results: tuple[Used | Problem, ...]) -> bool:
    # What was done already is told again.
    return not any(isinstance(each, Problem) and each.status in AGAIN for each in results)
