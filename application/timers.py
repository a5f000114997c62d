"""Timers: what the clock alone brings about, made explicit, as a process manager.

What is due is `due.next_due`'s decision; a command's id is made of the target and what was due when, so that
one sent twice is done once. Whom to ask, the agenda tells (docs/decisions/0025): its entries are made anew for
what the log says has changed, and by a walk over all streams for rules that have.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sealbook.application.agenda import FIRST, NOTHING, Agenda, AgendaStanding, Entry, MemoryAgenda
from sealbook.application.cascades import catch_up, derived_id
from sealbook.application.commands import Command
from sealbook.application.due import Due, due_from, next_due
from sealbook.application.ledger import execute
from sealbook.application.names import NameKind
from sealbook.application.ports import EVENTS_A_READ, EventStore
from sealbook.application.requests import OnCredential
from sealbook.domain import credential
from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Aggregate, Event
from sealbook.domain.credential import Application, Credential
from sealbook.domain.customer import Customer
from sealbook.domain.kind_document import KindBook
from sealbook.domain.policy import Policy, PolicyBook
from sealbook.domain.values import PolicyRef

__all__ = ["TRACKED_AS", "Rules", "Timers", "next_due", "run_timers"]

ACTOR, CHANNEL = "sealbook", "timer"
COMMANDS_A_BATCH = 500
STREAMS_A_STEP = 2_000
RULES_WRITTEN = 1
"""Goes up with a change to `due_from` by which something may come due earlier: agendas are made anew."""
TRACKED_AS = "process manager: timers"

WITHOUT_EFFECT = credential.Used | credential.UseRefused
"""What moves no moment at which something comes due, and is most of the log: a renewal or lock is an event more."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the moments of an agenda depend on besides the states."""

    policies: PolicyBook
    kinds: KindBook

    @property
    def digest(self) -> str:
        """What is another when something may come due at another moment; a policy that nobody is switched to is not."""
        kinds = {
            kind: [str(document.suspension_max), *map(str, document.notice_leads)]
            for kind, document in sorted(({**self.kinds.withdrawn, **self.kinds.kinds}).items())
        }
        switches = sorted(
            version.digest
            for held in self.policies.policies.values()
            for version in held.versions
            if version.version in held.announced - held.withdrawn
        )
        content = json.dumps([RULES_WRITTEN, self.kinds.bank.zone, kinds, switches])
        return hashlib.sha256(content.encode()).hexdigest()

    def know(self, ref: PolicyRef) -> bool:
        held = self.policies.policies.get(ref.policy_id)
        return held is not None and held.version(ref.version) is not None


@dataclass(slots=True)
class Timers:
    """The timers of one ledger. Each run reads what is new in the log, and looks at what has come due.

    `advanced` is called between two batches, where whatever was done is durable; it may raise to end a run.
    """

    store: EventStore
    kinds: KindBook
    agenda: Agenda = field(default_factory=MemoryAgenda)
    advanced: Callable[[], None] = lambda: None
    _rules: Rules = field(init=False)
    _standing: AgendaStanding = field(init=False)

    def run(self, *, until: datetime, now: datetime | None = None) -> int:
        """Do what a crash left undone and all that came due until a moment; return how many commands did something.

        `now` is when the run takes place; without it, at that moment. Raises Unavailable if somebody else is running
        them.
        """
        with self.agenda.alone():
            done = catch_up(self.store, kinds=self.kinds, advanced=lambda _position: self.advanced())
            self._begin()
            done += self._do_all(until, now or until)
            while self._standing.walked_to is not None:
                self._walk()
                done += self._do_all(until, now or until)
        return done

    def overlooked(self) -> Iterator[str]:
        """Yield a line for each credential that the agenda would have looked at too late; none is good.

        An agenda that the rules of now have not made wholly is made anew by the next run, and is not compared.
        """
        with self.agenda.alone():
            self._begin()
            self._follow()
            for streams in self._all_streams(FIRST) if self._standing.walked_to is None else ():
                if self._late(streams):
                    # What has changed since is late until it is followed.
                    self._follow()
                    yield from (f"the timers would look at credential {each} too late" for each in self._late(streams))

    def _late(self, streams: Collection[UUID]) -> list[UUID]:
        kept, late = self.agenda.entries(streams), list[UUID]()
        for stream, state in self._look(streams).items():
            entry = kept.get(stream, NOTHING)
            needed_at = self._entry(state, entry.looked_at).due_at
            if needed_at is not None and (entry.due_at is None or entry.due_at > needed_at):
                late.append(stream)
        return late

    # --- What is entered

    def _begin(self) -> None:
        self._standing = self.agenda.standing()
        self._rules = Rules(self._policies(), self.kinds)
        digest = self._rules.digest
        if self._standing.rules != digest:
            # Of a log that is followed from its beginning, nothing was entered by other rules.
            begin = FIRST if self._standing.position else None
            self._note(replace(self._standing, rules=digest, walked_to=begin))

    def _follow(self) -> None:
        """Make the entries anew of all that has changed."""
        while events := self.store.read(after=self._standing.position, limit=EVENTS_A_READ):
            self.agenda.put(self._entries({each.stream for each in events if _moves_a_moment(each.event)}))
            self._note(replace(self._standing, position=events[-1].position))
            self.advanced()

    def _walk(self) -> None:
        """Make all entries anew, for the rules are others; a walk that was interrupted goes on."""
        for streams in self._all_streams(self._standing.walked_to or FIRST):
            self.agenda.put(self._entries(streams))
            self._note(replace(self._standing, walked_to=streams[-1]))
            self.advanced()
        self._note(replace(self._standing, walked_to=None))

    def _all_streams(self, after: UUID) -> Iterator[list[UUID]]:
        while streams := self.agenda.streams(after=after, limit=STREAMS_A_STEP):
            yield streams
            after = streams[-1]

    def _entries(self, streams: Collection[UUID]) -> dict[UUID, Entry]:
        return {stream: self._entry(state, None) for stream, state in self._look(streams).items()}

    def _entry(self, state: Application | Credential | None, after: datetime | None) -> Entry:
        if state is None:
            return NOTHING
        return Entry(due_from(state, policies=self._rules.policies, kinds=self._rules.kinds, after=after), after)

    def _note(self, standing: AgendaStanding) -> None:
        self.agenda.note(standing)
        self._standing = standing

    # --- What is done

    def _do_all(self, until: datetime, now: datetime) -> int:
        """Follow the log, and do what the agenda has until nothing of it is left."""
        done = 0
        self._follow()
        while streams := self.agenda.due(until=until, limit=COMMANDS_A_BATCH):
            done += self._do(streams, until, now)
            self.advanced()
            # What moved is due at another moment now, and so may be what moved with it.
            self._follow()
        return done

    def _do(self, streams: list[UUID], until: datetime, now: datetime) -> int:
        """Do what is due of streams, and put off the others; return how many moved."""
        states = self._look(streams)
        due = sorted(self._due(states, until, now), key=lambda each: each[1].at)
        moved = self._carry_out(due, states)
        # What is due and does not move is asked again in the next run; in this one, again and again.
        stuck = {stream: Entry(until + MICROSECOND, until) for stream, _ in due if stream not in moved}
        others = {stream: states[stream] for stream in states.keys() - moved - stuck.keys()}
        self.agenda.put(stuck | {stream: self._entry(state, until) for stream, state in others.items()})
        return len(moved)

    def _due(
        self, states: Mapping[UUID, Application | Credential | None], until: datetime, now: datetime
    ) -> Iterator[tuple[UUID, Due]]:
        rules = self._rules
        for stream, state in states.items():
            if state is not None:
                due = next_due(state, until=until, now=now, policies=rules.policies, kinds=rules.kinds)
                if due is not None:
                    yield stream, due

    def _carry_out(
        self, due: list[tuple[UUID, Due]], states: Mapping[UUID, Application | Credential | None]
    ) -> set[UUID]:
        """Return the streams that moved."""
        commands = [_command(stream, states[stream], each) for stream, each in due]
        outcomes = execute(self.store, commands, kinds=self.kinds)
        return {stream for (stream, _), outcome in zip(due, outcomes, strict=True) if outcome.events}

    # --- What is there

    def _look(self, streams: Collection[UUID]) -> dict[UUID, Application | Credential | None]:
        """Return the open credentials and applications among streams; None for what has ended or is gone."""
        heads = self._states(streams)
        found = {stream: heads.get(stream) for stream in streams}
        held = {stream: state for stream, state in found.items() if isinstance(state, Application | Credential)}
        holders = self._states({state.customer for state in held.values()})
        if not all(self._rules.know(state.policy) for state in held.values()):
            # Adopted since the run began. Whom it takes over, the next run finds by its other digest.
            self._rules = Rules(self._policies(), self.kinds)
        looked: dict[UUID, Application | Credential | None] = {
            stream: None for stream, state in found.items() if state is None
        }
        for stream, state in held.items():
            looked[stream] = state if _holds(holders.get(state.customer), stream) else None
        return looked

    def _states(self, streams: Collection[UUID]) -> dict[UUID, Aggregate]:
        if not streams:
            return {}
        loaded = self.store.load(streams=streams, names=(), commands=())
        return {stream: head.state for stream, head in loaded.heads.items()}

    def _policies(self) -> PolicyBook:
        named = self.store.named(NameKind.POLICY)
        states = self._states(list(named.values()))
        found = ((name.value, states.get(stream)) for name, stream in named.items())
        return PolicyBook({policy_id: state for policy_id, state in found if isinstance(state, Policy)})


def _holds(holder: Aggregate, stream: UUID) -> bool:
    """Tell whether the customer still holds it: for what has ended, nothing comes due."""
    return isinstance(holder, Customer) and any(held == stream for held, _ in holder.open_credentials)


def _moves_a_moment(event: Event) -> bool:
    """Tell whether something may come due at another moment after an event of a credential.

    Where a customer opens or closes one, the credential has an event as well, or had its last one.
    """
    return isinstance(event, credential.Event) and not isinstance(event, WITHOUT_EFFECT)


def _command(stream: UUID, state: Application | Credential | None, due: Due) -> Command:
    # After a switch of policy, what was told of the old end is told of the new one.
    since = state.policy_since.isoformat() if isinstance(state, Credential) else ""
    what = f"{type(due.command).__name__} {getattr(due.command, 'lead', '')}"
    key = f"{stream} {what} {due.at.isoformat()} {since}"
    request = OnCredential(credential=stream, command=due.command)
    return Command(request=request, command_id=derived_id(key), actor=ACTOR, channel=CHANNEL)


def run_timers(
    store: EventStore,
    *,
    kinds: KindBook,
    until: datetime,
    now: datetime | None = None,
    agenda: Agenda | None = None,
) -> int:
    """Run the timers of a ledger once; return how many commands did something.

    Without an `agenda` that was kept, the log is read from its beginning.
    """
    return Timers(store, kinds, agenda or MemoryAgenda()).run(until=until, now=now)
