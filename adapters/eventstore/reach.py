"""How another process of ours reaches the same ledger. It holds secrets: they go through a pipe, and nowhere else."""

import os
from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.conninfo import make_conninfo

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.reach import keyring_of, reach_of_keys


def conninfo(connection: Connection) -> str:
    """Return what a second connection like this one is made with, its password in it."""
    info = connection.info
    return make_conninfo(info.dsn, **({"password": info.password} if info.password else {}))


def reach_of(store: PostgresEventStore) -> dict[str, object]:
    """Return what `reached` takes, as JSON knows it. Raises Unavailable for keys in memory."""
    return {"conninfo": conninfo(store.connection), "keys": reach_of_keys(store.keys)}


def reached(reach: Mapping[str, Any]) -> PostgresEventStore:
    """Connect to the store of the process that told how. Raises Unavailable."""
    return PostgresEventStore.connect(reach["conninfo"], keys=keyring_of(reach["keys"]), randomness=os.urandom)
