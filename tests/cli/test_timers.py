"""sealbook timers: what has come due is recorded once. And a bank's own kinds, by the environment."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from sealbook.domain import presets
from tests.cli.terminal import sealbook
from tests.cli.written import write_json_lines

LATER = "2026-10-01T00:00:00+09:00"


@pytest.mark.usefixtures("ledger")
def test_what_has_come_due_is_recorded_once(folder: Path) -> None:
    write_json_lines(
        folder / "forgotten.jsonl", {"at": "2023-05-01T09:00:00+09:00", "credential": "C9", "fact": "issued"}
    )
    assert sealbook("import", "forgotten.jsonl").code == 0

    first, again = (sealbook("timers", "--until", LATER, "--json") for _ in range(2))

    assert (first.code, again.code) == (0, 0)
    assert json.loads(first.out) == {"until": LATER, "done": 1}
    assert json.loads(again.out) == {"until": LATER, "done": 0}
    assert '"credential.expired", "occurred_at": "2025-05-02T00:00:00+09:00"' in sealbook("history", "C9", "--json").out


@pytest.mark.usefixtures("lived")
def test_a_person_is_told_how_much_it_was() -> None:
    said = sealbook("timers")

    assert said.code == 0
    assert "that had come due." in said.out


@pytest.mark.usefixtures("lived")
def test_what_has_not_come_due_cannot_be_recorded() -> None:
    said = sealbook("timers", "--until", "2399-01-01T00:00:00Z")

    assert said.code == 2
    assert said.err == "sealbook: --until lies in the future: what has not come due cannot be recorded\n"


def test_a_moment_without_an_offset_is_bad_input() -> None:
    said = sealbook("timers", "--until", "2026-01-01")

    assert said.code == 2
    assert "a time needs its offset" in said.err


def test_the_kinds_may_be_the_banks_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = files(presets).joinpath("mobile_otp.toml").read_text(encoding="utf-8")
    (folder / "mobile_otp.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("SEALBOOK_KINDS", str(folder))

    said = sealbook("kinds")

    assert said.code == 0
    assert "Mobile OTP" in said.out.splitlines()[0]
    assert "KB mobile certificate" not in said.out


def test_kinds_that_cannot_be_used_are_bad_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALBOOK_KINDS", str(folder))

    for command in (["kinds"], ["timers"]):
        said = sealbook(*command)
        assert said.code == 2
        assert "holds no kind" in said.err


@pytest.mark.usefixtures("ledger")
def test_the_next_process_goes_on_by_the_same_agenda(folder: Path) -> None:
    issued = {"at": "2023-05-01T09:00:00+09:00", "credential": "C9", "fact": "issued"}
    write_json_lines(folder / "forgotten.jsonl", issued)
    assert sealbook("timers", "--until", LATER).code == 0
    assert sealbook("import", "forgotten.jsonl").code == 0

    said = [sealbook("timers", "--until", until, "--json").answer["done"] for until in ("2025-04-20T00:00:00Z", LATER)]

    assert said == [0, 1]
