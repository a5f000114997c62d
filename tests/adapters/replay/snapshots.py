"""Snapshots as tests look at them."""

from sealbook.adapters.replay.contract import FactKind
from sealbook.adapters.replay.snapshot import Snapshot


class Chain:
    """One chain of a snapshot, its moments as moments."""

    def __init__(self, snapshot: Snapshot, name: str, *, in_fact: bool = False) -> None:
        for number in range(snapshot.partitions):
            names = snapshot.names(number)
            if name in names:
                break
        else:
            raise AssertionError(f"no chain {name}")
        row, part = names.index(name), snapshot.read(number, attempts=True, days=True, in_fact=in_fact)
        recorded = snapshot.recorded(number)
        assert part.accepted is not None
        assert part.refused is not None
        self.accepted = part.accepted.at[part.accepted.begin[row] : part.accepted.begin[row + 1]].tolist()
        self.refused = part.refused.at[part.refused.begin[row] : part.refused.begin[row + 1]].tolist()
        own = slice(part.facts.begin[row], part.facts.begin[row + 1])
        self.facts = [
            (FactKind(kind), at, place)
            for kind, at, place in zip(
                part.facts.kind[own].tolist(), part.facts.at[own].tolist(), part.facts.place[own].tolist(), strict=True
            )
        ]
        self.details: list[int] = part.facts.detail[own].tolist()
        self.renewals = recorded.renewals.at[recorded.renewals.begin[row] : recorded.renewals.begin[row + 1]].tolist()
        self.lapses = recorded.lapses.at[recorded.lapses.begin[row] : recorded.lapses.begin[row + 1]].tolist()
        self.issued_at, self.customer = int(part.issued_at[row]), int(part.customer[row])
        self.truncated, self.policy = bool(part.truncated[row]), snapshot.policies[int(part.policy[row])]
        self.classes = (
            [0] * len(self.accepted)
            if part.accepted.use_class is None
            else part.accepted.use_class[part.accepted.begin[row] : part.accepted.begin[row + 1]].tolist()
        )
