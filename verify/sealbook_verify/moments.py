"""Times in words: ISO 8601, UTC. A time that no calendar holds is said as the number that it is."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc(microseconds: int) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} microseconds since 1970"
    return moment.isoformat().replace("+00:00", "Z")


def seconds_utc(seconds: int) -> str:
    return utc(seconds * 10**6)


def between(recorded_at: int, cosigned_at: int) -> str:
    """Say how far before the first cosignature a record was made, both in microseconds."""
    # A witness's clock ticks in whole seconds.
    gap_seconds = cosigned_at // 10**6 - recorded_at // 10**6
    if gap_seconds < 0:
        return f"{-gap_seconds} s after the first cosignature, which cannot be: one of the clocks is wrong"
    return f"{gap_seconds} s before the first cosignature"
