"""config show: every setting, where it came from, and nothing secret."""

import os
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from sealbook.adapters.cli.configuration import Source
from sealbook.adapters.cli.session import Place
from sealbook.configured import configuration
from sealbook.settings import Settings
from tests.cli.terminal import Said, sealbook

SECRET = "geheim-5678"


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("SEALBOOK_"):
            monkeypatch.delenv(name)


def shown(said: Said) -> dict[str, tuple[str | None, str]]:
    return {each["name"]: (each["value"], each["source"]) for each in said.answer["settings"]}


def test_every_setting_is_shown_with_its_variable() -> None:
    found = sealbook("config", "show", "--json").answer

    assert found["unknown"] == []
    assert [each["name"] for each in found["settings"]] == [*Settings.model_fields, "pg_bin"]
    assert all(each["variable"] == f"SEALBOOK_{each['name'].upper()}" for each in found["settings"])


def test_each_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("SEALBOOK_KINDS", "my-kinds")
    monkeypatch.setenv("SEALBOOK_KEYS", "other.json")
    monkeypatch.setenv("sealbook_seal", "sealed")
    monkeypatch.setenv("SEALBOOK_DSN", "")
    monkeypatch.setenv("SEALBOOK_PG_BIN", str(folder))

    found = shown(sealbook("config", "show", "--keys", "mine.json", "--json"))
    assert found["ledger"] == ("sealbook-data", "default")
    assert found["kinds"] == ("my-kinds", "environment")
    assert found["seal"] == ("sealed", "environment")
    assert found["keys"] == ("mine.json", "typed")
    assert found["dsn"] == (None, "default")
    assert found["pg_bin"] == (str(folder), "environment")


def test_a_folder_that_is_typed_brings_its_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_DSN", "host=db dbname=bank")
    monkeypatch.setenv("SEALBOOK_KEYSTORE_DSN", "host=db dbname=keys")

    found = shown(sealbook("config", "show", "--ledger", "mine", "--json"))
    assert (found["ledger"], found["dsn"], found["keystore_dsn"]) == (
        ("mine", "typed"),
        (None, "typed"),
        (None, "typed"),
    )


@pytest.mark.parametrize(
    ("dsn", "value"),
    [
        (
            f"host=db dbname=bank user=service password={SECRET}",
            "host=db dbname=bank user=service password=<hidden>",
        ),
        (
            f"postgresql://service:{SECRET}@db:5433/bank?sslmode=require",
            "user=service password=<hidden> dbname=bank host=db port=5433 sslmode=require",
        ),
        (f"host=db password='{SECRET} {SECRET}'", "host=db password=<hidden>"),
        (f"host=db sslpassword={SECRET}", "host=db sslpassword=<hidden>"),
        (f"host=db passwort={SECRET}", "<hidden>"),
    ],
)
@pytest.mark.parametrize("setting", ["dsn", "keystore_dsn"])
def test_passwords_are_hidden(monkeypatch: pytest.MonkeyPatch, setting: str, dsn: str, value: str) -> None:
    monkeypatch.setenv(f"SEALBOOK_{setting.upper()}", dsn)

    said = sealbook("config", "show", "--json")
    found, there = shown(said)[setting][0] or "", value
    assert sorted(found.split()) == sorted(there.split())
    assert SECRET not in said.out + said.err + sealbook("config", "show").out


def test_secrets_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_PKCS11_PIN", SECRET)

    said = sealbook("config", "show", "--json")
    assert shown(said)["pkcs11_pin"] == ("<hidden>", "environment")
    assert SECRET not in said.out + sealbook("config", "show").out


class Later(Settings):
    """Settings that another version may have."""

    address_of_it: str = "https://issuer.example/a/path/that/is/longer/than/a/key/would/be"
    number_of_it: int = 2
    many_of_it: tuple[str, ...] = ("10.0.0.1", "10.0.0.2")
    none_of_it: tuple[str, ...] = ()
    key_of_it: SecretStr = SecretStr(SECRET)
    secret_of_it: str = Field(default=SECRET, repr=False)
    proxy_of_it: str = f"https://user:{SECRET}@proxy.example/"


def test_settings_that_come_later_are_shown_as_well() -> None:
    found = configuration(Later(), Place(), environment={})

    values = {each.name: each.value for each in found.settings if each.name.endswith("_of_it")}
    assert values == {
        "address_of_it": "https://issuer.example/a/path/that/is/longer/than/a/key/would/be",
        "number_of_it": "2",
        "many_of_it": "10.0.0.1 10.0.0.2",
        "none_of_it": None,
        "key_of_it": "<hidden>",
        "secret_of_it": "<hidden>",
        "proxy_of_it": "https://<hidden>@proxy.example/",
    }
    assert {each.source for each in found.settings} == {Source.DEFAULT}
    assert SECRET not in str(found)


def test_a_variable_that_nobody_reads_does_not_pass_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_DNS", f"password={SECRET}")
    monkeypatch.setenv("SEALBOOK_COLOUR_OF_MONEY", SECRET)

    said = sealbook("config", "show", "--json")
    assert said.code == 2
    assert said.rows[0]["unknown"] == ["SEALBOOK_COLOUR_OF_MONEY", "SEALBOOK_DNS"]
    assert said.err.count("\n") == 1
    assert "SEALBOOK_COLOUR_OF_MONEY, SEALBOOK_DNS (did you mean SEALBOOK_DSN?)" in said.err
    assert SECRET not in said.out + said.err


def test_it_is_shown_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_KINDS", "my-kinds")

    lines = sealbook("config", "show").out.splitlines()
    assert lines[0].split() == ["setting", "value", "from", "variable"]
    assert ["kinds", "my-kinds", "environment", "SEALBOOK_KINDS"] in [line.split() for line in lines]
    assert ["dsn", "-", "default", "SEALBOOK_DSN"] in [line.split() for line in lines]
