"""Proofs: what an outsider needs to check the ledger by itself, with sealbook-verify or any C2SP client.

The folder of the seal is opened anew for each question: it grows, and a log that ended may be replaced by another.
"""

import re
from collections.abc import Callable
from pathlib import Path as File
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from anyio import to_thread
from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.http.access import Action
from sealbook.adapters.http.answers import good
from sealbook.adapters.http.commands import NameOrId
from sealbook.adapters.http.documented import ACCESS_REASON, OF_A_TARGET, OF_ANY, Schema, may, problems
from sealbook.adapters.http.looks import Look, looked_at, reason_given, record_look
from sealbook.adapters.http.moments import KNOWN_AT, moment_asked, moment_parameter
from sealbook.adapters.http.problems import Fault, Problem
from sealbook.adapters.http.service import Service
from sealbook.adapters.http.shapes import record, rows
from sealbook.adapters.http.targets import Target
from sealbook.adapters.seal.bundles import NotSealed, Prover
from sealbook.adapters.seal.folder import SealFolder, stands_at
from sealbook.adapters.seal.notes import Note
from sealbook.adapters.seal.rows import LedgerRows
from sealbook.application.names import NameKind
from sealbook.application.ports import NO_HEAD, EventStore

T = TypeVar("T")
CURRENT = {"Cache-Control": "private, no-cache"}
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
"""A tile's name never gets other bytes. The token is asked for all the same: no cache may give it to others."""
NOT_STORED = {"Cache-Control": "no-store"}
TILE = (
    r"^(?:[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{3}/){0,5}[0-9]{3}(?:\.p/(?:[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5]))?$"
)
"""A tile's level, index and width, as C2SP tlog-tiles writes them: a name of this form leads out of no folder."""
PLAIN_TEXT, BYTES = "text/plain; charset=utf-8", "application/octet-stream"
POSITION_MAX = 2**62

Witnessed = Annotated[bool, Query(description="Under the latest checkpoint that a witness signed.")]
Position = Annotated[int, Path(ge=1, le=POSITION_MAX, description="The event's position.")]
TilePath = Annotated[str, Path(pattern=TILE, description="`LEVEL/INDEX` or `LEVEL/INDEX.p/WIDTH`: C2SP tlog-tiles.")]
_TEXT: Schema = {"type": "string"}
LOG = record(
    {
        "origin": {**_TEXT, "description": "The log's name."},
        "size": {"type": "integer", "description": "How many events are sealed."},
        "keys": {**rows(_TEXT), "description": "The log's verifier keys, the one in force first."},
        "policy": {**_TEXT, "description": "What a verifier is given: a C2SP tlog-policy."},
    }
)


class Proofs:
    """The routes of proofs. `folder` is that of the seal, which need not be there yet."""

    def __init__(self, service: Service, folder: File) -> None:
        self._service = service
        self._folder = folder

    def router(self) -> APIRouter:
        router = APIRouter()
        bundled = [ACCESS_REASON, moment_parameter(KNOWN_AT)]
        for path, endpoint, action, told, parameters in (
            ("/v1/checkpoints/latest", self.latest, Action.READ_CHECKPOINTS, _text("A signed note."), []),
            ("/v1/checkpoints/witnessed", self.witnessed, Action.READ_CHECKPOINTS, _text("A signed note."), []),
            ("/v1/checkpoints/log", self.log, Action.READ_CHECKPOINTS, good(LOG, "The log."), []),
            ("/v1/checkpoints/growth", self.growth, Action.READ_CHECKPOINTS, _text("A hash in base64 a line."), []),
            ("/v1/tiles/{path:path}", self.tile, Action.READ_CHECKPOINTS, _bytes("Hashes of 32 bytes, joined."), []),
            ("/v1/credentials/{id}/bundle", self.of_credential, Action.READ_BUNDLES, _bytes("A bundle."), bundled),
            ("/v1/customers/{id}/bundle", self.of_customer, Action.READ_BUNDLES, _bytes("A bundle."), bundled),
            ("/v1/events/{position}/proof", self.entry, Action.READ_BUNDLES, _text("A proof."), [ACCESS_REASON]),
        ):
            documentation = _documented(path, endpoint.__doc__ or "", action, told, parameters)
            router.add_api_route(path, endpoint, methods=["GET"], response_model=None, **documentation)
        return router

    # --- The log

    async def latest(self, request: Request) -> Response:
        """Read the latest checkpoint."""
        return await self._checkpoint(request, SealFolder.checkpoint)

    async def witnessed(self, request: Request) -> Response:
        """Read the latest checkpoint that a witness signed as well."""
        return await self._checkpoint(request, SealFolder.witnessed)

    async def log(self, request: Request) -> Response:
        """Read which log this is, and by which keys it is checked."""
        await self._service.caller(request, Action.READ_CHECKPOINTS)

        def answer(folder: SealFolder) -> bytes:
            checkpoint, policy = stands_at(_there(folder.checkpoint())), folder.policy()
            keys = [line.removeprefix("log ") for line in policy.splitlines() if line.startswith("log ")]
            return msgspec.json.encode(
                {"origin": checkpoint.origin, "size": checkpoint.size, "keys": keys, "policy": policy}
            )

        return Response(await self._of_folder(answer), media_type="application/json", headers=CURRENT)

    async def growth(
        self,
        request: Request,
        old: Annotated[int, Query(alias="from", ge=1, le=POSITION_MAX, description="An older checkpoint's size.")],
        witnessed: Witnessed = False,
    ) -> Response:
        """Prove that the log only grew since an older checkpoint."""
        await self._service.caller(request, Action.READ_CHECKPOINTS)

        def proven(store: PostgresEventStore) -> str:
            return _reaching(old, self._prover(store, witnessed=witnessed)).growth(old)

        proof = await self._service.readers.ask(proven)
        return Response(proof, media_type=PLAIN_TEXT, headers=CURRENT)

    async def tile(self, request: Request, path: TilePath) -> Response:
        """Read a tile of the log's tree."""
        await self._service.caller(request, Action.READ_CHECKPOINTS)

        def answer(folder: SealFolder) -> bytes:
            try:
                return (folder.path / "tile" / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise Problem(Fault.NOT_SEALED, "there is no such tile, or it is full by now") from None

        return Response(await self._of_folder(answer), media_type=BYTES, headers=FOR_EVER)

    # --- Of what happened

    async def of_credential(self, request: Request, id: NameOrId, witnessed: Witnessed = False) -> Response:  # noqa: A002
        """Prove the whole history of a credential."""
        return await self._bundle(request, id, NameKind.CREDENTIAL, witnessed=witnessed)

    async def of_customer(self, request: Request, id: NameOrId, witnessed: Witnessed = False) -> Response:  # noqa: A002
        """Prove the whole history of a customer."""
        return await self._bundle(request, id, NameKind.CUSTOMER, witnessed=witnessed)

    async def entry(self, request: Request, position: Position, witnessed: Witnessed = False) -> Response:
        """Prove that an event is in the log (C2SP tlog-proof)."""
        service = self._service
        caller = await service.caller(request, Action.READ_BUNDLES)
        reason = reason_given(request, caller, Action.READ_BUNDLES)

        def proven(store: PostgresEventStore) -> tuple[str, Target]:
            proof = _reaching(position, self._prover(store, witnessed=witnessed)).entry(position)
            (row,) = LedgerRows(store.connection).after(position - 1, 1)
            return proof, _target(store, UUID(bytes=row.stream))

        proof, target = await self._service.readers.ask(proven)
        if reason is not None:
            await record_look(service, caller, target.holder, what="event proof", reason=reason)
        return Response(proof, media_type=PLAIN_TEXT, headers=NOT_STORED)

    async def _bundle(self, request: Request, text: str, of: NameKind, *, witnessed: bool) -> Response:
        caller = await self._service.caller(request, Action.READ_BUNDLES)
        known_at = moment_asked(request, KNOWN_AT)
        look = Look(of=(of,), action=Action.READ_BUNDLES, what=f"{of} bundle")

        target = await looked_at(self._service, request, caller, text, look, lambda _store, target: target)

        def proven(store: PostgresEventStore) -> bytes:
            prover = self._prover(store, witnessed=witnessed)
            return prover.history(target.stream.bytes, known_at=known_at).content

        content = await self._service.readers.ask(proven)
        attached = {"Content-Disposition": f'attachment; filename="{target.stream}.proof"'}
        return Response(content, media_type=BYTES, headers={**NOT_STORED, **attached})

    # --- Where it comes from

    def _prover(self, store: PostgresEventStore, *, witnessed: bool) -> Prover:
        return Prover(SealFolder(self._folder), LedgerRows(store.connection), witnessed=witnessed)

    async def _checkpoint(self, request: Request, read: Callable[[SealFolder], Note | None]) -> Response:
        await self._service.caller(request, Action.READ_CHECKPOINTS)
        note = await self._of_folder(lambda folder: str(_there(read(folder))))
        return Response(note, media_type=PLAIN_TEXT, headers=CURRENT)

    async def _of_folder(self, answer: Callable[[SealFolder], T]) -> T:
        """Ask the folder of the seal, in a thread: the disk may be slow."""
        return await to_thread.run_sync(answer, SealFolder(self._folder))


def _reaching(position: int, prover: Prover) -> Prover:
    """Return a prover whose checkpoint covers a position. Raises Problem(not_sealed), which repeats nothing."""
    if position > prover.size:
        raise Problem(Fault.NOT_SEALED, f"the checkpoint covers {prover.size} events")
    return prover


def _there(note: Note | None) -> Note:
    """Return a checkpoint. Raises NotSealed where there is none."""
    if note is None:
        raise NotSealed("there is no such checkpoint yet: run sealbook seal, then ask the witness if any")
    return note


def _target(store: EventStore, stream: UUID) -> Target:
    return Target(stream, store.load(streams=[stream], names=(), commands=()).heads.get(stream, NO_HEAD).state)


def _text(description: str) -> Schema:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def _bytes(description: str) -> Schema:
    schema = {"type": "string", "contentEncoding": "binary"}
    return {"description": description, "content": {BYTES: {"schema": schema}}}


def _documented(path: str, text: str, action: Action, told: Schema, parameters: list[Schema]) -> dict[str, Any]:
    return {
        "summary": text.partition(".")[0],
        "description": f"{text} {may(action)}",
        "tags": ["proofs"],
        "operation_id": "prove-" + re.sub(r"\{[a-z:]+\}/?", "", path.removeprefix("/v1/")).strip("/").replace("/", "-"),
        "responses": {200: told, **problems(*OF_ANY, *OF_A_TARGET, 409)},
        "openapi_extra": {"parameters": parameters},
    }
