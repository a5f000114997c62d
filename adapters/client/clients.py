"""The two clients: one that waits, and one to await. What they share is in `Core`; here is what differs."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from random import SystemRandom
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from sealbook.adapters.client import reading, uses
from sealbook.adapters.client.attempts import Attempts, Lost, Patience, Wait
from sealbook.adapters.client.calls import Answer, Call, How, Ref
from sealbook.adapters.client.methods import Methods, Sends, SendsAsync
from sealbook.adapters.client.results import Event, Page, Used
from sealbook.adapters.client.tail import SILENCE_SECONDS_MAX, Tail, listening
from sealbook.adapters.client.uses import Use
from sealbook.adapters.ids import new_id

T = TypeVar("T")
Token = str | Callable[[], str]
CONNECTIONS = 100
_GOOD = 200
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class Core:
    """Where the service is, who asks, and with how much patience."""

    def __init__(self, address: str, token: Token, patience: Patience) -> None:
        if not address.startswith(("https://", "http://")):
            raise ValueError("the address of a service begins with https:// or, within one host, http://")
        self.address, self.patience = address.rstrip("/"), patience
        self._token = token
        self._chance = SystemRandom().random

    def attempts(self, call: Call[T]) -> Attempts[T]:
        return Attempts(call, self.patience, clock=time.monotonic, chance=self._chance, now=lambda: datetime.now(UTC))

    def request(self, call: Call[Any], *, seconds: float) -> dict[str, Any]:
        """Return what an attempt sends; the token is asked for anew. Raises ValueError for one that is none."""
        token = self._token if isinstance(self._token, str) else self._token()
        if not token or not (token.isascii() and token.isprintable()) or " " in token:
            raise ValueError("the token is empty, or holds what a header cannot")
        return {
            "method": call.method,
            "url": self.address + call.path,
            "headers": {"Authorization": f"Bearer {token}", **call.headers},
            "content": call.content,
            "timeout": httpx.Timeout(seconds),
        }


class Client(Methods, Sends):
    """Asks the service, and waits for the answer. It may be shared by threads. Close it, or use it in a `with`.

    `token` is a bearer token, or is asked for one at each attempt. `tls` is for a bank's own authority and for a
    client certificate. Proxies and `.netrc` of the environment are not heeded; `http` is a client of your own making.
    """

    def __init__(
        self,
        address: str,
        *,
        token: Token,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        self._core = Core(address, token, patience or Patience())
        self._http = http or httpx.Client(verify=tls or True, trust_env=False, limits=_limits(CONNECTIONS))

    def send(self, call: Call[T], /) -> T:
        """Return the result of a call, sent as often as it takes. Raises Problem, NoAnswer."""
        attempts = self._core.attempts(call)
        while True:
            verdict = attempts.judge(self._attempt(call, attempts.seconds()))
            if not isinstance(verdict, Wait):
                return verdict
            time.sleep(verdict.seconds)

    def rows(self, call: Call[Page[T]], /) -> Iterator[T]:
        """Yield the rows of a page and of all that follow."""
        more: Call[Page[T]] | None = call
        while more is not None:
            page = self.send(more)
            yield from page.rows
            more = reading.following(more, page)

    def use_signed(
        self, credential: Ref, sign: Callable[[bytes], bytes], *, counter: int = 0, **how: Unpack[How]
    ) -> Used:
        """Ask whether a use may pass that the bound device signs: `sign` gets the bytes, and returns the signature."""
        key = how.setdefault("key", new_id())
        made = self.challenge(credential, key=key)
        signature = sign(uses.message_to_sign(made, counter=counter))
        return self.use(credential, Use(proof=uses.signed(made, signature, counter=counter)), **how)

    def events(
        self, *, after: int | None = None, types: Sequence[str] = (), reason: str | None = None
    ) -> Iterator[Event]:
        """Yield what the ledger records, from a position on and as it comes, over broken connections, without end.

        Raises Problem, and NoAnswer when the service cannot be reached for as long as the patience lasts.
        """
        tail = Tail(after)
        attempts = self._core.attempts(_listening(tail, types, reason))
        while True:
            request = self._core.request(_listening(tail, types, reason), seconds=SILENCE_SECONDS_MAX)
            heard: Answer | Lost = Lost(sent=False)
            try:
                with self._http.stream(**request) as response:
                    if response.status_code == _GOOD:
                        for chunk in response.iter_bytes():
                            attempts = self._core.attempts(_listening(tail, types, reason))
                            yield from tail.hear(chunk)
                    else:
                        heard = Answer(response.status_code, response.headers, response.read())
            except httpx.RequestError:
                heard = Lost(sent=False)
            tail.broken()
            time.sleep(_wait(attempts, heard))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._core.address!r})"

    def _attempt(self, call: Call[Any], seconds: float) -> Answer | Lost:
        until = time.monotonic() + seconds
        try:
            with self._http.stream(**self._core.request(call, seconds=seconds)) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if time.monotonic() > until:
                        # Each read was quick enough, and all together are not.
                        return Lost(sent=True)
                return Answer(response.status_code, response.headers, bytes(content))
        except httpx.RequestError as error:
            return _lost(error)


class AsyncClient(Methods, SendsAsync):
    """Asks the service from asyncio: what `Client` returns is awaited here. Close it, or use it in an `async with`."""

    def __init__(
        self,
        address: str,
        *,
        token: Token,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
        http: httpx.AsyncClient | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        self._core = Core(address, token, patience or Patience())
        self._http = http or httpx.AsyncClient(verify=tls or True, trust_env=False, limits=_limits(connections))

    async def send(self, call: Call[T], /) -> T:
        """Return the result of a call, sent as often as it takes. Raises Problem, NoAnswer."""
        attempts = self._core.attempts(call)
        while True:
            verdict = attempts.judge(await self._attempt(call, attempts.seconds()))
            if not isinstance(verdict, Wait):
                return verdict
            await asyncio.sleep(verdict.seconds)

    async def rows(self, call: Call[Page[T]], /) -> AsyncIterator[T]:
        """Yield the rows of a page and of all that follow."""
        more: Call[Page[T]] | None = call
        while more is not None:
            page = await self.send(more)
            for row in page.rows:
                yield row
            more = reading.following(more, page)

    async def use_signed(
        self, credential: Ref, sign: Callable[[bytes], Awaitable[bytes]], *, counter: int = 0, **how: Unpack[How]
    ) -> Used:
        """Ask whether a use may pass that the bound device signs: `sign` gets the bytes, and awaits the signature."""
        key = how.setdefault("key", new_id())
        made = await self.challenge(credential, key=key)
        signature = await sign(uses.message_to_sign(made, counter=counter))
        proof = uses.signed(made, signature, counter=counter)
        return await self.use(credential, Use(proof=proof), **how)

    async def events(
        self, *, after: int | None = None, types: Sequence[str] = (), reason: str | None = None
    ) -> AsyncIterator[Event]:
        """Yield what the ledger records, from a position on and as it comes, over broken connections, without end.

        Raises Problem, and NoAnswer when the service cannot be reached for as long as the patience lasts.
        """
        tail = Tail(after)
        attempts = self._core.attempts(_listening(tail, types, reason))
        while True:
            request = self._core.request(_listening(tail, types, reason), seconds=SILENCE_SECONDS_MAX)
            heard: Answer | Lost = Lost(sent=False)
            try:
                async with self._http.stream(**request) as response:
                    if response.status_code == _GOOD:
                        async for chunk in response.aiter_bytes():
                            attempts = self._core.attempts(_listening(tail, types, reason))
                            for event in tail.hear(chunk):
                                yield event
                    else:
                        heard = Answer(response.status_code, response.headers, await response.aread())
            except httpx.RequestError:
                heard = Lost(sent=False)
            tail.broken()
            await asyncio.sleep(_wait(attempts, heard))

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._core.address!r})"

    async def _attempt(self, call: Call[Any], seconds: float) -> Answer | Lost:
        try:
            async with asyncio.timeout(seconds):
                response = await self._http.request(**self._core.request(call, seconds=seconds))
            return Answer(response.status_code, response.headers, response.content)
        except TimeoutError:
            return Lost(sent=True)
        except httpx.RequestError as error:
            return _lost(error)


def _lost(error: httpx.RequestError) -> Lost:
    # Its words may be a header's: they go no further.
    return Lost(sent=not isinstance(error, _NOT_SENT))


def _listening(tail: Tail, types: Sequence[str], reason: str | None) -> Call[bytes]:
    return listening(tail.position, types, {} if reason is None else {"reason": reason})


def _wait(attempts: Attempts[bytes], heard: Answer | Lost) -> float:
    verdict = attempts.judge(heard)
    return verdict.seconds if isinstance(verdict, Wait) else 0.0


def _limits(connections: int) -> httpx.Limits:
    return httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
