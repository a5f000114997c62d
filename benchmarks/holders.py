"""Holders of mobile OTPs with known seeds on phones of their own, and customers who wait for one."""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from psycopg import Connection

from benchmarks.ledger import POLICY
from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.eventstore.schema import BOOK
from sealbook.adapters.ids import new_id
from sealbook.adapters.keys.port import KeyClass, Keys
from sealbook.adapters.proofs.totp import Seed, encode_seed
from sealbook.adapters.vault.sealing import Place, seal
from sealbook.application.commands import Command, Request
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import EnrollCustomer, IssueCredential, OnCredential, RegisterDevice
from sealbook.domain.credential import Attestation, SetSecret
from sealbook.domain.device import App
from sealbook.domain.values import HolderSubkind, Kind, StorageLevel

BATCH = 1_000
STEP_SECONDS = 30
SECRET_BYTES = 20
GENERATION = 1
FIELD = f"otp_seed:{GENERATION}"
APP = App(version="6.2.0", store="google_play")
LEVEL = StorageLevel.TRUSTED_ENVIRONMENT
EVIDENCE = "bench"


class Applicant(NamedTuple):
    """A customer who holds nothing, and a phone that is nobody's."""

    customer: UUID
    device: UUID


class Holder(NamedTuple):
    credential: UUID
    customer: UUID
    device: UUID
    secret: bytes


def applicants(store: PostgresEventStore, count: int) -> list[Applicant]:
    """Make customers known, and as many phones."""
    waiting = [Applicant(new_id(), new_id()) for _ in range(count)]
    now = datetime.now(UTC)
    _carry_out(store, (request for each in waiting for request in _known(each, now)))
    return waiting


def holders(store: PostgresEventStore, superuser: Connection, count: int) -> list[Holder]:
    """Issue mobile OTPs, each to a customer of its own, and give each a seed.

    The seeds go in by COPY, which the ledger's own role may not do: one by one it takes minutes.
    """
    secrets = (os.urandom(SECRET_BYTES) for _ in range(count))
    held = [
        Holder(new_id(), *applicant, secret)
        for applicant, secret in zip(applicants(store, count), secrets, strict=True)
    ]
    now = datetime.now(UTC)
    _carry_out(store, (request for holder in held for request in _issued(holder, now)))
    with superuser.cursor().copy(
        "COPY sealbook.vault (book, subject, field, owner, key_class, sealed) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(("int2", "uuid", "text", "uuid", "text", "bytea"))
        for row in _sealed(held, store.keys):
            copy.write_row(row)
    # In a ledger that grew by itself, autovacuum has long been there.
    superuser.execute("VACUUM (ANALYZE) sealbook.vault, sealbook.heads, sealbook.events, sealbook.commands")
    return held


def _known(applicant: Applicant, at: datetime) -> Iterator[Request]:
    name, key = Name(NameKind.CUSTOMER, applicant.customer.hex), Name(NameKind.DEVICE_KEY, applicant.device.hex)
    yield EnrollCustomer(at=at, customer=applicant.customer, name=name, subkind=HolderSubkind.INDIVIDUAL)
    yield RegisterDevice(at=at, device=applicant.device, key=key, model="phone", os_version="15", app=APP)


def _issued(holder: Holder, at: datetime) -> Iterator[Request]:
    yield IssueCredential(
        at=at,
        credential=holder.credential,
        name=Name(NameKind.CREDENTIAL, holder.credential.hex),
        customer=holder.customer,
        kind=Kind.MOBILE_OTP,
        device=holder.device,
        policy_id=POLICY.policy_id,
        evidence=EVIDENCE,
        attestation=Attestation(level=LEVEL, digest=EVIDENCE),
    )
    yield OnCredential(credential=holder.credential, command=SetSecret(at=at, generation=GENERATION))


def _carry_out(store: PostgresEventStore, requests: Iterable[Request]) -> None:
    commands = [Command(request=each, command_id=None, actor="bench", channel="bench") for each in requests]
    for start in range(0, len(commands), BATCH):
        for outcome in execute(store, commands[start : start + BATCH]):
            if not outcome.accepted:
                raise RuntimeError(f"refused ({outcome.refusal}): nothing is measured on half a ledger")


def _sealed(held: Sequence[Holder], keys: Keys) -> Iterator[tuple[object, ...]]:
    for start in range(0, len(held), BATCH):
        batch = held[start : start + BATCH]
        of_owners = keys.subject_keys([holder.customer for holder in batch], KeyClass.SECRET, create=True)
        for holder in batch:
            place = Place(holder.customer, holder.credential, FIELD, KeyClass.SECRET)
            seed = encode_seed(Seed(holder.secret, step_seconds=STEP_SECONDS))
            sealed = seal(seed, place, key=of_owners[holder.customer], randomness=os.urandom)
            yield BOOK, holder.credential, FIELD, holder.customer, KeyClass.SECRET.value, sealed
