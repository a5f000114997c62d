"""The server's settings. All stand on its command line, so no file in the data can weaken them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sealbook.adapters.postgres.ledger_folder import LedgerFolder
from sealbook.adapters.postgres.sockets import PORT

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
CLUSTER_NAME = "sealbook"
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
NOT_DURABLE = dict.fromkeys(DURABLE, "off")
DEFAULTS = {
    # Heads and indexes are touched at random. Memory is taken as it is used; a page's first change after a
    # checkpoint writes the whole page, so checkpoints are to be rare.
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # Statements, parameters and rows can hold secrets and personal data: errors go to the client only.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True, slots=True)
class Settings:
    durable: bool
    options: Mapping[str, str]

    def arguments(self, folder: LedgerFolder, *, socket_folder: Path) -> tuple[str, ...]:
        """Return the server's arguments; no option overrides what keeps strangers out or answers durable."""
        quoted = str(socket_folder).replace('"', '""')
        closed = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": f'"{quoted}"',
            "unix_socket_permissions": "0700",
            "cluster_name": CLUSTER_NAME,
        }
        settings = DEFAULTS | dict(self.options) | (DURABLE if self.durable else NOT_DURABLE) | closed
        pairs = (f"{name}={value}" for name, value in settings.items())
        return ("-D", str(folder.data), *(word for pair in pairs for word in ("-c", pair)))


def is_started_with(recorded: str, arguments: tuple[str, ...]) -> bool:
    """Compare with the command line that a running server recorded, whichever program stands in it."""
    return recorded.endswith("".join(f' "{word}"' for word in arguments))


def is_of_this_product(recorded: str) -> bool:
    return f'"cluster_name={CLUSTER_NAME}"' in recorded
