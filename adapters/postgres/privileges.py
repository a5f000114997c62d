"""How PostgreSQL, which refuses to run as root, is started by root.

No user is added and no folder that is not ours changes its mode or owner: the server gets another id only in
its own eyes (a user namespace), or another id that may still open root's folders (one ambient capability).
"""

import os
import subprocess
from pathlib import Path

from sealbook.adapters.postgres.errors import ServerUnavailable

UNPRIVILEGED_ID = 65534
TRIAL_SECONDS_MAX = 10.0
DIRECTLY: tuple[str, ...] = ()
IN_NAMESPACE = ("unshare", "--user", f"--map-user={UNPRIVILEGED_ID}", f"--map-group={UNPRIVILEGED_ID}")
# dac_override includes what dac_read_search allows, and hardened containers often grant only the first.
BY_CAPABILITY = (
    "setpriv",
    f"--reuid={UNPRIVILEGED_ID}",
    f"--regid={UNPRIVILEGED_ID}",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    # Without it the change of id drops what is effective, and access() then answers no below a private folder.
    "--securebits=+no_setuid_fixup",
)
REMEDY = "run the command as an ordinary user, allow user namespaces, or set SEALBOOK_DSN to a running server"


def prefix_for_new_data(*, workshop: Path, program: str) -> tuple[str, ...]:
    """Return what to put before the program's name so that it runs unprivileged and can write the folder.

    The trial leaves a folder in the workshop: only making one shows that it can be made, because the question
    whether it may be (access) is answered without regard to capabilities.
    """
    if os.geteuid() != 0:
        return DIRECTLY
    for prefix in (IN_NAMESPACE, BY_CAPABILITY):
        # A namespace's user is no longer mighty: it may fail to reach a folder below somebody's private one.
        trial = workshop / f"trial-of-{prefix[0]}"
        if _runs(prefix, program, "--version") and _runs(prefix, "mkdir", str(trial)):
            return prefix
    raise ServerUnavailable(
        f"PostgreSQL does not run as root, and this system allows root neither a user namespace (unshare) nor"
        f" another id (setpriv) that can write {workshop.parent}: {REMEDY}"
    )


def prefix_for(*, data: Path, program: str) -> tuple[str, ...]:
    """Return the prefix under which the data was made: PostgreSQL insists on owning its data folder."""
    owner = data.stat().st_uid
    if os.geteuid() != 0 and owner == os.geteuid():
        return DIRECTLY
    prefix = {0: IN_NAMESPACE, UNPRIVILEGED_ID: BY_CAPABILITY}.get(owner)
    if os.geteuid() != 0 or prefix is None:
        raise ServerUnavailable(f"{data} belongs to uid {owner}: run the command as that user")
    if not _runs(prefix, program, "--version"):
        raise ServerUnavailable(
            f"PostgreSQL does not run as root, and {prefix[0]}, under which {data} was made, is refused here: {REMEDY}"
        )
    return prefix


def _runs(prefix: tuple[str, ...], *command: str) -> bool:
    try:
        trial = subprocess.run(
            [*prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TRIAL_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0
