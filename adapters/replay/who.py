"""Who changes: the chains of credentials that fare otherwise under a policy than in fact, as Parquet."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sealbook.adapters.replay.replaying import Changed
from sealbook.adapters.replay.running import Named
from sealbook.adapters.replay.selecting import PER_CHAIN
from sealbook.adapters.whole_files import whole


@contextmanager
def listed(path: Path, labels: Sequence[str]) -> Generator[Named]:
    """Give whom to tell of those who change; they are in the file when the block ends well.

    A row is a chain under a policy: its name, its customer's number in the snapshot, and what became of it, in force
    and under the policy. Only the owner may read it, for it names people. Raises BadFile, ImportError without pyarrow.
    """
    from sealbook.adapters.replay.snapshot_arrow import arrow, pq

    sorts = [(name, arrow.bool_() if name == "valid" else arrow.int32()) for name in PER_CHAIN]
    both = [(f"{when}_{name}", sort) for when in ("in_force", "under") for name, sort in sorts]
    first = [("policy", arrow.string()), ("name", arrow.string()), ("customer", arrow.int64())]
    schema = arrow.schema([*first, *both])

    with whole(path, private=True) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:

        def named(changed: Sequence[Changed], names: Sequence[str]) -> None:
            for each in changed:
                held: dict[str, Any] = {
                    "policy": [labels[each.policy]] * len(each.rows),
                    "name": [names[row] for row in each.rows],
                    "customer": each.customer,
                    **{f"in_force_{name}": each.in_force[name] for name in PER_CHAIN},
                    **{f"under_{name}": each.under[name] for name in PER_CHAIN},
                }
                writer.write_table(arrow.table(held, schema=schema))

        yield named
