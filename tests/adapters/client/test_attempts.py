"""When a call is sent again, how long is waited, and when it ends: by a clock that the test holds."""

from datetime import UTC, datetime

import httpx
import pytest

from sealbook.adapters.client.attempts import Attempts, Lost, Patience, Wait
from sealbook.adapters.client.calls import Answer, Call
from sealbook.adapters.client.failures import NoAnswer, Problem
from sealbook.adapters.client.holders import enroll
from sealbook.adapters.client.office import register_webhook
from sealbook.adapters.client.reading import counts
from sealbook.adapters.client.results import Done, WebhookSecret
from sealbook.adapters.client.tail import Tail

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PATIENCE = Patience(deadline_seconds=10, attempt_seconds=4, wait_seconds=1, wait_seconds_max=3)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def attempts(call: Call[Done] | Call[WebhookSecret], clock: Clock, *, chance: float = 0.0) -> Attempts[object]:
    return Attempts(call, PATIENCE, clock=clock, chance=lambda: chance, now=lambda: NOON)  # type: ignore[arg-type]  # of any result


def answer(status: int, content: bytes = b"", **headers: str) -> Answer:
    return Answer(status, httpx.Headers({name.replace("_", "-"): said for name, said in headers.items()}), content)


def busy(**headers: str) -> Answer:
    return answer(503, b'{"code":"busy"}', content_type="application/problem+json", **headers)


def test_waits_double_up_to_the_longest_and_are_shortened_by_chance() -> None:
    clock = Clock()
    of = attempts(enroll("a"), clock)
    by_chance = attempts(enroll("a"), clock, chance=0.5)

    assert [of.judge(Lost(sent=True)) for _ in range(4)] == [Wait(1), Wait(2), Wait(3), Wait(3)]
    assert [by_chance.judge(Lost(sent=True)) for _ in range(2)] == [Wait(0.75), Wait(1.5)]


@pytest.mark.parametrize("said", ["5", "Mon, 02 Mar 2026 12:00:05 GMT"])
def test_what_the_service_asks_for_is_waited_as_well(said: str) -> None:
    assert attempts(enroll("a"), Clock()).judge(busy(retry_after=said)) == Wait(6)


@pytest.mark.parametrize("said", ["soon", "-1", "", "Mon, 02 Mar 2026 11:59:00 GMT"])
def test_what_cannot_be_waited_is_passed_over(said: str) -> None:
    assert attempts(enroll("a"), Clock()).judge(busy(retry_after=said)) == Wait(1)


def test_a_call_ends_when_there_is_no_time_left_to_wait() -> None:
    with pytest.raises(Problem) as refused:
        attempts(enroll("a"), Clock()).judge(busy(retry_after="60"))

    assert (refused.value.code, refused.value.retry_after_seconds, refused.value.in_doubt) == ("busy", 60.0, False)


def test_an_attempt_takes_no_longer_than_what_is_left() -> None:
    clock = Clock()
    of = attempts(enroll("a"), clock)
    assert of.seconds() == 4
    clock.seconds += 8
    assert of.seconds() == 2
    clock.seconds += 2
    with pytest.raises(NoAnswer):
        of.judge(Lost(sent=False))


def test_once_in_doubt_always_in_doubt() -> None:
    """The last attempt was not begun, but the first may have been carried out."""
    clock = Clock()
    of = attempts(enroll("a"), clock)
    of.judge(Lost(sent=True))
    clock.seconds += 9.5

    with pytest.raises(Problem) as refused:
        of.judge(busy())

    assert refused.value.in_doubt


def test_a_refusal_ends_the_doubt() -> None:
    of = attempts(enroll("a"), Clock())
    of.judge(Lost(sent=True))

    with pytest.raises(Problem) as refused:
        of.judge(answer(409, b'{"code":"device_slot","position":7}', content_type="application/problem+json"))

    assert (refused.value.code, refused.value.position, refused.value.in_doubt) == ("device_slot", 7, False)


def test_what_twice_is_not_once_is_not_sent_again_in_doubt() -> None:
    call = register_webhook("https://hooks.bank.example/", ["credential.revoked"])

    assert attempts(call, Clock()).judge(Lost(sent=False)) == Wait(1)
    assert attempts(call, Clock()).judge(busy()) == Wait(1)
    with pytest.raises(NoAnswer):
        attempts(call, Clock()).judge(Lost(sent=True))


def test_words_that_are_not_the_services_are_not_repeated() -> None:
    with pytest.raises(Problem) as refused:
        attempts(enroll("a"), Clock()).judge(answer(403, b"<html>100-200 is blocked</html>", content_type="text/html"))

    assert refused.value.code == "http_403"
    assert "100-200" not in str(refused.value)


@pytest.mark.parametrize("content", [b"{}", b"<html>", b"\xff", b""])
def test_a_good_answer_of_another_form_is_no_answer(content: bytes) -> None:
    with pytest.raises(NoAnswer) as unread:
        attempts(enroll("a"), Clock()).judge(answer(200, content))

    assert unread.value.__context__ is None


def test_a_look_is_never_in_doubt() -> None:
    clock = Clock()
    of: Attempts[object] = attempts(counts(), clock)  # type: ignore[arg-type]  # of any result
    clock.seconds += 20
    with pytest.raises(NoAnswer) as lost:
        of.judge(Lost(sent=True))
    assert not lost.value.in_doubt


# --- The tail

EVENT = (
    b'{"position":7,"stream":"01a2075e-e878-781a-8648-58eb85c25be3","version":2,"event":"credential.suspended",'
    b'"occurred_at":"2026-03-02T12:00:00Z","recorded_at":"2026-03-02T12:00:00Z","actor":"teller","channel":"branch",'
    b'"fields":{"reason":"a\xe2\x80\xa8b"}}'
)
FRAMES = b"id: 5\n\n: still here\n\nid: 7\r\nevent: credential.suspended\r\ndata: " + EVENT + b"\r\n\r\nid: 9\n\n"


@pytest.mark.parametrize("size", [1, 7, len(FRAMES)])
def test_frames_are_heard_however_they_come(size: int) -> None:
    tail = Tail(None)

    heard = [each for begin in range(0, len(FRAMES), size) for each in tail.hear(FRAMES[begin : begin + size])]

    assert [each.position for each in heard] == [7]
    assert heard[0].fields["reason"] == "a\u2028b"
    assert tail.position == 9


def test_what_was_heard_by_half_comes_again() -> None:
    tail = Tail(5)
    list(tail.hear(b"id: 7\ndata: {"))
    tail.broken()

    assert tail.position == 5
    assert [each.position for each in tail.hear(FRAMES)] == [7]


def test_what_is_no_event_ends_the_tail() -> None:
    with pytest.raises(NoAnswer):
        list(Tail(None).hear(b"data: {}\n\n"))
