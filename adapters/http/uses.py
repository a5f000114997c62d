"""Uses: may this use pass? The proof is checked here; whether it may pass, the ledger decides and records.

These routes are bare: five thousand uses a second come through them.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.http.access import Action, Caller, acts_as_app
from sealbook.adapters.http.commanding import (
    CHANNELS,
    Envelope,
    accepted,
    answer_body,
    client_id,
    command_id,
    digest_sent,
    json_body,
    told,
)
from sealbook.adapters.http.errors import problem_of
from sealbook.adapters.http.problems import Fault, Problem, content
from sealbook.adapters.http.service import Service, limited
from sealbook.adapters.http.targets import Asked, found, ref_of
from sealbook.adapters.http.use_bodies import BatchBody, OneUse, Signature, Totp, UseBody, invalid
from sealbook.adapters.proofs import challenges, totp
from sealbook.adapters.proofs.seeds import HeldSeed
from sealbook.adapters.writer.port import Answered
from sealbook.application.names import NameKind
from sealbook.application.requests import OnCredential
from sealbook.domain.credential import Credential, Use, UseEvidence
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindBook

NOT_STORED = {"Cache-Control": "no-store"}
OF_AN_APP = ("app", "web")
IN_A_BATCH_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a proof came to: whether it is right, and what the ledger is to know of it."""

    right: bool
    device: UUID | None
    timecode: int | None = None
    drift_steps: int = 0
    counter: int | None = None
    generation: int | None = None


def window_steps(kinds: KindBook) -> int:
    """Return the widest window that a kind has. The ledger judges by the kind's own."""
    documents = (*kinds.kinds.values(), *kinds.withdrawn.values())
    return max((each.one_time_code.window_steps for each in documents if each.one_time_code is not None), default=0)


class Uses:
    """The hot routes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._window_steps = window_steps(service.kinds)
        self._decode = msgspec.json.Decoder(UseBody).decode
        self._decode_batch = msgspec.json.Decoder(BatchBody).decode

    async def use(self, request: Request) -> Response:
        """Answer whether a use may pass, when the answer is durable."""
        caller = await self._service.caller(request, Action.USE)
        raw = await json_body(request)
        body = self._body(raw)
        envelope = Envelope.of(request, raw, caller, channel=_channel(body, caller))
        text: str = request.path_params["id"]
        answered = await self._answered(text, body, envelope, caller=caller)
        return told(accepted(answered), more={"credential": text, "id": str(answered.stream), "accepted": True})

    async def batch(self, request: Request) -> Response:
        """Answer many uses at once, each as if it had come alone."""
        caller = await self._service.caller(request, Action.USE)
        raw = await json_body(request)
        try:
            wishes = self._decode_batch(raw).uses
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise invalid(error) from None
        limited(self._service.limits.caller.take(caller.subject, len(wishes) - 1))
        # What comes in one request must not keep everybody else waiting.
        turns = asyncio.Semaphore(IN_A_BATCH_AT_ONCE)

        async def in_turn(wish: OneUse) -> bytes:
            async with turns:
                return await self._one_of_batch(wish, caller)

        results = await asyncio.gather(*map(in_turn, wishes))
        return Response(b'{"results":[%s]}' % b",".join(results), media_type="application/json", headers=NOT_STORED)

    async def _one_of_batch(self, wish: OneUse, caller: Caller) -> bytes:
        try:
            envelope = Envelope(
                command_id=client_id(wish.idempotency_key),
                sent=digest_sent(b"POST", b"/v1/uses:batch", msgspec.json.encode(wish), caller=caller),
                actor=caller.subject,
                channel=_channel(wish.use, caller) or CHANNELS[min(caller.roles)],
                if_version=None,
            )
            answered = accepted(await self._answered(wish.credential, wish.use, envelope, caller=caller))
            more = {"status": 200, "credential": wish.credential, "id": str(answered.stream), "accepted": True}
            return answer_body(answered, more=more)
        except Exception as error:
            problem = problem_of(error)
            if problem.code is Fault.INTERNAL:
                raise
            return content(problem.code, problem.detail, problem.more)

    async def challenge(self, request: Request) -> Response:
        """Make a challenge for a use that is to come under this Idempotency-Key."""
        caller = await self._service.caller(request, Action.CHALLENGE)
        stream, _ = await self._look_up(request.path_params["id"], caller)
        limited(self._service.limits.credential.take(stream.hex))
        made = self._service.challenges.issue(
            stream, command_id(request), at=self._service.now(), randomness=self._service.randomness
        )
        expires_at = challenges.expires_at_of(made).isoformat()
        body = {"credential": str(stream), "challenge": challenges.to_base64url(made), "expires_at": expires_at}
        return Response(msgspec.json.encode(body), media_type="application/json", headers=NOT_STORED)

    def _body(self, raw: bytes) -> UseBody:
        try:
            return self._decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise invalid(error) from None

    async def _answered(self, text: str, body: UseBody, envelope: Envelope, *, caller: Caller) -> Answered:
        ref = ref_of(text, NameKind.CREDENTIAL)
        credential = ref if isinstance(ref, UUID) else (await self._look_up(text, caller))[0]
        # Not by what was written, for an id can be written in many ways; and for each customer apart: nobody uses up
        # what another has left.
        limited(self._service.limits.credential.take(f"{credential.hex} {caller.customer or ''}"))
        proven = await self._proven(credential, body, caller=caller, key=envelope.command_id)
        answered = await self._submitted(credential, body, proven, envelope)
        if answered.refusal is Refusal.SECRET_GENERATION:
            # The seed was changed since it was read here, or the next one is in the vault already.
            _, state = await self._look_up(str(credential), caller)
            await self._service.seeds.correct(credential, generation=state.secret_generation)
            proven = await self._proven(credential, body, caller=caller, key=envelope.command_id)
            answered = await self._submitted(credential, body, proven, envelope)
        return answered

    async def _submitted(self, credential: UUID, body: UseBody, proven: Proven, envelope: Envelope) -> Answered:
        use = Use(
            at=self._service.now(),
            channel=envelope.channel,
            purpose=body.purpose,
            device=proven.device,
            proven=proven.right,
            evidence=_evidence(body, proven),
            generation=proven.generation,
        )
        return await self._service.writer.submit(envelope.command(OnCredential(credential=credential, command=use)))

    async def _look_up(self, text: str, caller: Caller) -> tuple[UUID, Credential]:
        """Return a credential of the caller's. Raises Refused."""
        asked = [Asked(text, (NameKind.CREDENTIAL,))]
        (target,) = await self._service.readers.ask(lambda store: found(store, asked, caller=caller))
        if not isinstance(target.state, Credential):
            raise Refused(Refusal.APPLYING, "the application is not finished: complete its steps first")
        return target.stream, target.state

    async def _proven(self, credential: UUID, body: UseBody, *, caller: Caller, key: UUID) -> Proven:
        if isinstance(body.proof, Totp):
            held = await self._service.seeds.of(credential)
            return await self._by_code(credential, held, body.proof, body.device, caller=caller)
        return await self._by_signature(credential, body.proof, body.device, caller=caller, key=key)

    async def _by_code(
        self, credential: UUID, held: HeldSeed | None, proof: Totp, device: str | None, *, caller: Caller
    ) -> Proven:
        at = self._service.now()
        if held is None or not self._is_own(held, caller):
            await self._look_up(str(credential), caller)
            if held is None:
                raise Problem(Fault.PROOF_NOT_SET_UP, "the credential has no seed: set one up first")
        phone = _as_id(device)
        matched = totp.check(held.seed, proof.code, at=at, window_steps=self._window_steps)
        if matched is None or phone is None:
            _, state = await self._look_up(str(credential), caller)
            phone = phone or await self._device(device, state, caller)
            if matched is None and state.last_proof.drift_steps:
                matched = totp.check(
                    held.seed,
                    proof.code,
                    at=at,
                    window_steps=self._window_steps,
                    around_steps=state.last_proof.drift_steps,
                )
        if matched is None:
            return Proven(right=False, device=phone, generation=held.generation)
        return Proven(
            right=True,
            device=phone,
            timecode=matched.timecode,
            drift_steps=matched.drift_steps,
            generation=held.generation,
        )

    async def _by_signature(
        self, credential: UUID, proof: Signature, device: str | None, *, caller: Caller, key: UUID
    ) -> Proven:
        _, state = await self._look_up(str(credential), caller)
        if "signature" not in self._service.kinds.kind(state.kind).proofs:
            raise Problem(Fault.PROOF_NOT_SET_UP, "this kind of credential takes no signatures")
        phone = _as_id(device) or await self._device(device, state, caller)
        public_key = None if phone is None else await self._service.seeds.device_key(phone)
        if public_key is None:
            raise Problem(Fault.PROOF_NOT_SET_UP, "the device is known by no key that could be asked for a signature")
        challenge = challenges.from_base64url(proof.challenge)
        signature = challenges.from_base64url(proof.signature)
        right = (
            challenge is not None
            and signature is not None
            and self._service.challenges.check(challenge, credential, key, at=self._service.now()) is None
            and challenges.signature_fits(
                public_key.key, signature, credential=credential, challenge=challenge, counter=proof.counter
            )
        )
        return Proven(right=right, device=phone, counter=proof.counter if right else None)

    def _is_own(self, held: HeldSeed, caller: Caller) -> bool:
        return not acts_as_app(caller) or caller.own == held.owner

    async def _device(self, text: str | None, state: Credential, caller: Caller) -> UUID | None:
        if text is None:
            # The proof came from the phone that has the seed or the key: the bound one.
            return state.device
        asked = [Asked(text, (NameKind.DEVICE_KEY,), unheld=True)]
        (target,) = await self._service.readers.ask(lambda store: found(store, asked, caller=caller))
        return target.stream


def _as_id(text: str | None) -> UUID | None:
    if text is None:
        return None
    ref = ref_of(text, NameKind.DEVICE_KEY)
    return ref if isinstance(ref, UUID) else None


def _channel(body: UseBody, caller: Caller) -> str | None:
    """Return by which way the holder came; None leaves it to the caller's scope. Raises Problem(forbidden)."""
    if body.channel is not None and acts_as_app(caller) and body.channel not in OF_AN_APP:
        raise Problem(Fault.FORBIDDEN, f"an app's channel is {' or '.join(OF_AN_APP)}")
    return body.channel


def _evidence(body: UseBody, proven: Proven) -> UseEvidence:
    return UseEvidence(
        timecode=proven.timecode,
        drift_steps=proven.drift_steps,
        counter=proven.counter,
        unlock_method=body.unlock_method,
        network=body.network,
        linked_id=body.linked_id,
        relying_party=body.relying_party,
    )
