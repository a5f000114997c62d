"""Settings: what the environment says, read once; what is typed beats it."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from sealbook.adapters.cli.session import DEFAULT_LEDGER, Place

KEY_FILE = "development-keys.json"


class Settings(BaseSettings):
    """SEALBOOK_LEDGER, SEALBOOK_DSN, SEALBOOK_KEYS and SEALBOOK_KINDS."""

    model_config = SettingsConfigDict(env_prefix="SEALBOOK_", frozen=True, env_ignore_empty=True)

    ledger: Path = DEFAULT_LEDGER
    dsn: str | None = Field(default=None, repr=False)
    keys: Path | None = None
    kinds: Path | None = None

    def for_place(self, place: Place) -> "Settings":
        """Return the settings with what was typed put over them. A folder that was typed beats SEALBOOK_DSN."""
        return Settings(
            ledger=place.ledger or self.ledger,
            dsn=place.dsn or (None if place.ledger else self.dsn),
            keys=place.keys or self.keys,
            kinds=self.kinds,
        )

    @property
    def key_file(self) -> Path:
        return self.keys or self.ledger / KEY_FILE
