"""The log only grew from one checkpoint to the next: nothing that was in it was changed or taken out."""

from sealbook_verify.checkpoint import open_checkpoint
from sealbook_verify.merkle import grown
from sealbook_verify.notes import from_base64
from sealbook_verify.policy import Policy
from sealbook_verify.shapes import proof
from sealbook_verify.verdict import BadInput, Disproved, Proven


def verify_growth(old_note: str, new_note: str, lines: str, policy: Policy, *, witnesses: int = 0) -> Proven:
    """Verify a consistency proof (RFC 6962 2.1.2) between two checkpoints of one log, which both satisfy the policy."""
    old = open_checkpoint(old_note, policy, witnesses=witnesses)
    new = open_checkpoint(new_note, policy, witnesses=witnesses)
    if lines and not lines.endswith("\n"):
        raise BadInput("the proof's last line does not end")
    path = proof([from_base64(each, "a hash of the proof") for each in lines.split("\n")[:-1]], "the proof")
    if old.origin != new.origin:
        raise BadInput(f"the checkpoints are of two logs, {old.origin} and {new.origin}")
    if old.size > new.size:
        raise Disproved("growth", f"the log shrank, from {old.size} to {new.size} entries: or is this the wrong order?")
    if not grown(old_size=old.size, old_root=old.root, new_size=new.size, new_root=new.root, proof=path):
        raise Disproved("growth", f"the log's first {old.size} entries are not what they were, or the proof is false")
    says = f"the log {new.origin} only grew, from {old.size} to {new.size} entries"
    told = [f"{name} {line}" for name, each in (("old", old), ("new", new)) for line in each.lines()]
    return Proven(says, told, {"old": old.facts(), "new": new.facts()})
