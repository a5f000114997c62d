"""What must be true of a whole ledger: replays, what-ifs and process managers (domain 5.4, invariants 7, 8 and 12)."""

from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from sealbook.application.cascades import TRACKED_AS, catch_up
from sealbook.application.histories import histories_of_ledger
from sealbook.application.simulation import WhatIf
from sealbook.application.timers import run_timers
from sealbook.domain import credential
from sealbook.domain.catalogue import Aggregate
from sealbook.domain.credential import Application, Credential
from sealbook.projections import states as all_states
from sealbook.projections.counts import report, tally
from sealbook.projections.moment import credential_at, known_by
from sealbook.projections.validity import ValidityState, state_of
from tests.invariants.watching import NEVER
from tests.invariants.world import World

MOMENTS = 4
AT_LAST = timedelta(days=3_650)


def check_replays(world: World, chance: Random) -> None:
    """7: what is replayed to a moment is what was there at the moment."""
    log, book = world.watch.log, world.watch.book
    for _ in range(MOMENTS):
        known_at = chance.choice(world.watch.moments_seen())
        replayed = all_states.states_at(known_by(log, known_at), as_of=NEVER).by_stream
        assert replayed == world.watch.as_it_was(known_at)
        check_projections_agree(world, chance.choice(log).event.at)
    check_projections_agree(world, world.now + AT_LAST)
    last = max((recorded.event.at for recorded in log), default=world.now)
    for stream, state in world.watch.states.items():
        if isinstance(state, Application | Credential):
            moment = credential_at(world.store.stream(stream), as_of=last, policies=book)
            now = credential.fold(credential.settle(state, book, last), since=state)
            assert (moment.credential or moment.application) == now


def check_projections_agree(world: World, as_of: datetime) -> None:
    """Each projection folds by itself: they have to come to the same."""
    log, book = world.watch.log, world.watch.book
    states = all_states.settled(all_states.states_at(log, as_of=as_of), book)
    counted = tally(log, as_of=as_of)
    assert dict(states.applications()) | dict(states.credentials()) == {
        stream: credential.fold(credential.settle(state, book, as_of), since=state)
        for stream, state in counted.credentials.items()
    }
    found = report(counted, as_of=as_of, policies=book)
    held = dict[UUID, Aggregate]({**dict(states.applications()), **dict(states.credentials())})
    for state in ValidityState:
        if state is not ValidityState.NOT_ISSUED:
            effective = [_effective(each) for each in held.values()]
            assert found.credentials[state] == effective.count(state)
    for stream, folded in held.items():
        moment = credential_at(world.watch.streams[stream], as_of=as_of, policies=book)
        assert (moment.credential or moment.application) == folded


def _effective(state: Aggregate) -> ValidityState:
    assert isinstance(state, Application | Credential)
    return state_of(state)


def check_what_if_identity(world: World) -> None:
    """8: the same history under the same policy gives the same decisions."""
    for as_of in (world.now, world.now + AT_LAST):
        what_if = WhatIf(scenarios={}, policies=world.watch.book, as_of=as_of)
        assert list(what_if.run(histories_of_ledger(world.store))) == []
        assert what_if.check.differing == 0, (what_if.check.recorded, what_if.check.replayed)


def check_process_managers(world: World) -> None:
    """12: what has been reacted to, and what came due, is done once, however often the log is gone through.

    The first time may find what was issued, after an event, as of before it.
    """
    catch_up_from_the_beginning(world)
    run_timers(world.store, kinds=world.kinds, until=world.now)
    catch_up_from_the_beginning(world)
    world.watch.see()
    assert catch_up_from_the_beginning(world) == 0
    assert run_timers(world.store, kinds=world.kinds, until=world.now) == 0
    assert world.watch.see() == []


def catch_up_from_the_beginning(world: World) -> int:
    world.store.track(TRACKED_AS, 0)
    return catch_up(world.store, kinds=world.kinds)
