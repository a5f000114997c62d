"""One attempt to deliver: to an address that was checked, and to no other."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from sealbook.adapters.webhooks.addresses import NotReachable, Reach, Resolve, port_of, resolve

ANSWER_SECONDS_MAX = 10.0
"""From the look-up of the host to the status of the answer."""
REST_SECONDS_MAX = 1.0
REST_BYTES_MAX = 4_096
CONNECTIONS_MAX = 8
IDLE_SECONDS_MAX = 5.0
GONE = 410


@dataclass(frozen=True, slots=True)
class Delivered:
    pass


@dataclass(frozen=True, slots=True)
class Gone:
    """The receiver wants nothing any more."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt came to nothing; `asked_seconds` is how long the receiver asked us to stay away."""

    why: str
    asked_seconds: float = 0.0


Answer = Delivered | Gone | Failed


class Courier:
    """Delivers to one receiver.

    Its connections serve this URL alone: they go to an address, and another host at the same address is somebody else.
    """

    # The transport and not a client around it: a client follows proxies of the environment, keeps cookies, and logs
    # the address, in which a receiver may have put a secret.

    def __init__(
        self,
        url: str,
        *,
        reach: Reach,
        resolver: Resolve = resolve,
        certificates: ssl.SSLContext | None = None,
        answer_seconds_max: float = ANSWER_SECONDS_MAX,
    ) -> None:
        self.url = url
        self._reach = reach
        self._resolver = resolver
        self._answer_seconds_max = answer_seconds_max
        self._turn = 0
        limits = httpx.Limits(max_connections=CONNECTIONS_MAX, keepalive_expiry=IDLE_SECONDS_MAX)
        self._transport = httpx.AsyncHTTPTransport(
            verify=certificates or certificates_of_system(), trust_env=False, limits=limits
        )

    async def close(self) -> None:
        await self._transport.aclose()

    async def post(self, body: bytes, *, headers: Mapping[str, str], now: datetime) -> Answer:
        """Send a message and return what became of it. Never raises for what a receiver or a network does."""
        try:
            async with asyncio.timeout(self._answer_seconds_max):
                request = await self._request(body, headers)
                response = await self._transport.handle_async_request(request)
        except NotReachable as error:
            return Failed(str(error))
        except (OSError, UnicodeError, httpx.HTTPError, httpx.InvalidURL) as error:
            # Of several addresses one may be down: the next attempt goes to another.
            self._turn += 1
            return Failed(_trouble(error))
        try:
            return _answer(response, now)
        finally:
            await _finish(response)

    async def _request(self, body: bytes, headers: Mapping[str, str]) -> httpx.Request:
        """Return a request to an address of the host, all of which were checked: the host is not looked up again."""
        url = self._reach.check_url(self.url)
        try:
            addresses = await self._resolver(url.host, port_of(url))
        except (OSError, UnicodeError):
            raise NotReachable("the host has no address") from None
        self._reach.check_addresses(addresses)
        return httpx.Request(
            "POST",
            url.copy_with(host=addresses[self._turn % len(addresses)]),
            headers={"Host": url.netloc.decode(), "User-Agent": "sealbook", **headers},
            content=body,
            # Whom the certificate must name; over plain HTTP nobody reads it.
            extensions={"sni_hostname": url.host, "timeout": httpx.Timeout(self._answer_seconds_max).as_dict()},
        )


def certificates_of_system() -> ssl.SSLContext:
    """Return the certificates that the system trusts."""
    return ssl.create_default_context()


def _answer(response: httpx.Response, now: datetime) -> Answer:
    if response.is_success:
        return Delivered()
    if response.status_code == GONE:
        return Gone()
    return Failed(f"the receiver answered {response.status_code}", _asked_seconds(response, now))


def _asked_seconds(response: httpx.Response, now: datetime) -> float:
    """Return what Retry-After asks for, in seconds or as a date; 0 where it asks for nothing that can be read."""
    asked = response.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until = parsedate_to_datetime(asked)
    except (ValueError, IndexError, OverflowError):
        return 0.0
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)


async def _finish(response: httpx.Response) -> None:
    """Read what little may follow, so that the connection can serve again; close it if there is more."""
    with suppress(OSError, httpx.HTTPError, httpx.StreamError):
        async with asyncio.timeout(REST_SECONDS_MAX):
            read_bytes = 0
            async for part in response.aiter_raw():
                read_bytes += len(part)
                if read_bytes > REST_BYTES_MAX:
                    break
    with suppress(OSError, httpx.HTTPError):
        async with asyncio.timeout(REST_SECONDS_MAX):
            await response.aclose()


def _trouble(error: Exception) -> str:
    """Return what went wrong in words of ours: an error's own may hold the address."""
    match error:
        case TimeoutError() | httpx.TimeoutException():
            return "no answer came in time"
        case httpx.ConnectError() if _of_tls(error):
            return "the TLS connection failed: the certificate must be valid for the host"
        case httpx.ConnectError() | UnicodeError() | httpx.InvalidURL():
            return "no connection was made"
        case _:
            return "the connection broke before the answer"


def _of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None
