"""The tail: every event once, in order, to whoever may hear it."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import psycopg
import pytest

from sealbook.adapters.http import following, tail
from sealbook.adapters.http.following import Follower, Told
from sealbook.adapters.http.reading import Readers
from sealbook.adapters.serving import protocol
from sealbook.domain.catalogue import RecordedEvent, event_name
from sealbook.domain.customer import RecordViewed
from tests.adapters.http.served import ANALYST, AUDITOR, TELLER, Holding, Served
from tests.adapters.http.streams import PATIENCE_SECONDS, Heard, Listened, events, frames, listened
from tests.commands import Script

Asked = Callable[[Listened], Coroutine[Any, Any, Any]]


@pytest.fixture(autouse=True)
def followers(monkeypatch: pytest.MonkeyPatch) -> list[Follower]:
    """What follows the log for the listeners of services: there is one in each process."""
    made = list[Follower]()

    def make(readers: Readers) -> Follower:
        made.append(Follower(readers))
        return made[-1]

    monkeypatch.setattr(tail, "Follower", make)
    return made


@pytest.fixture
def follower(running: Served, followers: list[Follower]) -> Follower:
    assert running.failures == []
    (found,) = followers
    return found


def on_a_socket(running: Served, asked: Asked) -> Any:
    async def asking() -> Any:
        async with listened(running.edge) as place, asyncio.timeout(2 * PATIENCE_SECONDS):
            return await asked(place)

    return running.run(asking())


def hear(running: Served, query: str, count: int, **headers: str) -> list[Heard]:
    async def asked(place: Listened) -> list[Heard]:
        async with place.listening(query, by=AUDITOR, **headers) as heard:
            return await events(heard, count)

    found: list[Heard] = on_a_socket(running, asked)
    return found


SCRIPTS = {name: Script(seed) for seed, name in ((7_000, "credential of alice"), (8_000, "credential of bob"))}


def suspend_beside(running: Served, holding: Holding) -> None:
    """Suspend by a connection of the test's own: the service finds out by itself."""
    script = SCRIPTS[holding.credential_name]
    running.execute(script.suspend(UUID(holding.credential), at=running.clock()))


def log(running: Served) -> list[RecordedEvent]:
    return running.store.read(after=0, limit=1_000)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happened():
            await asyncio.sleep(0.01)


# --- What is heard


@pytest.mark.usefixtures("alice")
def test_the_log_is_heard_from_a_position_on(running: Served) -> None:
    expected = log(running)

    heard = hear(running, "?after=2", len(expected) - 2)

    assert [each.id for each in heard] == [each.position for each in expected[2:]]
    assert [each.event for each in heard] == [event_name(each.event) for each in expected[2:]]
    last, recorded = heard[-1].data, expected[-1]
    assert last is not None
    assert (last["position"], last["stream"], last["version"]) == (
        *(recorded.position, str(recorded.stream)),
        recorded.version,
    )
    assert (last["actor"], last["channel"]) == (recorded.actor, recorded.channel)
    assert {"event", "occurred_at", "recorded_at", "fields"} <= last.keys()


def test_what_comes_later_is_heard_as_it_comes(running: Served, alice: Holding) -> None:
    begun = running.store.last_position()

    async def asked(place: Listened) -> list[Heard]:
        async with place.listening(by=AUDITOR) as heard:
            assert (await anext(heard)) == Heard(begun, None, None)
            await asyncio.to_thread(suspend_beside, running, alice)
            return await events(heard, 1)

    (heard,) = on_a_socket(running, asked)
    assert (heard.id, heard.event) == (begun + 1, "credential.suspended")


@pytest.mark.usefixtures("alice")
def test_last_event_id_goes_before_after(running: Served) -> None:
    (heard,) = hear(running, "?after=1", 1, last_event_id="3")

    assert heard.id == 4


def test_a_listener_far_behind_misses_nothing(
    running: Served, alice: Holding, bob: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "EVENTS_A_READ", 2)
    monkeypatch.setattr(following, "RECENT_EVENTS", 3)
    expected = [each.position for each in log(running)]

    async def asked(place: Listened) -> tuple[list[int | None], list[int | None]]:
        async with place.listening("?after=0", by=AUDITOR) as first:
            one = await events(first, 1)
            await asyncio.to_thread(suspend_beside, running, alice)
            await asyncio.to_thread(suspend_beside, running, bob)
            async with place.listening("?after=0", by=AUDITOR) as second:
                rest = await events(first, len(expected) + 1)
                return [each.id for each in (*one, *rest)], [each.id for each in await events(second, len(rest) + 1)]

    first, second = on_a_socket(running, asked)
    assert first == second == [*expected, expected[-1] + 1, expected[-1] + 2]


def test_a_listener_whom_more_outruns_than_is_kept_misses_nothing(
    running: Served, alice: Holding, bob: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "RECENT_EVENTS", 1)
    begun = running.store.last_position()
    now = running.clock()
    at_once = [SCRIPTS[each.credential_name].suspend(UUID(each.credential), at=now) for each in (alice, bob)]

    async def asked(place: Listened) -> list[Heard]:
        async with place.listening(by=AUDITOR) as heard:
            await anext(heard)
            await asyncio.to_thread(running.execute, *at_once)
            return await events(heard, len(at_once))

    assert [each.id for each in on_a_socket(running, asked)] == [begun + 1, begun + 2]


@pytest.mark.usefixtures("alice")
def test_only_events_of_the_types_asked_for_are_heard(running: Served) -> None:
    names = [event_name(each.event) for each in log(running)]
    expected = [name for name in names if name.startswith("device.") or name == "customer.enrolled"]

    heard = hear(running, "?after=0&types=device.,customer.enrolled", len(expected))

    assert [each.event for each in heard] == expected


@pytest.mark.usefixtures("alice")
def test_who_hears_none_of_it_knows_how_far_the_log_is(running: Served) -> None:
    async def asked(place: Listened) -> list[int | None]:
        async with place.listening("?after=0&types=ledger.", by=AUDITOR) as heard:
            return [(await anext(heard)).id, (await anext(heard)).id]

    assert on_a_socket(running, asked) == [0, running.store.last_position()]


def test_only_the_events_of_one_stream_are_heard_and_the_look_is_recorded(running: Served, alice: Holding) -> None:
    expected = [each.position for each in log(running) if str(each.stream) == alice.credential]

    heard = hear(running, f"?after=0&stream={alice.credential}", len(expected))

    assert [each.id for each in heard] == expected
    looks = [each.event for each in running.store.stream(UUID(alice.customer))]
    assert isinstance(looks[-1], RecordViewed)
    assert (looks[-1].what, looks[-1].reason) == ("event tail", "audit 7")


def test_nothing_personal_is_heard(running: Served, alice: Holding) -> None:
    heard = hear(running, "?after=0", len(log(running)))

    said = str(heard)
    for each in (alice.customer_name, alice.credential_name, alice.device_key, f"identity of {alice.customer_name}"):
        assert each not in said


def test_a_heartbeat_comes_while_nothing_else_does(running: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "HEARTBEAT_SECONDS", 0.05)

    async def asked(place: Listened) -> Heard:
        async with place.listening(by=AUDITOR) as heard:
            return [await anext(heard) for _ in range(3)][-1]

    assert on_a_socket(running, asked) == Heard(None, None, None, "still here")


# --- Who may listen, and where


@pytest.mark.parametrize("by", [TELLER, ANALYST])
def test_only_an_auditor_listens(running: Served, by: str) -> None:
    assert running.get(tail.PATH, by=by, access_reason="r").status_code == 403


def test_who_listens_says_why(running: Served) -> None:
    assert running.get(tail.PATH, by=AUDITOR).json()["code"] == "reason_required"


@pytest.mark.parametrize(
    ("query", "header", "status", "code"),
    [
        ("?after=1000", "", 409, "position_ahead"),
        ("", "1000", 409, "position_ahead"),
        ("?after=-1", "", 422, "invalid_request"),
        ("?types=credential", "", 422, "invalid_request"),
        ("?types=credential.,", "", 422, "invalid_request"),
        ("", "last", 400, "malformed"),
        ("", "9" * 40, 400, "malformed"),
        (f"?stream={UUID(int=7)}", "", 404, "not_found"),
    ],
)
def test_what_cannot_be_heard_is_refused(
    running: Served, follower: Follower, query: str, header: str, status: int, code: str
) -> None:
    answer = running.get(tail.PATH + query, by=AUDITOR, access_reason="r", last_event_id=header)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert follower.listeners == 0


# --- Bounds


def test_no_more_listen_than_may(running: Served, follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "LISTENERS_MAX", 2)

    async def asked(place: Listened) -> list[int]:
        said = {"authorization": f"Bearer {AUDITOR}", "access-reason": "r"}
        async with place.listening(by=AUDITOR) as one, place.listening(by=AUDITOR) as two:
            await anext(one)
            await anext(two)
            full = await place.client.get(tail.PATH, headers=said)
        await until(lambda: follower.listeners == 0)
        async with place.client.stream("GET", tail.PATH, headers=said) as again:
            return [full.status_code, again.status_code]

    assert on_a_socket(running, asked) == [503, 200]


def test_after_the_last_listener_has_left_the_log_is_followed_no_longer(running: Served, follower: Follower) -> None:
    async def asked(place: Listened) -> None:
        async with place.listening(by=AUDITOR) as heard:
            await anext(heard)
            assert follower.following
        await until(lambda: not follower.following)

    on_a_socket(running, asked)


@pytest.mark.usefixtures("alice")
def test_who_does_not_keep_up_is_held_back_and_cut_off(
    running: Served, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[int]()

    def huge(recorded: RecordedEvent) -> Told:
        made.append(recorded.position)
        return Told(recorded.position, recorded.stream, "credential.used", b":" + bytes(8_000_000) + b"\n\n")

    monkeypatch.setattr(following, "told", huge)
    monkeypatch.setattr(following, "EVENTS_A_READ", 1)
    monkeypatch.setattr(tail, "SEND_SECONDS_MAX", 0.5)
    monkeypatch.setattr(protocol, "UNREAD_SECONDS_MAX", 0.5)

    async def asked(place: Listened) -> None:
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            await asyncio.to_thread(silent.connect, ("127.0.0.1", place.port))
            head = f"GET {tail.PATH}?after=0 HTTP/1.1\r\nhost: h\r\naccess-reason: r\r\nauthorization: Bearer {AUDITOR}"
            silent.sendall(f"{head}\r\n\r\n".encode())
            await until(lambda: follower.listeners == 1)
            await until(lambda: follower.listeners == 0)
            await until(lambda: not place.server.server_state.connections)

    on_a_socket(running, asked)
    assert len(made) < 4 < len(log(running))


# --- Trouble


def test_a_database_that_was_away_loses_nothing(running: Served, alice: Holding) -> None:
    begun = running.store.last_position()

    async def asked(place: Listened) -> list[Heard]:
        async with place.listening(by=AUDITOR) as heard:
            await anext(heard)
            with psycopg.connect(running.dsn, autocommit=True) as beside:
                beside.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid != pg_backend_pid()"
                )
            running.store.close()
            del running.store
            await asyncio.to_thread(suspend_beside, running, alice)
            return await events(heard, 1)

    (heard,) = on_a_socket(running, asked)
    assert heard.id == begun + 1


def test_a_stream_ends_well_when_the_service_stops(running: Served) -> None:
    async def asked(place: Listened) -> list[Heard]:
        said = {"authorization": f"Bearer {AUDITOR}", "access-reason": "r"}
        async with place.client.stream("GET", tail.PATH, headers=said) as answer:
            heard = frames(answer)
            first = await anext(heard)
            place.server.should_exit = True
            # A stream that breaks off is an error of the client's.
            return [first, *[each async for each in heard]]

    assert on_a_socket(running, asked) == [Heard(running.store.last_position(), None, None)]
