"""What the settings are for a command, and where each came from: of whatever fields the settings have."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import cast

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from sealbook.adapters.cli.configuration import Configuration, Setting, Source
from sealbook.adapters.cli.session import Place
from sealbook.adapters.observing.redaction import HIDDEN
from sealbook.adapters.postgres.binaries import CHOSEN_BY
from sealbook.settings import Settings

READ_ELSEWHERE = (CHOSEN_BY,)
"""Variables that are no settings: they are about this computer, and are asked where they are needed."""
OF_THE_TESTS = ("SEALBOOK_TEST_DSN", "SEALBOOK_FOREIGN")
_PASSWORD_OF_URL = re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*(?=@)")
PASSWORDS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})


def configuration(settings: Settings, place: Place, *, environment: Mapping[str, str]) -> Configuration:
    """Return every setting as it holds for a place, with secrets hidden, and the unknown variables."""
    there = settings.for_place(place)
    prefix = settings.model_config.get("env_prefix", "")
    found = [
        Setting(
            name=name,
            variable=f"{prefix}{name}".upper(),
            value=shown(name, field, getattr(there, name)),
            source=_source(name, settings, there, place),
        )
        for name, field in type(settings).model_fields.items()
    ]
    elsewhere = [
        Setting(
            name=name.removeprefix(prefix).lower(),
            variable=name,
            value=environment.get(name) or None,
            source=Source.ENVIRONMENT if environment.get(name) else Source.DEFAULT,
        )
        for name in READ_ELSEWHERE
    ]
    known = [each.variable for each in (*found, *elsewhere)]
    unknown = unknown_variables(environment, known=[*known, *OF_THE_TESTS], prefix=prefix)
    return Configuration(
        settings=[*found, *elsewhere], unknown=[(name, _meant(name, known, prefix=prefix)) for name in unknown]
    )


def unknown_variables(environment: Mapping[str, str], *, known: Iterable[str], prefix: str) -> list[str]:
    """Return the variables with the prefix that nobody reads: a typo must not pass for a setting that was made."""
    # Settings are found whatever their case.
    heard = {name.upper() for name in known}
    return sorted(name for name in environment if name.upper().startswith(prefix.upper()) and name.upper() not in heard)


def shown(name: str, field: FieldInfo, value: object) -> str | None:
    """Return a setting's value with what is secret in it hidden: a DSN's passwords, or all of a secret."""
    if value is None or value == ():
        return None
    if isinstance(value, SecretStr | SecretBytes):
        return HIDDEN
    if name == "dsn" or name.endswith("_dsn"):
        return _shown_dsn(str(value))
    if not field.repr:
        # What stays out of the settings' own repr is a secret.
        return HIDDEN
    text = " ".join(map(str, cast("tuple[object, ...]", value))) if isinstance(value, tuple) else str(value)
    return _PASSWORD_OF_URL.sub(HIDDEN, text)


def _meant(name: str, known: Iterable[str], *, prefix: str) -> str | None:
    # Without the prefix, which would make all alike.
    names = {each[len(prefix) :]: each for each in known}
    close = get_close_matches(name[len(prefix) :].upper(), names, n=1)
    return names[close[0]] if close else None


def _shown_dsn(dsn: str) -> str:
    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        # What cannot be read may be half a password.
        return HIDDEN
    return make_conninfo(**{name: HIDDEN if name in PASSWORDS else str(part) for name, part in parts.items()})


def _source(name: str, settings: Settings, there: Settings, place: Place) -> Source:
    if getattr(place, name, None) is not None or getattr(there, name) != getattr(settings, name):
        return Source.TYPED
    return Source.ENVIRONMENT if name in settings.model_fields_set else Source.DEFAULT
