"""A file in memory, and imports of it into a store in memory."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from sealbook.application.facts import BadLine
from sealbook.application.import_forms import FactsForm, Policies, UsesForm
from sealbook.application.importing import Import, ImportResult, Row
from sealbook.application.ports import EventStore
from sealbook.domain.catalogue import event_name
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import DEFAULT_POLICY, preset_policies
from sealbook.domain.values import Kind

NOW = datetime(2030, 1, 1, tzinfo=UTC)
Written = Mapping[str, object]
Skip = Callable[[Row, str], None]


@dataclass(frozen=True)
class Lines:
    """What a facts or uses file holds; a text in place of fields is why the line has none."""

    written: Sequence[Written | str]

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(json.dumps(list(self.written), default=dict).encode()).digest()

    def rows(self) -> Iterator[Row]:
        for number, each in enumerate(self.written, 1):
            yield Row(number, str(each).encode(), BadLine(each) if isinstance(each, str) else each)


def fact(name: str, at: str, credential: str = "C1", **more: object) -> Written:
    return {"at": at, "credential": credential, "fact": name, **more}


def use(customer: str, at: str) -> Written:
    return {"customer": customer, "used_at": str(int(datetime.fromisoformat(at).timestamp()))}


def given_policies(*documents: RenewalPolicy) -> Policies:
    presets = preset_policies()
    default = presets[DEFAULT_POLICY]
    named = {**presets, **{document.policy_id: document for document in documents}}
    return Policies(given=documents[0] if documents else default, otherwise=default, named=named)


@dataclass
class Desk:
    """Imports into one store, with ids of its own."""

    store: EventStore
    policies: Policies = field(default_factory=given_policies)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def new_id(self) -> UUID:
        return UUID(int=0xDE5C << 64 | next(self.ids))

    def facts(self, *written: Written | str, kind: Kind = Kind.KB_MOBILE_CERTIFICATE, **more: Any) -> ImportResult:
        return self.importing_facts(*written, kind=kind, **more).run()

    def importing_facts(
        self, *written: Written | str, kind: Kind = Kind.KB_MOBILE_CERTIFICATE, **more: Any
    ) -> Import[Any]:
        form = FactsForm(
            store=self.store, policies_given=self.policies, kind=kind, provenance="a test", new_id=self.new_id
        )
        return self._import(form, written, **more)

    def uses(
        self, *written: Written | str, reissue: bool = False, kind: Kind = Kind.KB_MOBILE_CERTIFICATE, **more: Any
    ) -> ImportResult:
        form = UsesForm(
            store=self.store,
            policies_given=self.policies,
            kind=kind,
            reissue=reissue,
            provenance="a test",
            new_id=self.new_id,
        )
        return self._import(form, written, **more).run()

    def _import(self, form: Any, written: Sequence[Written | str], **more: Any) -> Import[Any]:
        return Import(store=self.store, file=Lines(written), form=form, now=NOW, new_id=self.new_id, **more)


def names_of_events(store: EventStore) -> list[str]:
    """The events in order, those of the policies left out."""
    names = [event_name(recorded.event) for recorded in store.read(after=0, limit=100_000)]
    return [name for name in names if not name.startswith("policy.")]
