"""Settings: what the environment says, read once; what is typed beats it."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from sealbook.adapters.cli.session import DEFAULT_LEDGER, Place

KEY_FILE = "development-keys.json"
SEAL_FOLDER = "seal"


Port = Annotated[int, Field(ge=1, le=65_535)]


class Settings(BaseSettings):
    """SEALBOOK_LEDGER, _DSN, _KEYS, _KINDS and _SEAL, and where keys are that are no file's.

    SEALBOOK_KEYSTORE_DSN names the keystore's database. With SEALBOOK_PKCS11_MODULE the root keys are in an HSM:
    SEALBOOK_PKCS11_TOKEN is the token's label, SEALBOOK_PKCS11_PIN or the file SEALBOOK_PKCS11_PIN_FILE opens it.
    Of the service: SEALBOOK_ISSUER, _AUDIENCE and _JWKS say whose bearer tokens are taken, SEALBOOK_TRUSTED_PROXIES
    which addresses may hand on a client's certificate, SEALBOOK_WEBHOOK_NETWORKS, _WEBHOOK_PORTS and
    _WEBHOOK_PLAIN_HTTP whom webhooks may call beside public hosts, SEALBOOK_LOG_LEVEL from which level on it logs.
    """

    model_config = SettingsConfigDict(env_prefix="SEALBOOK_", frozen=True, env_ignore_empty=True)

    ledger: Path = DEFAULT_LEDGER
    dsn: str | None = Field(default=None, repr=False)
    keys: Path | None = None
    kinds: Path | None = None
    seal: Path | None = None
    keystore_dsn: str | None = Field(default=None, repr=False)
    pkcs11_module: str | None = None
    pkcs11_token: str | None = None
    pkcs11_pin: str | None = Field(default=None, repr=False)
    pkcs11_pin_file: Path | None = None
    issuer: str | None = None
    audience: str | None = None
    jwks: str | None = None
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    webhook_networks: Annotated[tuple[str, ...], NoDecode] = ()
    webhook_ports: Annotated[tuple[Port, ...], NoDecode] = (443,)
    webhook_plain_http: bool = False
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each)
        return value

    @field_validator("trusted_proxies", "webhook_networks", "webhook_ports", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    def for_place(self, place: Place) -> "Settings":
        """Return the settings with what was typed put over them. A folder that was typed beats SEALBOOK_DSN
        and SEALBOOK_KEYSTORE_DSN: it brings its own.
        """
        typed = {
            "ledger": place.ledger or self.ledger,
            "dsn": place.dsn or (None if place.ledger else self.dsn),
            "keystore_dsn": None if place.ledger and not place.dsn else self.keystore_dsn,
            "keys": place.keys or self.keys,
            "seal": place.seal or self.seal,
        }
        return self.model_copy(update=typed)

    @property
    def key_file(self) -> Path:
        return self.keys or self.ledger / KEY_FILE

    @property
    def seal_folder(self) -> Path:
        return self.seal or self.ledger / SEAL_FOLDER
