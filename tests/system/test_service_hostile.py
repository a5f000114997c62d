"""Clients that mean no good, or mean well and write bad HTTP: each gets a right answer or a closed connection.

Meanwhile the service's memory stays bounded, and another client is answered all the time.
"""

import json
import resource
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event, Thread
from time import monotonic, sleep

import httpx
import pytest

from sealbook.adapters.http.access import Role
from sealbook.adapters.serving.protocol import HEADERS_BYTES_MAX
from tests.conftest import KeptKeys, Server
from tests.system.serving import Held, Serving, held, kept, serving

GROWTH_BYTES_MAX = 192 * 1_048_576
"""By how much an attack may let the service's memory grow, all processes together."""
IDLE = 10_000
FILES_MORE = 500
PATIENCE_SECONDS = 40
"""Far longer than the service waits for anybody."""
SILENCE_SECONDS = 1.5
HOST = b"Host: sealbook.example\r\n"
CLOSED, KEPT = "closed", "kept"


@pytest.fixture(scope="module")
def service(
    postgres_server: Server, ledger_template: str, kept_keys: KeptKeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("service")
    with (
        kept(postgres_server, ledger_template, kept_keys, folder / "ledger") as ledger,
        serving(ledger, folder / "log", workers=2) as running,
    ):
        yield running
        assert '"code":"internal"' not in running.log.read_text()


@pytest.fixture(scope="module")
def alice(service: Serving) -> Held:
    return held(service, "alice")


@pytest.fixture(scope="module")
def teller(service: Serving) -> str:
    return service.token(Role.TELLER)


@pytest.fixture(autouse=True)
def unharmed(service: Serving, alice: Held, teller: str) -> Iterator[None]:
    """Another client asks all the time; all that it gets is what it asked for. And memory is given back."""
    ending, answers = Event(), list[int]()
    headers = {"authorization": f"Bearer {teller}", "access-reason": "complaint 7"}

    def ask() -> None:
        with httpx.Client(base_url=service.url, headers=headers, timeout=PATIENCE_SECONDS) as client:
            while not ending.wait(0.02):
                answers.append(client.get(f"/v1/credentials/{alice.credential}/renewal-info").status_code)

    before, asking = service.resident_bytes(), Thread(target=ask)
    processes = service.processes
    asking.start()
    try:
        yield
        begun = len(answers)
        while len(answers) == begun and asking.is_alive():
            sleep(0.02)
    finally:
        ending.set()
        asking.join()
    assert answers
    assert set(answers) == {200}
    assert service.processes == processes
    assert service.resident_bytes() - before < GROWTH_BYTES_MAX


def said(service: Serving, sent: bytes, *, half_closed: bool = False) -> tuple[bytes, str]:
    """Send bytes; return what came back until silence, and whether the connection was closed then."""
    heard = b""
    with socket.create_connection(service.address) as client:
        client.settimeout(SILENCE_SECONDS)
        with suppress(ConnectionError):
            client.sendall(sent)
            if half_closed:
                client.shutdown(socket.SHUT_WR)
        try:
            while part := client.recv(65_536):
                heard += part
        except TimeoutError:
            return heard, KEPT
        except ConnectionError:
            return heard, CLOSED
    return heard, CLOSED


def statuses(heard: bytes) -> list[int]:
    """Return the status of every answer; each is of a known length, and every problem is told as one."""
    found = list[int]()
    while heard:
        head, _, rest = heard.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status = int(lines[0].split()[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        length = int(fields.get(b"content-length", b"0"))
        if status >= 400:
            assert fields[b"content-type"] == b"application/problem+json", head
            assert json.loads(rest[:length])["status"] == status
        found += [] if status == 100 else [status]
        heard = rest[length:]
    return found


def get(path: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    return b"GET %s HTTP/%s\r\n%s%s\r\n" % (path, version, HOST, b"".join(each + b"\r\n" for each in headers))


def post(body: bytes, *headers: bytes, path: bytes = b"/v1/customers") -> bytes:
    return b"POST %s HTTP/1.1\r\n%s%s\r\n%s" % (path, HOST, b"".join(each + b"\r\n" for each in headers), body)


ALIVE = get(b"/livez")
CHUNKED = b"Transfer-Encoding: chunked"
ODD: dict[str, tuple[bytes, list[int], str | None]] = {
    # What was sent, which answers come, and whether the connection is closed then, if it matters.
    "HTTP/1.0": (get(b"/livez", version=b"1.0"), [200], CLOSED),
    "HTTP/1.9": (get(b"/livez", version=b"1.9"), [400], CLOSED),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], CLOSED),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), [400], CLOSED),
    "absolute": (get(b"http://elsewhere.example/livez"), [200], KEPT),
    "absolute, and nothing is there": (get(b"http://elsewhere.example/nothing"), [404], KEPT),
    "not absolute, not a path": (get(b"livez"), [400], CLOSED),
    "no address at all": (get(b""), [400], CLOSED),
    "half an address": (get(b"http://[::1"), [400], CLOSED),
    "CONNECT": (b"CONNECT elsewhere.example:443 HTTP/1.1\r\n%s\r\n" % HOST, [400], CLOSED),
    "TRACE": (b"TRACE /livez HTTP/1.1\r\n%s\r\n" % HOST, [405], KEPT),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n%s\r\n" % HOST, [404], KEPT),
    "another protocol": (get(b"/livez", b"Connection: upgrade", b"Upgrade: websocket"), [200], None),
    "line feeds only": (b"GET /livez HTTP/1.1\nHost: x\n\n", [400], CLOSED),
    "a folded header": (get(b"/livez", b"X: a\r\n b"), [400], CLOSED),
    "NUL in a header": (get(b"/livez", b"X: a\0b"), [400], CLOSED),
    "bytes above ASCII in the address": (get(b"/v1/customers/\xff\xfe"), [400], CLOSED),
    "a long address": (get(b"/" + b"a" * 2 * HEADERS_BYTES_MAX), [400], CLOSED),
    "a long header": (get(b"/livez", b"X: " + b"a" * 2 * HEADERS_BYTES_MAX), [400], CLOSED),
    "an endless header": (b"GET /livez HTTP/1.1\r\nX: " + b"a" * 20 * HEADERS_BYTES_MAX, [400], CLOSED),
    "many headers": (get(b"/livez", *(b"X%d: y" % each for each in range(5_000))), [400], CLOSED),
    "many trailers": (
        post(b"0\r\n" + b"".join(b"X%d: y\r\n" % each for each in range(50_000)), CHUNKED),
        [400],
        CLOSED,
    ),
    "both lengths": (post(b"0\r\n\r\n" + ALIVE, b"Content-Length: 5", CHUNKED), [400], CLOSED),
    "both lengths, the other way": (post(b"0\r\n\r\n" + ALIVE, CHUNKED, b"Content-Length: 5"), [400], CLOSED),
    "two lengths": (post(b"hello" + ALIVE, b"Content-Length: 5", b"Content-Length: 6"), [400], CLOSED),
    "a list of lengths": (post(b"hello" + ALIVE, b"Content-Length: 5, 5"), [400], CLOSED),
    "a length below zero": (post(ALIVE, b"Content-Length: -1"), [400], CLOSED),
    "a length with a sign": (post(b"hello" + ALIVE, b"Content-Length: +5"), [400], CLOSED),
    "a length beyond all": (post(b"hello", b"Content-Length: 99999999999999999999999"), [400], CLOSED),
    "a length too long": (post(b"hello", b"Content-Length: 1048576"), [413], CLOSED),
    "an unknown encoding": (post(b"0\r\n\r\n" + ALIVE, b"Transfer-Encoding: xchunked"), [400], CLOSED),
    "chunks not last": (post(b"0\r\n\r\n" + ALIVE, b"Transfer-Encoding: chunked, identity"), [400], CLOSED),
    "a blank before the colon": (post(b"0\r\n\r\n" + ALIVE, b"Transfer-Encoding : chunked"), [400], CLOSED),
    "a chunk of no length": (post(b"zz\r\nhello\r\n0\r\n\r\n" + ALIVE, CHUNKED), [400], CLOSED),
    "a chunk longer than it says": (post(b"1\r\nhello\r\n0\r\n\r\n" + ALIVE, CHUNKED), [400], CLOSED),
    "100-continue": (post(b"", b"Expect: 100-continue", b"Content-Length: 2000000"), [413], CLOSED),
    "good, and then none": (ALIVE + b"\0" * 100, [200], CLOSED),
}


def test_odd_requests(service: Serving) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = {name: pool.submit(said, service, sent) for name, (sent, _, _) in ODD.items()}
        heard = {name: each.result() for name, each in asked.items()}
    wrong = {
        name: (answer, state)
        for name, (answer, state) in heard.items()
        # The answer to what goes on being sent may be lost with the connection.
        if statuses(answer)
        not in ([ODD[name][1], []] if state == CLOSED and len(ODD[name][0]) > 100_000 else [ODD[name][1]])
        or (ODD[name][2] not in (None, state))
    }
    assert wrong == {}


def test_who_closes_its_half_is_answered_or_let_go(service: Serving) -> None:
    for sent in (ALIVE, get(b"/v1/customers/c"), post(b"{", b"Content-Length: 50")):
        heard, state = said(service, sent, half_closed=True)
        assert state == CLOSED
        assert statuses(heard) in ([], [200], [401], [400])


def test_an_answer_before_the_body_does_not_end_the_connection(service: Serving) -> None:
    body = b"x" * 100_000
    refused = post(body, b"Content-Length: %d" % len(body))
    heard, state = said(service, refused + ALIVE)
    assert (statuses(heard), state) == ([401, 200], KEPT)


def test_requests_that_come_all_at_once_are_answered_in_order(service: Serving) -> None:
    heard, _ = said(service, (ALIVE + get(b"/nothing")) * 300)
    assert statuses(heard) == [200, 404] * 300


def test_bodies_that_no_reader_should_read(service: Serving, alice: Held, teller: str) -> None:
    deep = 100_000
    bodies = (
        *(b"[" * deep + b"]" * deep, b'{"a":' * (deep // 3) + b"1" + b"}" * (deep // 3), b'{"name":' + b"[" * deep),
        *(b'{"name": "\xff\xfe"}', b'{"name": "\xed\xa0\x80"}', b'{"name": "\\ud800"}', b'{"name": "a\\u0000b"}'),
        *(b"\xef\xbb\xbf{}", '{"name": "a"}'.encode("utf-16"), b"\0", b"{} {}", b'{"name": 1e999999}', b"NaN"),
        b'{"name": ' + b"9" * 100_000 + b"}",
    )
    uses, batch = f"/v1/credentials/{alice.credential}/uses", "/v1/uses:batch"
    paths = ("/v1/customers", "/v1/webhooks", uses, batch, "/v1/erasures", "/v1/policies/announce")
    by = {"authorization": f"Bearer {teller}", "content-type": "application/json"}
    administrator = {**by, "authorization": f"Bearer {service.token(Role.ADMINISTRATOR)}"}
    with httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS) as client:
        for path in paths:
            for number, body in enumerate(bodies):
                key = {"idempotency-key": f"00000000-0000-4000-8000-{number:012}"}
                token = by if path in ("/v1/customers", uses, batch) else administrator
                answer = client.post(path, content=body, headers={**token, **key})
                assert answer.status_code in (400, 422), (path, body[:40], answer.text)
                assert answer.headers["content-type"] == "application/problem+json"


def test_addresses_that_no_reader_should_read(service: Serving, teller: str) -> None:
    token = (b"Authorization: Bearer " + teller.encode(), b"Access-Reason: complaint 7")
    names = (b"%00", b"a%00b", b"%zz%f", b"%", b"%ff%fe%c0%af", b"%ed%a0%80", b"%2e%2e%2f%2e%2e", b"name:", b"name:%00")
    for name in (*names, b"..", b"a" * 8_000, b"%0d%0aX:%20y", b"%F0%9F%94%91"):
        heard, _ = said(service, get(b"/v1/customers/" + name, *token, b"Connection: close"))
        assert statuses(heard) in ([404], [422]), (name, heard)
    for query in (b"as_of=%00", b"as_of=%ff", b"%ff=1", b"as_of=" + b"9" * 8_000, b"&&&=&", b"as_of=1&as_of=2"):
        heard, _ = said(service, get(b"/v1/customers/c?" + query, *token, b"Connection: close"))
        assert statuses(heard) in ([404], [422]), (query, heard)


def test_bodies_that_do_not_end(service: Serving, teller: str) -> None:
    token = b"Authorization: Bearer " + teller.encode()
    million = b"x" * 1_048_576
    chunks = b"10000\r\n%s\r\n" % (b"x" * 65_536) * 64
    for headers in ((token,), ()):
        whole, _ = said(service, post(million, b"Content-Length: 1048576", *headers))
        assert statuses(whole) in ([413], [])
        endless, state = said(service, post(chunks, CHUNKED, *headers))
        assert statuses(endless) in ([413], [401], [])
        assert not headers or state == CLOSED


def test_who_is_slow_is_waited_for_no_longer_than_a_moment(service: Serving, teller: str) -> None:
    token = b"Authorization: Bearer " + teller.encode()
    body = post(b"", b"Content-Length: 1000", token)
    endless = post(b"", CHUNKED)
    slow: dict[str, Callable[[socket.socket], None]] = {
        "says nothing": lambda _client: None,
        "a byte of a header at a time": lambda client: _drip(client, get(b"/livez", b"X: " + b"a" * 1_000)),
        "a byte of a second request at a time": lambda client: _drip(client, ALIVE + b"GET /li" + b"v" * 1_000, 60),
        "empty lines": lambda client: _drip(client, b"\r\n" * 1_000),
        "a byte of a body at a time": lambda client: _drip(client, body + b"x" * 1_000, len(body)),
        "a body after the answer": lambda client: _drip(client, endless + b"1\r\nx\r\n" * 1_000, len(endless)),
        "reads nothing": _never_read,
    }
    with ThreadPoolExecutor(len(slow)) as pool:
        asked = {name: pool.submit(_until_closed, service, act) for name, act in slow.items()}
        ended = {name: each.result() for name, each in asked.items()}
    assert ended == dict.fromkeys(slow, True)


def _until_closed(service: Serving, act: Callable[[socket.socket], None]) -> bool:
    """Act until the service ends the connection; tell whether it did."""
    give_up = monotonic() + PATIENCE_SECONDS
    with socket.socket() as client:
        # Nearly nothing that was not read fits in between.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        client.connect(service.address)
        client.settimeout(0.25)
        try:
            act(client)
            while monotonic() < give_up:
                with suppress(TimeoutError):
                    if not client.recv(1):
                        return True
        except ConnectionError:
            return True
    return False


def _drip(client: socket.socket, sent: bytes, at_once: int = 0) -> None:
    client.sendall(sent[:at_once])
    give_up = monotonic() + PATIENCE_SECONDS
    for each in sent[at_once:]:
        client.sendall(bytes([each]))
        sleep(0.1)
        if monotonic() > give_up:
            return


def _never_read(client: socket.socket) -> None:
    """Ask for more than fits in between, and look only at whether the connection is still there."""
    with suppress(TimeoutError):
        client.sendall(get(b"/v1/openapi.json") * 300)
    give_up = monotonic() + PATIENCE_SECONDS
    # What the system knows of a connection begins with its state, 1 if it is established.
    while struct.unpack_from("B", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8))[0] == 1:
        assert monotonic() < give_up
        sleep(0.1)
    raise ConnectionResetError


def test_many_who_say_nothing(service: Serving, alice: Held, teller: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + FILES_MORE
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
    except (ValueError, OSError):
        pytest.skip(f"this process may not have {wanted} open files")
    for process in service.processes:
        resource.prlimit(process, resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for number in range(IDLE):
            client = stack.enter_context(socket.socket())
            # From several addresses, or the system runs out of ports.
            client.bind((f"127.0.1.{number % 8 + 1}", 0))
            client.connect(service.address)
            if number % 2:
                client.sendall(b"GET /li")
        answer = service.asked("GET", f"/v1/customers/{alice.customer}", by=teller, access_reason="complaint 7")
        assert answer.status_code == 200
