"""The writer behind a socket: what a broken connection, a slow peer and an end are worth."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from struct import pack
from typing import TypeVar, cast

import pytest

from sealbook.adapters.eventstore.gatherer import Busy
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.writer.frames import FRAME_BYTES_MAX, Frames
from sealbook.adapters.writer.local import Asker, LocalWriter
from sealbook.adapters.writer.port import Answered
from sealbook.adapters.writer.remote import RemoteWriter, WriterDefect
from sealbook.adapters.writer.request_codec import decode_reply, encode_command
from sealbook.application.commands import Command
from sealbook.application.ports import OutcomeUnknown, Unavailable
from sealbook.application.requests import OnCredential
from sealbook.domain.credential import Use
from tests.adapters.test_gatherer import held_book
from tests.adapters.writer.writing import serving, use, uses_recorded
from tests.commands import Script
from tests.system.writing import credential_of

CALLERS = 50
MORE_THAN_BUFFERS_HOLD = 20_000
SOON_SECONDS = 30
T = TypeVar("T")


def served(dsn: str, socket: Path, work: Callable[[RemoteWriter], Awaitable[T]], *, waiting_max: int = 1_000) -> T:
    """Do some work with a remote writer and the one that it reaches, both in this process."""

    async def run() -> T:
        async with serving(dsn, socket, waiting_max=waiting_max), RemoteWriter(socket) as writer:
            return await work(writer)

    return asyncio.run(asyncio.wait_for(run(), timeout=SOON_SECONDS))


async def all_of(writer: RemoteWriter, commands: list[Command]) -> list[Answered | BaseException]:
    return await asyncio.gather(*map(writer.submit, commands), return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


# --- Answers


def test_many_are_answered_each_with_its_own(
    ledger: str, postgres_store: PostgresEventStore, script: Script, socket: Path
) -> None:
    commands = [use(script, number) for number in range(200)]

    told = served(ledger, socket, lambda writer: all_of(writer, commands))

    answers = [each for each in told if isinstance(each, Answered)]
    assert {command.command_id: answer.position for command, answer in zip(commands, answers, strict=True)} == (
        uses_recorded(postgres_store)
    )
    assert all(answer.events == ("credential.used",) and answer.version for answer in answers)


def test_who_asks_again_is_answered_as_the_first_time(ledger: str, script: Script, socket: Path) -> None:
    command = use(script)

    async def work(writer: RemoteWriter) -> tuple[Answered, Answered]:
        return await writer.submit(command), await writer.submit(command)

    first, again = served(ledger, socket, work)

    assert again == first._replace(repeated=True)


def test_a_command_without_an_id_gets_one(
    ledger: str, postgres_store: PostgresEventStore, script: Script, socket: Path
) -> None:
    command = replace(use(script), command_id=None)

    served(ledger, socket, lambda writer: writer.submit(command))

    assert None not in uses_recorded(postgres_store)


def test_a_busy_writer_is_told_of(ledger: str, script: Script, socket: Path) -> None:
    async def work(writer: RemoteWriter) -> list[Answered | BaseException]:
        async with asyncio.TaskGroup() as group:
            with held_book(ledger):
                asked = group.create_task(all_of(writer, [use(script) for _ in range(20)]))
                await asyncio.sleep(0.3)
        return asked.result()

    told = served(ledger, socket, work, waiting_max=5)

    busy = [each for each in told if isinstance(each, Busy)]
    assert busy
    assert all(each.retry_after_seconds > 0 for each in busy)
    assert all(isinstance(each, Busy) or (isinstance(each, Answered) and each.accepted) for each in told)


def test_too_many_in_flight_are_refused_at_once(ledger: str, script: Script, socket: Path) -> None:
    async def work() -> None:
        async with serving(ledger, socket), RemoteWriter(socket, in_flight_max=2) as writer:
            told = await all_of(writer, [use(script) for _ in range(3)])
            assert [type(each) for each in told] == [Answered, Answered, Busy]
            assert (await writer.submit(use(script))).accepted

    asyncio.run(work())


def test_a_defect_of_one_command_harms_no_other(ledger: str, script: Script, socket: Path) -> None:
    naive = OnCredential(credential=credential_of(0), command=Use(at=datetime(2024, 3, 10)))  # noqa: DTZ001
    unreadable = replace(use(script), request=naive)
    unwritable = script.on(credential_of(0), Use(at=cast("datetime", "today")))

    told = served(ledger, socket, lambda writer: all_of(writer, [use(script), unreadable, unwritable, use(script)]))

    assert [type(each) for each in told] == [Answered, WriterDefect, AttributeError, Answered]


# --- Leaving


def test_who_leaves_leaves_nothing_behind(ledger: str, script: Script, socket: Path) -> None:
    async def work(writer: RemoteWriter) -> None:
        with held_book(ledger):
            asked = [asyncio.create_task(writer.submit(use(script))) for _ in range(CALLERS)]
            await asyncio.sleep(0.05)
            asked += [asyncio.create_task(writer.submit(use(script))) for _ in range(CALLERS)]
            await asyncio.sleep(0)
            for each in asked:
                each.cancel()
            await asyncio.wait(asked)
            assert writer.in_flight == 0
        assert (await writer.submit(use(script))).accepted

    served(ledger, socket, work)


def test_a_process_that_goes_leaves_its_commands_to_go_on(
    ledger: str, postgres_store: PostgresEventStore, script: Script, socket: Path
) -> None:
    left, next_one = use(script), use(script)

    async def work() -> None:
        async with serving(ledger, socket):
            with held_book(ledger):
                async with RemoteWriter(socket) as leaver:
                    asked = asyncio.create_task(leaver.submit(left))
                    await asyncio.sleep(0.1)
                with pytest.raises(OutcomeUnknown, match="same id"):
                    await asked
            async with RemoteWriter(socket) as writer:
                assert (await writer.submit(next_one)).accepted

    asyncio.run(work())

    assert uses_recorded(postgres_store).keys() == {left.command_id, next_one.command_id}


def test_the_end_answers_what_was_taken(ledger: str, script: Script, socket: Path) -> None:
    async def work() -> list[Answered | BaseException]:
        async with serving(ledger, socket) as stopping, RemoteWriter(socket) as writer:
            with held_book(ledger):
                asked = asyncio.create_task(all_of(writer, [use(script, number) for number in range(CALLERS)]))
                await asyncio.sleep(0.1)
                stopping.set()
                await asyncio.sleep(0.1)
            return await asked

    told = asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))

    assert all(isinstance(each, Answered) and each.accepted for each in told)
    assert not socket.exists()


# --- Connections


def test_what_is_in_flight_when_the_writer_goes_is_carried_out_by_the_next_one_once(
    ledger: str, postgres_store: PostgresEventStore, script: Script, socket: Path
) -> None:
    commands = [use(script, number) for number in range(CALLERS)]

    async def work() -> list[Answered | BaseException]:
        async with serving(ledger, socket), RemoteWriter(socket) as writer:
            await writer.submit(use(script))
            first = writer.connection
            assert first is not None
            with held_book(ledger):
                asked = asyncio.create_task(all_of(writer, commands))
                await asyncio.sleep(0.1)
                # The writer lives on, so that it has each command twice.
                first.abort()
                await until(lambda: writer.connection not in {None, first})
                await asyncio.sleep(0.1)
            return await asked

    told = asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))

    assert all(isinstance(each, Answered) and each.accepted for each in told)
    assert len(uses_recorded(postgres_store)) == CALLERS + 1


def test_a_writer_that_comes_back_in_time_was_never_missed(
    ledger: str, postgres_store: PostgresEventStore, script: Script, socket: Path
) -> None:
    commands = [use(script, number) for number in range(CALLERS)]

    async def work() -> list[Answered | BaseException]:
        async with serving(ledger, socket):
            writer = await RemoteWriter(socket).__aenter__()
        await until(lambda: writer.connection is None)
        asked = asyncio.create_task(all_of(writer, commands))
        await asyncio.sleep(0.2)
        async with serving(ledger, socket):
            told = await asked
            await writer.__aexit__(None, None, None)
            return told

    told = asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))

    assert all(isinstance(each, Answered) and each.accepted and not each.repeated for each in told)
    assert len(uses_recorded(postgres_store)) == CALLERS


def test_a_writer_that_stays_away_is_told_of_and_found_when_it_comes(ledger: str, script: Script, socket: Path) -> None:
    async def work() -> None:
        async with serving(ledger, socket) as stopping, RemoteWriter(socket, patience_seconds=0.3) as writer:
            with held_book(ledger):
                sent = asyncio.create_task(writer.submit(use(script)))
                await asyncio.sleep(0.1)
                stopping.set()
                await until(lambda: not socket.exists())
                assert writer.connection is not None
                writer.connection.abort()
                await until(lambda: writer.connection is None)
                with pytest.raises(Unavailable, match="away"):
                    await writer.submit(use(script))
                with pytest.raises(OutcomeUnknown, match="same id"):
                    await sent
            with pytest.raises(Unavailable, match="away"):
                await writer.submit(use(script))
            async with serving(ledger, socket):
                await until(lambda: writer.connection is not None)
                assert (await writer.submit(use(script))).accepted

    asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))


def test_without_a_writer_there_is_no_way_in(socket: Path) -> None:
    async def work() -> None:
        async with RemoteWriter(socket, patience_seconds=0.1):
            pytest.fail("it was entered")

    with pytest.raises(Unavailable, match="does not listen"):
        asyncio.run(work())


def test_a_closed_writer_takes_nothing(ledger: str, script: Script, socket: Path) -> None:
    async def work() -> None:
        async with serving(ledger, socket):
            async with RemoteWriter(socket) as writer:
                pass
            with pytest.raises(Unavailable, match="closed"):
                await writer.submit(use(script))

    asyncio.run(work())


async def sent_until_nobody_reads(commands: asyncio.StreamWriter, framed: bytes) -> int:
    for sent in range(1_000, 1_000_000, 1_000):
        commands.write(framed * 1_000)
        try:
            await asyncio.wait_for(commands.drain(), timeout=1)
        except TimeoutError:
            return sent
    raise AssertionError("all was read, and the replies were kept")


def test_one_that_reads_no_replies_is_not_read_from_and_harms_no_other(
    ledger: str, script: Script, socket: Path
) -> None:
    frame = encode_command(1, use(script))
    framed = pack("!I", len(frame)) + frame

    async def work() -> int:
        async with serving(ledger, socket), RemoteWriter(socket) as other:
            replies, commands = await asyncio.open_unix_connection(str(socket))
            sent = await sent_until_nobody_reads(commands, framed)
            assert (await other.submit(use(script, 1))).accepted
            for _ in range(sent):
                length = int.from_bytes(await replies.readexactly(4), "big")
                assert decode_reply(await replies.readexactly(length)).number == 1
            commands.close()
            return sent

    assert asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS)) > 0


class SlowPeer(Frames):
    """Sends what it likes, and reads when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: list[int] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast("asyncio.Transport", transport).pause_reading()

    def taken(self, frame: bytes) -> None:
        self.numbers.append(decode_reply(frame).number)


def test_the_end_sends_all_replies_to_one_that_is_slow_to_take_them(
    ledger: str, script: Script, socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Command] = []
    hand_in = LocalWriter.hand_in

    def counted(self: LocalWriter, command: Command, asker: Asker) -> None:
        taken.append(command)
        hand_in(self, command, asker)

    monkeypatch.setattr(LocalWriter, "hand_in", counted)

    async def work() -> list[int]:
        async with serving(ledger, socket) as stopping:
            transport, peer = await asyncio.get_running_loop().create_unix_connection(SlowPeer, str(socket))
            peer.write([encode_command(number, use(script)) for number in range(MORE_THAN_BUFFERS_HOLD)])
            before = -1
            while before < len(taken):
                before = len(taken)
                await asyncio.sleep(0.5)
            stopping.set()
            await until(lambda: not socket.exists())
            transport.resume_reading()
            await until(lambda: peer.transport is None)
            return peer.numbers

    numbers = asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))

    assert sorted(numbers) == list(range(len(taken)))
    assert len(taken) < MORE_THAN_BUFFERS_HOLD


@pytest.mark.parametrize("noise", [pack("!I", FRAME_BYTES_MAX + 1), pack("!I", 3) + b"abc"], ids=["huge", "no command"])
def test_noise_is_left(ledger: str, script: Script, socket: Path, noise: bytes) -> None:
    async def work() -> None:
        async with serving(ledger, socket), RemoteWriter(socket) as other:
            replies, commands = await asyncio.open_unix_connection(str(socket))
            commands.write(noise)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await replies.readexactly(1)
            commands.close()
            assert (await other.submit(use(script))).accepted

    asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))


def test_a_command_in_single_bytes_is_a_command(ledger: str, script: Script, socket: Path) -> None:
    frame = encode_command(5, use(script))

    async def work() -> None:
        async with serving(ledger, socket):
            replies, commands = await asyncio.open_unix_connection(str(socket))
            for byte in pack("!I", len(frame)) + frame:
                commands.write(bytes([byte]))
                await asyncio.sleep(0)
            length = int.from_bytes(await replies.readexactly(4), "big")
            reply = decode_reply(await replies.readexactly(length))
            assert reply.number == 5
            assert reply.answered is not None
            commands.close()

    asyncio.run(asyncio.wait_for(work(), timeout=SOON_SECONDS))


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o707])
def test_a_folder_that_others_reach_into_is_refused(ledger: str, socket: Path, mode: int) -> None:
    socket.parent.chmod(mode)

    async def work() -> None:
        async with serving(ledger, socket):
            pass

    with pytest.raises(Unavailable, match="open to others"):
        asyncio.run(work())


def test_a_path_that_no_socket_can_have_is_refused(ledger: str, socket: Path) -> None:
    async def work() -> None:
        async with serving(ledger, socket.parent / ("x" * 120)):
            pass

    with pytest.raises(Unavailable, match="more than 107 bytes"):
        asyncio.run(work())
