"""Bundles: the whole history of one stream, or the proof that there is no such stream."""

from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from sealbook_verify import leaves, msgpack
from sealbook_verify.checkpoint import Checkpoint, open_checkpoint
from sealbook_verify.leaves import Drop, Event, HeadMap, LedgerEvent, read_event, read_ledger_event
from sealbook_verify.merkle import EMPTY_ROOT, included, leaf_hash
from sealbook_verify.moments import utc
from sealbook_verify.msgpack import Value
from sealbook_verify.policy import Policy
from sealbook_verify.shapes import HASH_BYTES, items, number, octets, proof, text
from sealbook_verify.timeline import DESTROYED, SHOWN, WITHHELD, Step, facts_of, line_of
from sealbook_verify.verdict import BadInput, Disproved, Proven

FORMAT = 1


@dataclass(frozen=True, slots=True)
class MapEvent:
    """A map of heads and the event that says it, which the log is proven to hold."""

    event: LedgerEvent
    map: HeadMap

    def check_holds(self, stream: bytes, version: int, leaf: bytes, *, index: int, path: list[bytes]) -> None:
        entry = b"M" + stream + version.to_bytes(4) + leaf
        if not included(leaf_hash(entry), index=index, size=self.map.streams, proof=path, root=self.map.root):
            why = f"the map does not say that {UUID(bytes=stream)} ends with this event as version {version}"
            raise Disproved("map", why, self.event.position)


def verify_bundle(data: bytes, policy: Policy, *, witnesses: int = 0, stream: UUID | None = None) -> Proven:
    """Verify a history or an absence; where `stream` is given, it must be that stream's."""
    parts = items(msgpack.decode(data), "a bundle")
    match parts:
        case ["sealbook.history", version, told, _, _, _, _, note] | ["sealbook.absence", version, told, _, _, _, note]:
            about = octets(told, "the bundle's stream", 16)
        case _:
            raise BadInput("no bundle: neither a sealbook.history nor a sealbook.absence")
    if number(version, "the bundle's format") != FORMAT:
        raise BadInput(f"the bundle is of another format than {FORMAT}, which this version reads")
    checkpoint = open_checkpoint(text(note, "the bundle's checkpoint"), policy, witnesses=witnesses)
    if stream is not None and stream.bytes != about:
        raise Disproved("stream", f"the bundle tells of {UUID(bytes=about)}, not of {stream}")
    if parts[0] == "sealbook.history":
        return _history(about, parts[3], parts[4], parts[5], parts[6], checkpoint)
    return _absence(about, parts[3], parts[4], parts[5], checkpoint)


# --- History


def _history(
    stream: bytes, events: Value, mapped: Value, dropped: Value, later: Value, checkpoint: Checkpoint
) -> Proven:
    index, path, told, last_path = items(mapped, "the map", 4)
    map_event = _read_map(told, checkpoint)
    steps = _chain([read_event(each) for each in items(events, "the events")], stream)
    if not steps:
        raise BadInput("a history without events: that there are none is what an absence proves")
    count, last = len(steps), steps[-1]
    if last.event.position > map_event.map.tree_size:
        raise Disproved("map", "the event is newer than the map that should cover it", last.event.position)
    place = number(index, "an index of the map")
    map_event.check_holds(stream, count, last.leaf, index=place, path=proof(path, "the proof of the map"))
    # By the map alone, a false one could prove what the log never had: the chain hangs from the log as well.
    checkpoint.check_included(last.event.position, last.leaf, proof(last_path, "the proof of the last event"))
    after = [items(each, "a later event", 2) for each in items(later, "the later events")]
    steps += _chain([read_event(event) for event, _ in after], stream, behind=last)
    for step, (_, shown_path) in zip(steps[count:], after, strict=True):
        if step.event.position <= map_event.map.tree_size:
            raise Disproved("map", "the map covers the event, and does not say it", step.event.position)
        checkpoint.check_included(step.event.position, step.leaf, proof(shown_path, "the proof of a later event"))
    drops = [
        read_ledger_event(each, leaves.RECORDS_DROPPED, checkpoint) for each in items(dropped, "the dropped records")
    ]
    _check_order([*((step.event, step.leaf) for step in steps), *((each, each.leaf) for each in drops)], map_event)
    steps = _with_states(steps, _drops(drops, stream))
    return _history_proven(stream, steps, count, map_event, checkpoint)


def _chain(events: list[Event], stream: bytes, behind: Step | None = None) -> list[Step]:
    """Return events with their leaves, each linked to the one before; versions go on without a gap."""
    steps: list[Step] = []
    for event in events:
        version, previous = (behind.version + 1, behind.leaf) if behind else (1, leaves.NO_LEAF)
        if behind and event.position <= behind.event.position:
            raise Disproved("order", "the event stands behind one with a later position", event.position)
        behind = Step(version, event, event.leaf(stream, version, previous))
        steps.append(behind)
    return steps


def _check_order(proven: list[tuple[Event | LedgerEvent, bytes]], map_event: MapEvent) -> None:
    """Of all that the bundle proves: one event a position, and recorded_at never goes back."""
    said = [*proven, (map_event.event, map_event.event.leaf)]
    ordered = sorted((event.position, event.recorded_at, leaf) for event, leaf in said)
    for (position, recorded_at, leaf), (next_position, next_recorded_at, next_leaf) in pairwise(ordered):
        if position == next_position and leaf != next_leaf:
            raise Disproved("order", "two events stand at one position", position)
        if next_recorded_at < recorded_at:
            raise Disproved("recorded_at", f"it goes back from what position {position} has", next_position)


def _drops(events: list[LedgerEvent], stream: bytes) -> list[Drop]:
    drops = [leaves.drop(each.position, each.fields) for each in events]
    if any(one.position >= other.position for one, other in pairwise(drops)):
        raise BadInput("the events of dropped records are not in the order of their positions")
    if any(each.stream != stream for each in drops):
        raise BadInput("an event of dropped records is about another stream")
    return drops


def _with_states(steps: list[Step], drops: list[Drop]) -> list[Step]:
    """Say of closed events whether they were destroyed, and by which right, or are withheld: the last ones only."""
    stated, withheld = list[Step](), False
    for step in steps:
        by = [each for each in drops if each.version >= step.version and each.position > step.event.position]
        if step.event.body is not None:
            if withheld:
                raise Disproved("withheld", "an event before this one is not shown, for no reason", step.event.position)
            stated.append(step)
        elif by:
            note = f"destroyed by the ledger's event at position {by[0].position}: {by[0].why}"
            stated.append(Step(step.version, step.event, step.leaf, DESTROYED, note))
        else:
            withheld = True
            note = "withheld: recorded after the moment that was asked for"
            stated.append(Step(step.version, step.event, step.leaf, WITHHELD, note))
    return stated


def _history_proven(
    stream: bytes, steps: list[Step], count: int, map_event: MapEvent, checkpoint: Checkpoint
) -> Proven:
    tree_size, mapped_at = map_event.map.tree_size, utc(map_event.event.recorded_at)
    states = {state: sum(step.state == state for step in steps) for state in (SHOWN, DESTROYED, WITHHELD)}
    later = len(steps) - count
    says = (
        f"the history of {UUID(bytes=stream)} has {count} event{'s' * (count > 1)} and is whole up to position "
        f"{tree_size} (map of heads at position {map_event.event.position}, recorded {mapped_at})"
    )
    latest = max(map_event.event.recorded_at, steps[-1].event.recorded_at)
    lines = [*checkpoint.lines(latest), *(f"{number_of} {state}" for state, number_of in states.items() if number_of)]
    if later:
        lines.append(f"{later} later: proven, but that there are no more after the map is not")
    facts = {
        "stream": str(UUID(bytes=stream)),
        "events_mapped": count,
        "events_later": later,
        **states,
        "whole_up_to": tree_size,
        "map_position": map_event.event.position,
        "map_recorded_at": mapped_at,
        "checkpoint": checkpoint.facts(),
        "timeline": [facts_of(step) for step in steps],
    }
    return Proven(says, [*lines, "", *map(line_of, steps)], facts)


# --- Absence


@dataclass(frozen=True, slots=True)
class Neighbour:
    index: int
    stream: bytes


def _absence(stream: bytes, before: Value, after: Value, told: Value, checkpoint: Checkpoint) -> Proven:
    map_event = _read_map(told, checkpoint)
    position, streams = map_event.event.position, map_event.map.streams
    left, right = (_read_neighbour(each, map_event) for each in (before, after))
    if (right.index if right else streams) != (left.index + 1 if left else 0):
        raise Disproved("absence", "the two neighbours do not stand side by side in the map", position)
    if (left and left.stream >= stream) or (right and right.stream <= stream):
        raise Disproved("absence", "the stream does not lie between its neighbours", position)
    if streams == 0 and map_event.map.root != EMPTY_ROOT:
        raise Disproved("map", "a map of no streams has another root", position)
    tree_size, mapped_at = map_event.map.tree_size, utc(map_event.event.recorded_at)
    says = (
        f"no such stream: {UUID(bytes=stream)} is none of the {streams} streams up to position {tree_size} "
        f"(map of heads at position {position}, recorded {mapped_at})"
    )
    facts = {
        "stream": str(UUID(bytes=stream)),
        "absent": True,
        "streams": streams,
        "whole_up_to": tree_size,
        "map_position": position,
        "map_recorded_at": mapped_at,
        "checkpoint": checkpoint.facts(),
    }
    return Proven(says, checkpoint.lines(map_event.event.recorded_at), facts)


def _read_neighbour(value: Value, map_event: MapEvent) -> Neighbour | None:
    if value is None:
        return None
    index, stream, version, leaf, path = items(value, "a neighbour", 5)
    found = Neighbour(number(index, "an index of the map"), octets(stream, "a neighbour's stream", 16))
    count, head = number(version, "a version", least=1, bits=32), octets(leaf, "a leaf", HASH_BYTES)
    map_event.check_holds(found.stream, count, head, index=found.index, path=proof(path, "a neighbour's proof"))
    return found


def _read_map(told: Value, checkpoint: Checkpoint) -> MapEvent:
    event = read_ledger_event(told, leaves.HEADS_MAPPED, checkpoint)
    heads = leaves.head_map(event.position, event.fields)
    if heads.tree_size >= event.position:
        raise Disproved("map", "the map covers more than what was there before it", event.position)
    return MapEvent(event, heads)
