"""What callers ask of the service: uses with right codes, and mobile OTPs at the counter."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.holders import EVIDENCE, LEVEL, STEP_SECONDS, Applicant, Holder
from benchmarks.http_load import Load, Served, posted, serve
from benchmarks.ledger import POLICY
from benchmarks.one_time_codes import Turns, code
from sealbook.adapters.http.access import Role
from sealbook.adapters.http.development_keys import DevelopmentKeys
from sealbook.adapters.ids import new_id
from sealbook.domain.values import Kind

TOKENS = 1_000
REQUESTS_A_SECOND_MAX = 20_000
BACK_OFF_SECONDS = 0.2
USES_TO_KNOW_A_TOKEN = 10
WARM_UP_CONNECTIONS = 64
WARM_UP_SECONDS_MAX = 60.0
USED = b'"accepted":true'
ISSUED = b'"otpauth://'


class Callers:
    """Callers of a running service. What they ask is accepted, or a RuntimeError is raised; only 503 may come as well.

    `share` is how many of the holders are used by one load at most. A holder is used once in a step of time, so the
    seed is read anew for nearly every use, as on a bank's day.
    """

    def __init__(self, address: tuple[str, int], ledger: Path, held: Sequence[Holder], *, share: int) -> None:
        self._address = address
        self._keys = DevelopmentKeys(ledger, clock=time.time)
        self._tellers = [self._keys.mint(f"teller-{number}", [Role.TELLER]) for number in range(TOKENS)]
        self._held = held
        self._share = share
        self._turns = Turns(STEP_SECONDS)
        self._turns.add(len(held))

    def warm_up(self) -> None:
        """Let both HTTP processes come to know nearly every teller's token: they forget it after some minutes."""
        count = min(self._share, USES_TO_KNOW_A_TOKEN * TOKENS)
        requests = self._turns.requests(count, self._by_a_teller)
        serve(self._address, requests, _load(WARM_UP_CONNECTIONS, WARM_UP_SECONDS_MAX, status=b"200", told=USED))

    def use(self, *, connections: int, seconds: float) -> Served:
        """Let connections send uses under a thousand tokens, each that of a teller."""
        return self._use(self._by_a_teller, connections, seconds)

    def use_by_holders(self, *, connections: int, seconds: float) -> Served:
        """Let connections send uses, each under a token that was never seen: that of the holder's own app."""
        return self._use(self._by_the_holder, connections, seconds)

    def enrol(self, applicants: Sequence[Applicant], *, connections: int, seconds: float) -> Served:
        """Let connections have mobile OTPs issued, seed and provisioning URI included."""
        return serve(
            self._address, self._enrolments(applicants), _load(connections, seconds, status=b"201", told=ISSUED)
        )

    def _use(self, of: Callable[[int, int], bytes], connections: int, seconds: float) -> Served:
        count = min(self._share, round(seconds * REQUESTS_A_SECOND_MAX))
        requests = self._turns.requests(count, of)
        return serve(self._address, requests, _load(connections, seconds, status=b"200", told=USED))

    def _by_a_teller(self, index: int, timecode: int) -> bytes:
        return _use(self._held[index], self._tellers[index % TOKENS], timecode)

    def _by_the_holder(self, index: int, timecode: int) -> bytes:
        holder = self._held[index]
        token = self._keys.mint(f"app-{index}", [Role.APP], customer=str(holder.customer))
        return _use(holder, token, timecode)

    def _enrolments(self, applicants: Sequence[Applicant]) -> Iterator[bytes]:
        for number, applicant in enumerate(applicants):
            asked = {
                "kind": Kind.MOBILE_OTP,
                "customer": str(applicant.customer),
                "device": str(applicant.device),
                "policy_id": POLICY.policy_id,
                "evidence": EVIDENCE,
                "attestation": {"level": LEVEL, "digest": os.urandom(8).hex()},
                "otp": {},
            }
            yield _posted("/v1/credentials", self._tellers[number % TOKENS], asked)


def _use(holder: Holder, token: str, timecode: int) -> bytes:
    proof = {"type": "totp", "code": code(holder.secret, timecode)}
    return _posted(
        f"/v1/credentials/{holder.credential}/uses",
        token,
        {"proof": proof, "device": str(holder.device), "purpose": "login"},
    )


def _posted(path: str, token: str, asked: Mapping[str, object]) -> bytes:
    fields = {
        "authorization": f"Bearer {token}",
        "idempotency-key": str(new_id()),
        "content-type": "application/json",
    }
    return posted(path, fields, json.dumps(asked).encode())


def _load(connections: int, seconds: float, *, status: bytes, told: bytes) -> Load:
    return Load(
        connections=connections,
        seconds=seconds,
        accepts=lambda found, body: found == status and told in body,
        back_off_seconds=BACK_OFF_SECONDS,
    )
