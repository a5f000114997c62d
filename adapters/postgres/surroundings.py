"""The environment that child processes get: what they need, and none of the caller's secrets."""

import os
import sys

FOR_ANY_PROGRAM = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
FOR_PYTHON = ("PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")


def server_environment() -> dict[str, str]:
    """Messages are read by us, hence English; a zone named here spares initdb a search for the system's."""
    return _taken_over(*FOR_ANY_PROGRAM) | {"LC_ALL": "C", "TZ": "UTC"}


def supervisor_environment() -> dict[str, str]:
    # The supervisor finds the package wherever this process found it, installed or not.
    path = os.pathsep.join(os.path.abspath(each) for each in sys.path if each)  # noqa: PTH100 - not only files
    return _taken_over(*FOR_ANY_PROGRAM, *FOR_PYTHON) | {"PYTHONPATH": path}


def _taken_over(*names: str) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
