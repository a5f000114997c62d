"""What an import is to do, in this process or told to another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sealbook.adapters.history_files import HistoryFile, facts_file, policies_of, uses_file
from sealbook.adapters.ids import new_id
from sealbook.application.import_forms import FactsForm, UsesForm
from sealbook.application.importing import Advanced, Import, Row, unasked
from sealbook.application.ports import EventStore
from sealbook.application.shares import WHOLE, Share
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTask:
    """One import: of a file of uses, or of facts. `policy` is what to issue under, where it is not the default."""

    path: Path
    uses: bool
    policy: RenewalPolicy | None
    kind: Kind
    reissue: bool
    now: datetime

    def file(self) -> HistoryFile:
        return uses_file(self.path) if self.uses else facts_file(self.path)

    def job(
        self,
        store: EventStore,
        file: HistoryFile,
        *,
        skip: Callable[[Row, str], None] | None,
        advanced: Advanced,
        share: Share = WHOLE,
        checked: Callable[[], None] = unasked,
    ) -> Import[Any]:
        """Return the import of a file, or of a share of it, into a store. Raises BadFile."""
        form: UsesForm | FactsForm
        policies = policies_of([] if self.policy is None else [self.policy])
        provenance = f"import {file.digest.hex()[:16]}"
        if self.uses:
            form = UsesForm(
                store=store,
                policies_given=policies,
                kind=self.kind,
                reissue=self.reissue,
                provenance=provenance,
                new_id=new_id,
            )
        else:
            form = FactsForm(store=store, policies_given=policies, kind=self.kind, provenance=provenance, new_id=new_id)
        return Import(
            store=store,
            file=file,
            form=form,
            now=self.now,
            new_id=new_id,
            skip=skip,
            advanced=advanced,
            share=share,
            checked=checked,
        )

    def told(self) -> dict[str, object]:
        """Return the task as JSON knows it."""
        return {
            "path": str(self.path.absolute()),
            "uses": self.uses,
            "policy": None if self.policy is None else self.policy.document,
            "kind": self.kind.value,
            "reissue": self.reissue,
            "now": self.now.isoformat(),
        }


def task_of(told: Mapping[str, Any]) -> ImportTask:
    """Return the task that was told."""
    policy = told["policy"]
    return ImportTask(
        path=Path(told["path"]),
        uses=told["uses"],
        policy=None if policy is None else RenewalPolicy.model_validate_json(policy),
        kind=Kind(told["kind"]),
        reissue=told["reissue"],
        now=datetime.fromisoformat(told["now"]),
    )
