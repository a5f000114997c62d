"""What does a customer hold, and what should it see to? (domain rules R29, R30, R60)"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sealbook.domain.calendar import last_valid_day
from sealbook.domain.credential import Application, Credential, LinkedId
from sealbook.domain.device import Device
from sealbook.domain.kind_document import KindBook, KindDocument, Words
from sealbook.domain.policy import PolicyBook
from sealbook.domain.values import Kind, LockScreen, Service, Step, UnlockMethod
from sealbook.projections.states import States
from sealbook.projections.validity import ValidityState, state_of


class Advice(StrEnum):
    """What a holder is advised to do. It is no duty, unless the kind makes it one."""

    SET_UNLOCK_METHOD = "set_unlock_method"
    SET_LOCK_SCREEN = "set_lock_screen"


SET_BIOMETRICS = Words(en="Set biometrics or a PIN", ko="생체 인식이나 간편비밀번호를 설정하세요")
SET_PIN = Words(en="Set a PIN", ko="간편비밀번호를 설정하세요")
SET_LOCK_SCREEN = Words(en="Set a strong lock screen", ko="기기 잠금 화면을 강력하게 설정하세요")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """An advice that applies at the moment, in both languages."""

    advice: Advice
    en: str
    ko: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A credential or an application. `since` is the issue or the application, `next_step` of an open one only."""

    credential: UUID
    kind: Kind
    state: ValidityState
    since: datetime
    expires_at: datetime | None
    last_valid_day: date | None
    next_step: Step | None
    device: UUID | None
    ids: tuple[LinkedId, ...]
    services: tuple[Service, ...]
    unlock_methods: tuple[UnlockMethod, ...]
    advisories: tuple[Advisory, ...]


def holdings(states: States, customer: UUID, *, policies: PolicyBook, kinds: KindBook) -> list[Holding]:
    """Answer from settled states, for all that the customer ever held or applied for, in that order."""
    return [
        _application(states, stream, state, kinds)
        if isinstance(state, Application)
        else _credential(states, stream, state, policies.policy(state.policy).zone, kinds)
        for stream, state in _held(states)
        if state.customer == customer
    ]


def _held(states: States) -> Iterator[tuple[UUID, Application | Credential]]:
    for stream, state in states.by_stream.items():
        if isinstance(state, Application | Credential):
            yield stream, state


def _credential(states: States, stream: UUID, state: Credential, zone_name: str, kinds: KindBook) -> Holding:
    end = state.expires_at
    return Holding(
        credential=stream,
        kind=state.kind,
        state=state_of(state),
        since=state.issued_at,
        expires_at=end,
        last_valid_day=None if end is None else last_valid_day(end, zone_name=zone_name),
        next_step=None,
        device=state.device,
        ids=state.links.ids,
        services=state.links.services,
        unlock_methods=state.unlock_methods.chosen,
        advisories=() if state.ended_at(states.as_of) else tuple(_advisories(states, state, kinds)),
    )


def _application(states: States, stream: UUID, state: Application, kinds: KindBook) -> Holding:
    is_open = state.ended_at is None
    return Holding(
        credential=stream,
        kind=state.kind,
        state=state_of(state),
        since=state.applied_at,
        expires_at=None,
        last_valid_day=None,
        next_step=state.due[0] if is_open else None,
        device=state.device,
        ids=(),
        services=(),
        unlock_methods=(),
        advisories=tuple(_advisories(states, state, kinds)) if is_open else (),
    )


def _advisories(states: States, state: Application | Credential, kinds: KindBook) -> Iterator[Advisory]:
    # Of a credential from elsewhere the phone is not known, nor how it is opened.
    device = None if state.device is None else states.by_stream.get(state.device)
    if isinstance(state, Credential) and state.device is not None and not state.unlock_methods.chosen:
        yield _advisory(Advice.SET_UNLOCK_METHOD, _of_unlocking(kinds.kinds.get(state.kind)))
    if isinstance(device, Device) and device.lock_screen in (LockScreen.NONE, LockScreen.WEAK):
        yield _advisory(Advice.SET_LOCK_SCREEN, SET_LOCK_SCREEN)


def _of_unlocking(kind: KindDocument | None) -> Words:
    biometric = kind is not None and any(method.biometric for method in kind.unlocking.methods)
    return SET_BIOMETRICS if biometric else SET_PIN


def _advisory(advice: Advice, text: Words) -> Advisory:
    return Advisory(advice=advice, en=text.en, ko=text.ko)
