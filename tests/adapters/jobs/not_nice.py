"""A what-if whose priority the system does not let it lower, as under a filter of system calls."""

import os

from sealbook.adapters.jobs import what_if


def refused(_increment: int) -> int:
    raise PermissionError


if __name__ == "__main__":
    os.nice = refused
    what_if.main()
