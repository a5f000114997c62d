"""One event is in the log (C2SP tlog-proof)."""

from uuid import UUID

from sealbook_verify import msgpack
from sealbook_verify.checkpoint import DECIMAL, open_checkpoint
from sealbook_verify.leaves import read_event, read_link
from sealbook_verify.notes import from_base64
from sealbook_verify.policy import Policy
from sealbook_verify.shapes import items, octets, proof
from sealbook_verify.timeline import WITHHELD, Step, facts_of, line_of
from sealbook_verify.verdict import BadInput, Disproved, Proven

_FIRST_LINE, _EXTRA, _INDEX = "c2sp.org/tlog-proof@v1", "extra ", "index "


def verify_entry(data: str, policy: Policy, *, witnesses: int = 0) -> Proven:
    """Verify that the event of a tlog-proof is in the log."""
    head, blank, note = data.partition("\n\n")
    lines = head.split("\n")
    if not blank or len(lines) < 3 or lines[0] != _FIRST_LINE or not lines[1].startswith(_EXTRA):
        raise BadInput(f"no proof of an entry: lines {_FIRST_LINE}, extra, index, hashes, and a checkpoint")
    index = lines[2].removeprefix(_INDEX)
    if not lines[2].startswith(_INDEX) or not DECIMAL.fullmatch(index):
        raise BadInput("the proof's third line should be `index` and a decimal number")
    path = proof([from_base64(each, "a hash of the proof") for each in lines[3:]], "the proof")
    extra = msgpack.decode(from_base64(lines[1].removeprefix(_EXTRA), "the proof's extra line"))
    told, version, previous, shown = items(extra, "the proof's extra line", 4)
    stream, event = octets(told, "a stream", 16), read_event(shown)
    count, link = read_link(version, previous)
    checkpoint = open_checkpoint(note, policy, witnesses=witnesses)
    if event.position != int(index) + 1:
        raise Disproved("position", f"the proof is for index {index}, the event has another", event.position)
    step = Step(count, event, event.leaf(stream, count, link))
    checkpoint.check_included(event.position, step.leaf, path)
    if event.body is None:
        step = Step(count, event, step.leaf, WITHHELD, "its body is not in this proof")
    says = f"the event at position {event.position} is in the log: version {count} of {UUID(bytes=stream)}"
    facts = {"stream": str(UUID(bytes=stream)), "checkpoint": checkpoint.facts(), "event": facts_of(step)}
    return Proven(says, [*checkpoint.lines(event.recorded_at), "", line_of(step)], facts)
