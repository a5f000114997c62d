"""One-time codes (RFC 6238): seeds, and whether a code is one of a seed's. No seed and no code is shown in an error."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from pyotp.exceptions import OTPVerificationError
from pyotp.totp import TOTP

from sealbook.application.ports import LedgerDamaged
from sealbook.domain.kind_document import OneTimeCode

Algorithm = Literal["SHA1", "SHA256", "SHA512"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
SECRET_BYTES_MIN = 14
"""112 bits: no one-time code may be made of less (NIST SP 800-63B-4 3.1.4.1)."""
SECRET_BYTES_MAX = 64
DIGITS_MIN, DIGITS_MAX = 6, 8
STEP_SECONDS_MAX = 120
_DIGESTS: dict[Algorithm, Callable[..., Any]] = {
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
}
_stored = msgspec.msgpack.Decoder(tuple[bytes, int, int, Algorithm])


class _Codes(TOTP):
    """The codes of a secret. pyotp decodes the secret anew for every code: half of what a check costs."""

    def __init__(self, secret: bytes, *, digits: int, step_seconds: int, algorithm: Algorithm) -> None:
        self._secret = secret
        text = base64.b32encode(secret).decode().rstrip("=")
        super().__init__(text, digits=digits, digest=_DIGESTS[algorithm], interval=step_seconds)

    def byte_secret(self) -> bytes:
        return self._secret


@dataclass(frozen=True, slots=True)
class Seed:
    """What one-time codes are made of. The secret is in no repr.

    Raises ValueError for a secret shorter than 112 or longer than 512 bits, codes of less than 6 or more than 8
    digits, a step that is not of 1 to 120 seconds, and an algorithm that is not in `ALGORITHMS`.
    """

    secret: bytes = field(repr=False)
    digits: int = 6
    step_seconds: int = 30
    algorithm: Algorithm = "SHA1"
    codes: TOTP = field(init=False, repr=False, compare=False)
    """Made once: the seed is held for as long as codes are checked with it."""

    def __post_init__(self) -> None:
        if not SECRET_BYTES_MIN <= len(self.secret) <= SECRET_BYTES_MAX:
            raise ValueError("the secret of one-time codes has 112 to 512 bits")
        if not DIGITS_MIN <= self.digits <= DIGITS_MAX:
            raise ValueError(f"a one-time code has {DIGITS_MIN} to {DIGITS_MAX} digits")
        if not 1 <= self.step_seconds <= STEP_SECONDS_MAX:
            raise ValueError(f"a one-time code lives for 1 to {STEP_SECONDS_MAX} seconds")
        if self.algorithm not in _DIGESTS:
            raise ValueError(f"one-time codes are made by {', '.join(ALGORITHMS)}")
        made = _Codes(self.secret, digits=self.digits, step_seconds=self.step_seconds, algorithm=self.algorithm)
        object.__setattr__(self, "codes", made)


class Matched(NamedTuple):
    """The time step that a code is of, and how many steps that is after the moment of the check."""

    timecode: int
    drift_steps: int


def new_seed(one_time_code: OneTimeCode, randomness: Callable[[int], bytes]) -> Seed:
    """Return a fresh seed of the form that a kind asks for. `randomness` returns that many random bytes."""
    # SHA-1, for that is what authenticator apps know; in an HMAC it is as good as ever (RFC 6238 1.2, RFC 4226 B.2).
    secret = randomness(-(-one_time_code.secret_bits_min // 8))
    return Seed(secret, digits=one_time_code.digits, step_seconds=one_time_code.step_seconds)


def encode_seed(seed: Seed) -> bytes:
    return msgspec.msgpack.encode((seed.secret, seed.digits, seed.step_seconds, seed.algorithm))


def decode_seed(stored: bytes) -> Seed:
    """Return a seed that was encoded. Raises LedgerDamaged."""
    try:
        return Seed(*_stored.decode(stored))
    except (msgspec.MsgspecError, ValueError):
        # From None: what could not be read may hold half a secret.
        raise LedgerDamaged("a seed of one-time codes in the vault cannot be read") from None


def check(seed: Seed, code: str, *, at: datetime, window_steps: int, around_steps: int = 0) -> Matched | None:
    """Return the step that a code is of, or None if it is of none in the window.

    The window lies `window_steps` to both sides of the moment, moved by `around_steps`: the drift that was seen
    last. Whether a step was used before, the ledger knows.
    """
    if not _is_code(seed, code):
        return None
    now = _step(seed, at)
    around = now + around_steps
    if around < window_steps:
        return None
    try:
        timecode = seed.codes.verify_and_get_timecode(
            code, for_time=around * seed.step_seconds, valid_window=window_steps
        )
    except OTPVerificationError:
        return None
    return Matched(timecode, timecode - now)


def resynchronize(seed: Seed, first_code: str, second_code: str, *, at: datetime, reach_steps: int) -> Matched | None:
    """Return the step of the second of two consecutive codes, or None if there are no such steps within reach.

    For a clock that went too far off (RFC 6238 6, RFC 4226 7.4): two codes are asked for because the reach,
    `reach_steps` to both sides, is wide. Each step of it costs about 3 microseconds.
    """
    if not (_is_code(seed, first_code) and _is_code(seed, second_code)):
        return None
    now = _step(seed, at)
    steps = range(max(now - reach_steps, 1), now + reach_steps + 1)
    codes = [seed.codes.generate_otp(step) for step in range(steps.start - 1, steps.stop)]
    given = first_code + second_code
    found = [
        step
        for step, first, second in zip(steps, codes, codes[1:], strict=False)
        if compare_digest(first + second, given)
    ]
    return min((Matched(step, step - now) for step in found), key=lambda match: abs(match.drift_steps), default=None)


def provisioning_uri(seed: Seed, *, name: str, issuer: str) -> str:
    """Return the otpauth URI that an authenticator app reads. It holds the secret: show it once, and keep it nowhere.

    `name` says whose codes they are, as the bank's number of the credential does.
    """
    return seed.codes.provisioning_uri(name=name, issuer_name=issuer)


def _is_code(seed: Seed, code: str) -> bool:
    return len(code) == seed.digits and code.isascii() and code.isdigit()


def _step(seed: Seed, at: datetime) -> int:
    return int(at.timestamp()) // seed.step_seconds
