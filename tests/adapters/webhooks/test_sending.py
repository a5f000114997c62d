"""One attempt: whatever a receiver does, and wherever its name leads."""

import asyncio
import socket
import ssl
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sealbook.adapters.webhooks import sending
from sealbook.adapters.webhooks.addresses import Reach, Resolve
from sealbook.adapters.webhooks.sending import Answer, Courier, Delivered, Failed, Gone
from tests.adapters.webhooks.hooked import loopback
from tests.adapters.webhooks.receiving import Receiver, Reply, receiving

NOW = datetime(2024, 3, 10, 9, tzinfo=UTC)
LOOPBACK = (ip_network("127.0.0.0/8"),)
HEADERS = {"webhook-id": "1", "Content-Type": "application/json"}
BRIEF_SECONDS = 0.3
"""Of one that is to be waited for in vain. No test asks how long it took."""


def posted(courier: Courier, times: int = 1) -> list[Answer]:
    async def posting() -> list[Answer]:
        try:
            return [await courier.post(b"{}", headers=HEADERS, now=NOW) for _ in range(times)]
        finally:
            await courier.close()

    return asyncio.run(posting())


def leading_to(*answers: Sequence[str] | Exception) -> tuple[Resolve, list[str]]:
    """Return a resolver that gives these answers in turn, the last for good; and what it was asked."""
    asked: list[str] = []

    async def resolver(host: str, _port: int) -> Sequence[str]:
        answer = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return resolver, asked


@contextmanager
def speaking(*said: bytes, endless: bytes = b"", pause_seconds: float = 0) -> Generator[int]:
    """A server that says this to whoever connects, then another thing for ever, or nothing more."""
    ended = Event()

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    connection.sendall(b"".join(said))
                    while endless and not ended.wait(pause_seconds):
                        connection.sendall(endless)
                    while connection.recv(65_536):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve, args=[listening], daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=10)


def brief(port: int) -> Courier:
    reach = Reach(networks=LOOPBACK, ports=frozenset({port}), plain_http=True)
    return Courier(f"http://127.0.0.1:{port}/", reach=reach, answer_seconds_max=BRIEF_SECONDS)


# --- Answers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_status_of_success_is_one(receiver: Receiver, status: int) -> None:
    receiver.answering = lambda _: Reply(status)
    assert posted(Courier(receiver.url, reach=loopback(receiver))) == [Delivered()]
    (message,) = receiver.came
    assert (message.path, message.body, message.headers["host"]) == ("/hook", "{}", f"127.0.0.1:{receiver.port}")


@pytest.mark.parametrize("status", [304, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_a_failure(receiver: Receiver, status: int) -> None:
    receiver.answering = lambda _: Reply(status)
    assert posted(Courier(receiver.url, reach=loopback(receiver))) == [Failed(f"the receiver answered {status}")]


def test_one_status_means_that_nothing_more_is_wanted(receiver: Receiver) -> None:
    receiver.answering = lambda _: Reply(410)
    assert posted(Courier(receiver.url, reach=loopback(receiver))) == [Gone()]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    with receiving() as other:
        receiver.answering = lambda _: Reply(status, {"Location": other.url})
        courier = Courier(receiver.url, reach=loopback(receiver, other))
        assert posted(courier) == [Failed(f"the receiver answered {status}")]
        assert other.came == []


def test_no_cookie_is_kept_and_no_proxy_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        receiver.answering = lambda _: Reply(204, {"Set-Cookie": "a=b"})
        assert posted(Courier(receiver.url, reach=loopback(receiver)), times=2) == [Delivered()] * 2
        assert proxy.came == []
    assert all("cookie" not in message.headers for message in receiver.came)
    assert receiver.connections == 1


# --- Receivers that mean no good


def test_who_never_answers_is_not_waited_for() -> None:
    with speaking() as port:
        assert posted(brief(port)) == [Failed("no answer came in time")]


@pytest.mark.parametrize("endless", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X-More: of the same\r\n"])
def test_who_never_comes_to_an_answer_is_not_waited_for(endless: bytes) -> None:
    with speaking(b"HTTP/1.1 200 OK\r\n" if endless.startswith(b"X") else b"", endless=endless) as port:
        (answer,) = posted(brief(port))
    assert isinstance(answer, Failed)


@pytest.mark.parametrize(
    "body", [b"Content-Length: 1000000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"\r\n"]
)
def test_an_endless_body_changes_no_answer(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing but its length ends it.
    monkeypatch.setattr(sending, "REST_SECONDS_MAX", 1_000.0)
    endless = b"400\r\n" + b"a" * 0x400 + b"\r\n"
    with speaking(b"HTTP/1.1 200 OK\r\n", body, endless=endless) as port:
        assert posted(brief(port), times=2) == [Delivered()] * 2


def test_a_body_that_never_comes_changes_no_answer() -> None:
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") as port:
        assert posted(brief(port)) == [Delivered()]


def test_a_body_that_drips_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "REST_SECONDS_MAX", BRIEF_SECONDS)
    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", endless=b"a", pause_seconds=0.1) as port:
        assert posted(brief(port)) == [Delivered()]


def test_what_is_no_answer_is_a_failure() -> None:
    with speaking(b"\0\r\n\r\n" * 9) as port:
        assert posted(brief(port)) == [Failed("the connection broke before the answer")]


def test_nobody_there_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    assert posted(brief(port)) == [Failed("no connection was made")]


# --- Names that lead elsewhere


def test_the_connection_goes_to_the_address_that_was_checked(receiver: Receiver) -> None:
    resolver, asked = leading_to(["127.0.0.1"])
    url = f"http://hooks.bank.example:{receiver.port}/hook"
    assert posted(Courier(url, reach=loopback(receiver), resolver=resolver)) == [Delivered()]
    assert asked == ["hooks.bank.example"]
    assert receiver.came[0].headers["host"] == f"hooks.bank.example:{receiver.port}"


def test_a_name_that_comes_to_lead_inside_is_called_no_more(receiver: Receiver) -> None:
    """The receiver stands on 127.0.0.1 for a public address; 127.0.0.2 is what may not be called."""
    reach = replace(loopback(receiver), networks=(ip_network("127.0.0.1/32"),))
    resolver, _ = leading_to(["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1"])
    courier = Courier(f"http://hooks.bank.example:{receiver.port}/", reach=reach, resolver=resolver)
    inside = Failed("the host leads to an address that may not be called")
    assert posted(courier, times=4) == [Delivered(), inside, inside, Delivered()]
    assert len(receiver.came) == 2


@pytest.mark.parametrize("written", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost"])
def test_however_this_computer_is_written_it_is_not_called(receiver: Receiver, written: str) -> None:
    reach = Reach(ports=frozenset({receiver.port}), plain_http=True)
    (answer,) = posted(Courier(f"http://{written}:{receiver.port}/", reach=reach))
    assert isinstance(answer, Failed)
    assert receiver.connections == 0


def test_a_host_that_is_not_known_is_a_failure(receiver: Receiver) -> None:
    for error in (socket.gaierror(-2, "no such host"), UnicodeError("label too long"), OSError("no resolver")):
        resolver, _ = leading_to(error)
        courier = Courier(f"http://gone:{receiver.port}/", reach=loopback(receiver), resolver=resolver)
        assert posted(courier) == [Failed("the host has no address")]


def test_a_host_that_is_no_name_is_a_failure() -> None:
    resolver, asked = leading_to(["8.8.8.8"])
    assert posted(Courier("https://xn--a.example/", reach=Reach(), resolver=resolver)) == [
        Failed("the address is no URL")
    ]
    assert asked == []


@pytest.mark.parametrize("error", [UnicodeError("of the address"), httpx.InvalidURL("of the address")])
def test_a_name_that_the_library_cannot_write_is_a_failure(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def broken(_transport: object, _request: object) -> httpx.Response:
        raise error

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", broken)
    assert posted(Courier(receiver.url, reach=loopback(receiver))) == [Failed("no connection was made")]


def test_of_several_addresses_another_is_tried_after_a_failure(receiver: Receiver) -> None:
    resolver, _ = leading_to(["127.0.0.2", "127.0.0.1"])
    courier = Courier(f"http://two:{receiver.port}/", reach=loopback(receiver), resolver=resolver)
    assert posted(courier, times=3) == [Failed("no connection was made"), Delivered(), Delivered()]


# --- TLS


def certificate(folder: Path, host: str) -> Path:
    """Return a file with a certificate of a host, made by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = folder / "certificate.pem"
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, private, serialization.NoEncryption()))
    return file


def test_the_certificate_must_name_the_host_and_not_the_address(tmp_path: Path) -> None:
    file = certificate(tmp_path, "hooks.bank.example")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(file)
    asked_for: list[str] = []
    serving.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    with receiving(serving) as receiver:
        reach = Reach(networks=LOOPBACK, ports=frozenset({receiver.port}))
        resolver, _ = leading_to(["127.0.0.1"])
        certificates = ssl.create_default_context(cafile=str(file))

        def posted_to(host: str, believed: ssl.SSLContext | None) -> list[Answer]:
            url = f"https://{host}:{receiver.port}/hook"
            return posted(Courier(url, reach=reach, resolver=resolver, certificates=believed))

        refused = [Failed("the TLS connection failed: the certificate must be valid for the host")]
        assert posted_to("hooks.bank.example", certificates) == [Delivered()]
        assert posted_to("hooks.other.example", certificates) == refused
        assert posted_to("hooks.bank.example", None) == refused
        assert len(receiver.came) == 1
        assert asked_for[:2] == ["hooks.bank.example", "hooks.other.example"]
