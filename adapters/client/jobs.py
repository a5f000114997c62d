"""What-if jobs: an analyst asks what other policies would have come to, and comes back for the answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Unpack
from uuid import UUID

import msgspec

from sealbook.adapters.client.calls import Answer, Call, How, as_told, body, command, decoded, look
from sealbook.adapters.client.results import Job, WhatIf

PATH = "/v1/what-if-jobs"


class _Jobs(msgspec.Struct, frozen=True):
    jobs: tuple[Job, ...]


def submit_what_if(
    policies: Sequence[str | Mapping[str, Any]],
    *,
    as_of: datetime | None = None,
    switch_at: datetime | None = None,
    mode: str | None = None,
    **how: Unpack[How],
) -> Call[Job]:
    """Ask what policies would have come to: names, like `D` or `D@1`, or whole documents. The key becomes the id."""
    content = body(policies=policies, as_of=as_of, switch_at=switch_at, mode=mode)
    return command(PATH, content, how, read=as_told(Job))


def what_if_jobs(*, limit: int = 100) -> Call[tuple[Job, ...]]:
    """List what was asked for last, the latest first."""
    return look(PATH, {}, read=_jobs, asked={"limit": limit})


def what_if_job(job: UUID) -> Call[Job]:
    """Tell how a job stands, and how far it is."""
    return look(f"{PATH}/{job}", {}, read=as_told(Job))


def what_if_result(job: UUID) -> Call[WhatIf]:
    """Read what a job came to. Raises Problem(job_not_done) until then."""
    return look(f"{PATH}/{job}/result", {}, read=as_told(WhatIf))


def cancel_what_if(job: UUID) -> Call[Job]:
    """Cancel a job. One that has ended stays as it is."""
    return Call(method="DELETE", path=f"{PATH}/{job}", read=as_told(Job))


def _jobs(answer: Answer) -> tuple[Job, ...]:
    return decoded(_Jobs, answer.content).jobs
