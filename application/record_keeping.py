"""Record keeping: what is asked of the ledger about itself."""

from dataclasses import dataclass
from datetime import datetime

from sealbook.domain import ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class OnLedger:
    """Note a map of heads, another key, records that go, or another log."""

    command: ledger.Command

    @property
    def at(self) -> datetime:
        return self.command.at
