"""Evidence: what an identification leaves behind. A reference and nothing of its content."""

from sealbook.domain.errors import Refusal, Refused


def check_evidence(evidence: str | None) -> str:
    """Return the reference to an identification. Raises Refused(evidence) without one."""
    if not evidence:
        raise Refused(Refusal.EVIDENCE, "identify the holder first, and give the reference of that as evidence")
    return evidence
