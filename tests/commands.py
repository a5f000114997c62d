"""Commands for tests: the same script gives the same commands, ids included."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

from sealbook.application.commands import Command, Request
from sealbook.application.names import Name, NameKind, Ref
from sealbook.application.requests import (
    EnrollCustomer,
    IssueCredential,
    OnCredential,
    OnPolicy,
    RegisterDevice,
    ReleaseDevice,
)
from sealbook.domain import credential, policy
from sealbook.domain.credential import Attestation, OwnCommand
from sealbook.domain.device import App
from sealbook.domain.presets import DEFAULT_POLICY, preset_policies
from sealbook.domain.values import HolderSubkind, Kind, StorageLevel

JANUARY = datetime(2024, 1, 10, 9, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 10, 9, tzinfo=UTC)
MARCH = datetime(2024, 3, 10, 9, tzinfo=UTC)
A_YEAR_LATER = datetime(2025, 3, 10, 9, tzinfo=UTC)
APP = App(version="6.2.0", store="google_play")
ATTESTED = Attestation(level=StorageLevel.SECURE_ELEMENT, digest="a1")
KIND = Kind.KB_MOBILE_CERTIFICATE


def name(value: str, kind: NameKind = NameKind.CUSTOMER) -> Name:
    return Name(kind, value)


@dataclass(slots=True)
class Script:
    """Ids come from a counter; scripts of different seeds share none."""

    seed: int = 0
    _next: Iterator[int] = field(default_factory=lambda: count(1))

    def new_id(self) -> UUID:
        return UUID(int=(self.seed + 1) << 64 | next(self._next))

    def command(self, request: Request, *, command_id: UUID | None = None) -> Command:
        return Command(request=request, command_id=command_id or self.new_id(), actor="test", channel="branch")

    def adopt_policy(self, policy_id: str = DEFAULT_POLICY, *, at: datetime = JANUARY) -> Command:
        adopt = policy.Adopt(at=at, document=preset_policies()[policy_id])
        return self.command(OnPolicy(policy_id=policy_id, stream=self.new_id(), command=adopt))

    def enroll(self, customer: UUID, named: Name | None = None, *, at: datetime = JANUARY) -> Command:
        return self.command(EnrollCustomer(at=at, customer=customer, name=named, subkind=HolderSubkind.INDIVIDUAL))

    def register(self, device: UUID, *, at: datetime = JANUARY) -> Command:
        key = name(f"key of {device}", NameKind.DEVICE_KEY)
        return self.command(RegisterDevice(at=at, device=device, key=key, model="phone", os_version="15", app=APP))

    def release(self, device: Ref, *, at: datetime = FEBRUARY) -> Command:
        return self.command(ReleaseDevice(at=at, device=device))

    def issue(
        self,
        credential: UUID,
        *,
        customer: Ref,
        device: Ref,
        kind: Kind = KIND,
        named: Name | None = None,
        replaces: Ref | None = None,
        at: datetime = FEBRUARY,
    ) -> Command:
        return self.command(
            IssueCredential(
                at=at,
                credential=credential,
                name=named,
                customer=customer,
                kind=kind,
                device=device,
                policy_id=DEFAULT_POLICY,
                evidence="proofing-1",
                attestation=ATTESTED,
                replaces=replaces,
            )
        )

    def on(self, credential: Ref, fact: OwnCommand) -> Command:
        return self.command(OnCredential(credential=credential, command=fact))

    def use(self, held: Ref, *, device: UUID | None, at: datetime = MARCH) -> Command:
        return self.on(held, credential.Use(at=at, device=device))

    def suspend(self, held: Ref, *, at: datetime = MARCH) -> Command:
        return self.on(held, credential.Suspend(at=at))

    def resume(self, held: Ref, *, at: datetime = MARCH) -> Command:
        return self.on(held, credential.Resume(at=at))
