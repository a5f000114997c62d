"""What is told of the settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    DEFAULT = "default"
    ENVIRONMENT = "environment"
    TYPED = "typed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting as it holds for a command, None where it has no value; what is secret in it is hidden."""

    name: str
    variable: str
    value: str | None
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All settings, and what the environment says to Sealbook that it does not know: with what may have been meant."""

    settings: Sequence[Setting]
    unknown: Sequence[tuple[str, str | None]]
