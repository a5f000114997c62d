"""What-if scenarios: policies that are asked about, and what came of them, the same in a terminal and over HTTP."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sealbook.application.simulation import SelfCheck, Summary, WhatIf
from sealbook.domain.policy import PolicyBook
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import SwitchMode
from sealbook.projections.what_if import Scenario


class TwiceGiven(ValueError):
    """Two policies could not be told apart by their answers. The message says which."""


def labelled(documents: Iterable[RenewalPolicy]) -> dict[str, RenewalPolicy]:
    """Return the policies asked about by the label that their answers carry. Raises TwiceGiven."""
    found: dict[str, RenewalPolicy] = {}
    for document in documents:
        label = document.policy_id if document.policy_id not in found else str(document.ref)
        if label in found:
            raise TwiceGiven(f"two of the policies are {label}: give each a policy_id or version of its own")
        found[label] = document
    return found


def scenarios_of(
    documents: Mapping[str, RenewalPolicy], *, switch_at: datetime | None, mode: SwitchMode | None
) -> dict[str, Scenario]:
    """Return a scenario for each label."""
    return {
        label: Scenario(
            policy=apart(document, number), given=document, switch_at=switch_at, mode=mode or SwitchMode.KEEP
        )
        for number, (label, document) in enumerate(documents.items(), start=1)
    }


def what_if(scenarios: Mapping[str, Scenario], *, book: PolicyBook, as_of: datetime) -> WhatIf:
    """Return the run of the scenarios beside the policies of a ledger or file."""
    asked = PolicyBook.of(*(scenario.policy for scenario in scenarios.values()))
    policies = PolicyBook({**book.policies, **asked.policies})
    return WhatIf(scenarios=scenarios, policies=policies, as_of=as_of)


def apart(document: RenewalPolicy, number: int) -> RenewalPolicy:
    # Under an id that no ledger can hold: it may be another reading of a policy that the ledger has.
    return document.model_copy(update={"policy_id": f"{document.policy_id}~{number}"})


def told(run: WhatIf) -> dict[str, object]:
    """Return what a run came to; its values are still to be made plain."""
    return {
        "as_of": run.as_of,
        "factual": _check(run.check),
        "policies": [_summary(summary) for summary in run.summaries.values()],
    }


def _check(check: SelfCheck) -> dict[str, object]:
    return {
        "credentials": check.credentials,
        "agrees": check.agrees,
        "differing": check.differing,
        "recorded": check.recorded,
        "replayed": check.replayed,
        "observed_renewals": check.observed_renewals,
        "observed_renewals_replayed": check.observed_renewals_replayed,
        "observed_expiries": check.observed_expiries,
        "observed_expiries_replayed": check.observed_expiries_replayed,
    }


def _summary(summary: Summary) -> dict[str, object]:
    return {
        "policy": summary.policy,
        "digest": summary.digest,
        "credentials": summary.credentials,
        "renewals": summary.renewals,
        "lapses": summary.lapses,
        "refused_uses": summary.refused_uses,
        "changed": summary.changed,
    }
