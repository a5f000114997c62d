"""Given past facts, when a command is decided, then these facts or a refusal: for every aggregate."""

import pytest

from sealbook.domain import credential, customer, device, policy
from sealbook.domain.catalogue import Aggregate, Event, evolve
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.device import Device
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import UNKNOWN, Policy, PolicyBook
from sealbook.domain.presets import preset_kinds

Command = customer.Command | device.Command | credential.Command | policy.Command
NO_POLICIES = PolicyBook({})


def state_after(*history: Event) -> Aggregate:
    state: Aggregate = None
    for event in history:
        state = evolve(state, event)
    return state


class Scenario:
    def __init__(self, history: tuple[Event, ...], policies: PolicyBook, kinds: KindBook) -> None:
        self._history, self._policies, self._kinds = history, policies, kinds

    def when(self, command: Command) -> "Outcome":
        return Outcome(self._history, command, self._policies, self._kinds)


class Outcome:
    def __init__(self, history: tuple[Event, ...], command: Command, policies: PolicyBook, kinds: KindBook) -> None:
        self._history, self._command, self._policies, self._kinds = history, command, policies, kinds

    def then(self, *expected: Event) -> None:
        """The answer is these events, none for nothing; and the history can take them."""
        events = self._decide()

        assert events == expected
        state_after(*self._history, *events)

    def then_refused(self, code: Refusal) -> None:
        with pytest.raises(Refused) as caught:
            self._decide()

        assert caught.value.code is code
        assert len(caught.value.message.splitlines()) == 1, "a refusal says in one line what to do"

    def _decide(self) -> tuple[Event, ...]:
        state, command = state_after(*self._history), self._command
        if isinstance(command, customer.Command):
            assert state is None or isinstance(state, Customer)
            return customer.decide(state, command, self._kinds.bank)
        if isinstance(command, device.Command):
            assert state is None or isinstance(state, Device)
            return device.decide(state, command)
        if isinstance(command, policy.Command):
            assert state is None or isinstance(state, Policy)
            return policy.decide(state or UNKNOWN, command)
        assert state is None or isinstance(state, Application | Credential)
        return credential.decide(state, command, self._policies, self._kinds)


def given(*history: Event, policies: PolicyBook = NO_POLICIES, kinds: KindBook | None = None) -> Scenario:
    return Scenario(history, policies, kinds or preset_kinds())
