"""A witness over HTTP, on this machine alone: each answer as C2SP has it, and many callers at once."""

import http.client
import socket
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Thread

import pytest

from sealbook.adapters.seal.notes import BadNote, Checkpoint, parse_checkpoint, parse_signature, signed
from sealbook.adapters.seal.witness import CLOCK_BACK_SECONDS_MAX, Witness
from sealbook.adapters.seal.witness_client import WitnessRefused, cosignatures
from sealbook.adapters.seal.witness_request import REQUEST_BYTES_MAX, WitnessRequest
from sealbook.adapters.seal.witness_server import WitnessServer
from sealbook.application.ports import Unavailable
from tests.adapters.seal.made_log import NOW, ORIGIN, MadeLog, sent, signer

CALLERS, ROUNDS = 5, 4


@dataclass
class Served:
    """A witness that listens, and what it told."""

    witness: Witness
    folder: Path
    port: int = 0
    now: int = NOW
    told: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str, str]:
        return self.said("POST", path, body)

    def said(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.headers.get_content_type(), answer.read().decode()


@contextmanager
def serving(witness: Witness, folder: Path) -> Generator[Served]:
    served = Served(witness, folder)
    server = WitnessServer(witness, host="127.0.0.1", port=0, clock=lambda: served.now, told=served.told.append)
    served.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def log(tmp_path: Path) -> MadeLog:
    return MadeLog(tmp_path / "log")


@pytest.fixture
def served(tmp_path: Path, log: MadeLog) -> Generator[Served]:
    witness = Witness.create(tmp_path / "witness", name="audit.example/w1")
    witness.trust(log.key)
    with serving(witness, tmp_path / "witness") as found:
        yield found


def asked(served: Served, log: MadeLog, size: int, *, old: int = 0) -> str:
    """Let a log grow and ask by the client that logs use; return the cosignature's line."""
    note = log.grown(size)
    (line,) = cosignatures(served.url, note, size=size, old=old, proof_from=lambda known: log.growth(known, size))
    assert served.witness.key.made(line, note.text)
    return line.line


# --- Answers


def test_a_cosignature_comes_back_as_one_line(served: Served, log: MadeLog) -> None:
    request = log.request(300)
    status, content_type, said = served.post(sent(request))
    assert (status, content_type) == (200, "text/plain")
    assert said.endswith("\n")
    assert served.witness.key.made(parse_signature(said.removesuffix("\n")), request.note.text)
    assert [(each["status"], each["size"], each["origin"]) for each in served.told] == [(200, 300, ORIGIN)]


def test_one_that_stands_elsewhere_tells_its_size(served: Served, log: MadeLog) -> None:
    assert served.post(sent(log.request(300)))[0] == 200
    assert served.post(sent(log.request(400))) == (409, "text/x.tlog.size", "300\n")
    assert served.post(sent(log.request(400, old=300)))[0] == 200


def test_each_refusal_has_its_status(served: Served, log: MadeLog, tmp_path: Path) -> None:
    older = log.request(200)
    assert served.post(sent(log.request(300)))[0] == 200
    stranger = signer("stranger.example", seed=7)
    unknown = signed(Checkpoint("stranger.example", 1, bytes(32)).text, [stranger])
    altered = log.grown(300)._replace(text=Checkpoint(ORIGIN, 301, bytes(32)).text)
    forged = MadeLog(tmp_path / "forged", altered=100)
    fork = MadeLog(tmp_path / "fork", altered=299).request(300)
    assert served.post(b"old 0\n\nnonsense\n")[0] == 400
    assert served.post(sent(older._replace(old=300)))[0] == 400
    assert served.post(sent(WitnessRequest(0, (), unknown)))[0] == 404
    assert served.post(sent(WitnessRequest(300, (), altered)))[0] == 403
    assert served.post(sent(older))[:2] == (409, "text/x.tlog.size")
    assert served.post(sent(fork._replace(old=300, proof=())))[:2] == (409, "text/plain")
    assert served.post(sent(forged.request(400, old=300)))[0] == 422
    served.now = NOW - CLOCK_BACK_SECONDS_MAX - 1
    assert served.post(sent(log.request(400, old=300)))[0] == 503
    assert len(list((served.folder / "evidence").iterdir())) == 2
    assert [each["status"] for each in served.told] == [200, 400, 400, 404, 403, 409, 409, 422, 503]


def test_a_damaged_witness_answers_without_details(served: Served, log: MadeLog) -> None:
    (served.folder / "logs").write_text("nonsense\n", encoding="utf-8")
    status, _, said = served.post(sent(log.request(1)))
    assert status == 503
    assert str(served.folder) not in said
    assert "logs cannot be read" in str(served.told[0]["reason"])


def test_other_paths_and_methods_are_refused(served: Served) -> None:
    assert served.said("GET", "/add-checkpoint")[0] == 405
    assert served.said("GET", "/")[0] == 404
    assert served.post(b"", "/elsewhere")[0] == 404
    assert served.said("DELETE", "/add-checkpoint")[0] == 501


@pytest.mark.parametrize(
    ("length", "status"),
    [(None, 411), ("x", 411), ("-1", 411), (str(REQUEST_BYTES_MAX + 1), 413), ("9" * 5000, 413), ("0" * 30 + "1", 413)],
)
def test_a_body_must_tell_its_length_and_have_little(served: Served, length: str | None, status: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        connection.putrequest("POST", "/add-checkpoint")
        if length is not None:
            connection.putheader("Content-Length", length)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (status, "close")


def test_a_body_that_ends_early_is_no_request(served: Served, log: MadeLog) -> None:
    body = sent(log.request(10))
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (len(body) + 1) + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert served.witness.latest(ORIGIN) is None


def test_one_connection_carries_many_requests(served: Served, log: MadeLog) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)) as connection:
        for old, size in ((0, 10), (10, 20), (15, 30), (20, 30)):
            connection.request("POST", "/add-checkpoint", sent(log.request(size, old=old)))
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (409 if old == 15 else 200, True)
            assert connection.sock is not None


def test_a_caller_that_goes_away_does_no_harm(served: Served, log: MadeLog) -> None:
    for said in (
        b"",
        b"POST",
        b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
        b"\x16\x03\x01\x00\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
            connection.sendall(said)
    assert asked(served, log, 10)


# --- The client


def test_the_client_learns_where_the_witness_stands(served: Served, log: MadeLog) -> None:
    asked(served, log, 100)
    asked(served, log, 300)
    asked(served, log, 900, old=500)
    assert [each["status"] for each in served.told] == [200, 409, 200, 409, 200]


def test_the_client_says_that_its_own_log_came_back_older(served: Served, log: MadeLog, tmp_path: Path) -> None:
    asked(served, log, 300)
    with pytest.raises(WitnessRefused, match="has seen 300 entries, this log has 200"):
        asked(served, MadeLog(tmp_path / "restored"), 200)


def test_the_client_passes_on_a_refusal(served: Served, log: MadeLog, tmp_path: Path) -> None:
    asked(served, log, 300)
    with pytest.raises(WitnessRefused, match=r"does not continue the 300 .*\(422\)"):
        asked(served, MadeLog(tmp_path / "forged", altered=100), 400)
    with pytest.raises(WitnessRefused, match=r"another root for 300 entries \(409\)"):
        asked(served, MadeLog(tmp_path / "fork", altered=100), 300)


def test_the_client_says_what_is_not_to_be_reached(log: MadeLog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    note = log.grown(10)
    with pytest.raises(Unavailable, match="cannot be reached"):
        cosignatures(f"http://127.0.0.1:{port}", note, size=10, old=0, proof_from=lambda _known: [])
    for url in (
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "nonsense",
        "http://",
        "http://a b",
        "http://[::1",
        "http://:x",
    ):
        with pytest.raises((BadNote, Unavailable)):
            cosignatures(url, note, size=10, old=0, proof_from=lambda _known: [])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnonsense\n", BadNote),
        (b"HTTP/1.1 409 No\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 2\r\n\r\nx\n", BadNote),
        (b"HTTP/1.1 409 No\r\nContent-Type: text/x.tlog.size\r\nContent-Length: 2\r\n\r\n1\n", Unavailable),
        (b"HTTP/1.1 409 No\r\nContent-Type: text/x.tlog.size\r\n\r\n" + b"9" * 5000, BadNote),
        (b"HTTP/1.1 429 Slowly\r\nContent-Length: 0\r\n\r\n", Unavailable),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", Unavailable),
        (b"HTTP/1.1 403 No\r\n\r\n\x1b[31mred\nlines", WitnessRefused),
        (b"nonsense\r\n\r\n", Unavailable),
        (b"", Unavailable),
    ],
)
def test_the_client_believes_no_strange_answer(log: MadeLog, answer: bytes, expected: type[Exception]) -> None:
    note = log.grown(10)
    with socket.create_server(("127.0.0.1", 0)) as strange:
        thread = Thread(target=_answering, args=(strange, answer))
        thread.start()
        url = f"http://127.0.0.1:{strange.getsockname()[1]}"
        with pytest.raises(expected) as raised:
            cosignatures(url, note, size=10, old=0, proof_from=lambda known: log.growth(known, 10))
        strange.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert str(raised.value).isprintable()


def _answering(strange: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = strange.accept()
        except OSError:
            return
        with connection:
            received = b""
            while b"\n\n\xe2\x80\x94" not in received:
                received += connection.recv(65_536)
            connection.sendall(answer)
            # Closed with bytes unread, the answer itself might be lost.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass


# --- Many at once


def test_of_contradicting_requests_at_once_one_is_cosigned(served: Served, log: MadeLog, tmp_path: Path) -> None:
    """Each caller brings a history of its own, all signed by the log's key, as after a theft."""
    forks = [MadeLog(tmp_path / f"fork{each}", altered=1 + each) for each in range(CALLERS)]
    histories = [log, *forks]
    size, chosen = 0, histories
    for number in range(ROUNDS):
        bodies = [sent(each.request(20 + number, old=size)) for each in histories]
        starting = Barrier(len(bodies))

        def post(body: bytes, starting: Barrier = starting) -> tuple[int, str, str]:
            starting.wait()
            return served.post(body)

        with ThreadPoolExecutor(len(bodies)) as pool:
            answers = list(pool.map(post, bodies))
        cosigned = [each for each, answer in zip(histories, answers, strict=True) if answer[0] == 200]
        assert len(cosigned) == 1, answers
        latest = served.witness.latest(ORIGIN)
        assert latest is not None
        assert parse_checkpoint(latest.text).root == parse_checkpoint(cosigned[0].grown(20 + number).text).root
        size = 20 + number
        # Once one was cosigned, only what continues it is.
        assert cosigned[0] in chosen
        chosen = cosigned


def test_honest_callers_at_once_leave_the_largest(served: Served, log: MadeLog) -> None:
    sizes = [10 + 7 * each for each in range(CALLERS)]
    notes = [log.grown(size) for size in sizes]

    def ask(at: int) -> int:
        size = sizes[at]
        try:
            cosignatures(served.url, notes[at], size=size, old=0, proof_from=lambda known: log.growth(known, size))
        except (WitnessRefused, Unavailable):
            return 0
        return size

    with ThreadPoolExecutor(CALLERS) as pool:
        done = [each for each in pool.map(ask, range(CALLERS)) if each]
    latest = served.witness.latest(ORIGIN)
    assert latest is not None
    assert parse_checkpoint(latest.text).size == max(done)
    answered = [each["size"] for each in served.told if each["status"] == 200]
    assert sorted(done) == sorted(int(str(each)) for each in answered)
