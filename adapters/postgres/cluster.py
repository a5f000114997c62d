"""Making the data folder: whole or not at all."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from sealbook.adapters.postgres import privileges
from sealbook.adapters.postgres.binaries import Binaries
from sealbook.adapters.postgres.errors import DISK_FULL, ServerUnavailable, disk_is_full
from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from sealbook.adapters.postgres.server_log import meaningful_line
from sealbook.adapters.postgres.surroundings import server_environment

INIT_SECONDS_MAX = 300.0
REMOVAL_SECONDS_MAX = 5.0
POLL_SECONDS = 0.02
UNFINISHED_PREFIX = "initdb-"
SUPERUSER = "postgres"
DATABASE = "sealbook"


def create(folder: LedgerFolder, binaries: Binaries, *, durable: bool) -> None:
    """Make the data folder with an empty database in it. The caller holds the server's lock.

    The data is made aside and renamed, so data that has its name is always whole: a killed or failed attempt
    leaves at most a folder with another name, which the next attempt removes.
    """
    _remove_unfinished(folder)
    workshop = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=folder.path))
    try:
        prefix = privileges.prefix_for_new_data(workshop=workshop, program=binaries.initdb)
        _make(workshop / "pgdata", folder=folder, binaries=binaries, prefix=prefix, durable=durable)
        (workshop / "pgdata").rename(folder.data)
        if durable:
            _sync(folder.path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _make(data: Path, *, folder: LedgerFolder, binaries: Binaries, prefix: tuple[str, ...], durable: bool) -> None:
    initdb = (*prefix, binaries.initdb, "-D", str(data))
    # The C locale orders text by its bytes in every version, so no upgrade of a library can spoil an index.
    choices = ("--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions", "--no-sync")
    # Trust is safe here: nobody else can reach the socket's folder.
    _run(folder, (*initdb, f"--username={SUPERUSER}", "--auth=trust", *choices))
    single = (*prefix, binaries.postgres, "--single", "-D", str(data), "-c", "fsync=off", "template1")
    _run(folder, single, typed=f"CREATE DATABASE {DATABASE}\n")
    if durable:
        # Data that was never synced would take commits along that were acknowledged as durable.
        _run(folder, (*initdb, "--sync-only"))


def _run(folder: LedgerFolder, command: tuple[str, ...], *, typed: str = "") -> None:
    try:
        done = subprocess.run(
            command,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=server_environment(),
            timeout=INIT_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ServerUnavailable(
            f"making a database in {folder.path} took more than {INIT_SECONDS_MAX:.0f} s: check its disk"
        ) from None
    # The stand-alone server reports a failed statement in words only.
    if done.returncode or "ERROR:" in done.stdout or "FATAL:" in done.stdout:
        raise ServerUnavailable(_failure(folder, done.stdout))


def _failure(folder: LedgerFolder, said: str) -> str:
    if any(words in said for words in DISK_FULL):
        return disk_is_full(folder.path)
    return f"no database could be made in {folder.path}: {meaningful_line(said)}; correct it and run again"


def _remove_unfinished(folder: LedgerFolder) -> None:
    give_up = time.monotonic() + REMOVAL_SECONDS_MAX
    for left in folder.path.glob(f"{UNFINISHED_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
        while left.exists() and time.monotonic() < give_up:
            # The programs of a killed maker may write on for a moment; without their folder they end.
            time.sleep(POLL_SECONDS)
            shutil.rmtree(left, ignore_errors=True)


def _sync(path: Path) -> None:
    # The new name must survive a power cut as the data does.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
