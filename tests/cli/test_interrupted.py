"""Ctrl-C during an import: one line, its own exit code, and the next run goes on."""

import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from sealbook.adapters.importing.shared import SHARES
from tests.cli.terminal import Child, begun, ended, sealbook
from tests.cli.written import write

LINES = 60_000
GIVE_UP_SECONDS = 60


def uses(path: Path) -> Path:
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    rows = (f"A{n % 500},{int((begin + timedelta(minutes=n)).timestamp())}\n" for n in range(LINES))
    return write(path, "customer,used_at\n" + "".join(rows))


def until_some_lines_are_in(dsn: str, child: Child) -> None:
    give_up = time.monotonic() + GIVE_UP_SECONDS
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < give_up and child.poll() is None:
            # Two processes share the file: what is told of the next run is how far the slower one had come.
            if connection.execute("SELECT FROM sealbook.imports WHERE lines_done > 0").rowcount == SHARES:
                return
            time.sleep(0.005)
    raise AssertionError("nothing was imported while it could have been interrupted")


def test_an_interrupted_import_says_so_and_is_resumed(ledger: str, folder: Path) -> None:
    path = uses(folder / "uses.csv")
    child = begun("import", "--format", "uses", path)
    until_some_lines_are_in(ledger, child)
    child.send_signal(signal.SIGINT)

    ended(child).failed(130, "interrupted; what was written stays, run the command again")

    again = sealbook("import", "--format", "uses", path, "--json").answer
    assert again["resumed_at"] > 0
    assert 0 < again["lines"] < LINES
    assert sealbook("fsck", "--json").answer["clean"] is True
    counted = sealbook("report", "--json").answer["events"]
    assert counted["credential.used"] == LINES
