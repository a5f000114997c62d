"""sealbook kinds: what the kinds are, side by side, without a ledger."""

import re

import pytest
from rich.cells import cell_len

from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import Kind
from tests.cli.terminal import Said, sealbook

NAMES = ("Mobile OTP", "KB mobile certificate", "Financial certificate", "Universal joint certificate")


def line(said: Said, label: str) -> str:
    (found,) = (line for line in said.out.splitlines() if line.startswith(f"{label}  "))
    return found


def test_the_kinds_stand_side_by_side() -> None:
    said = sealbook("kinds")

    assert (said.code, said.err) == (0, "")
    assert [name for name in NAMES if name not in said.out.splitlines()[0]] == []
    assert line(said, "IDs linked").split() == ["IDs", "linked", "1", "5", "5", "5"]


@pytest.mark.parametrize(
    "label",
    [
        *("Who may hold it", "Where it is used", "Used to", "Membership needed", "Steps of issue", "Fee of issue"),
        *("Security", "Stored in", "Unlocked by", "Validity", "Renewal policy", "Renewed", "Renew in", "Lockout"),
        *("Proof of a use", "Resists phishing", "Devices a person", "Prepare", "Beware", "Details", "Help"),
        "Personal/corporate",
    ],
)
def test_the_kinds_are_compared_by_what_the_guide_names(label: str) -> None:
    assert line(sealbook("kinds"), label)


@pytest.mark.parametrize("option", [[], ["--lang", "ko"], ["--lang", "both"]])
def test_the_answer_says_that_these_are_not_the_bank_s_own_terms(option: list[str]) -> None:
    said = sealbook("kinds", *option)

    assert ("not the bank's own terms" in said.out) is (option != ["--lang", "ko"])
    assert ("은행의 공식 약관이 아닙니다" in said.out) is (option != [])


def test_people_are_answered_in_korean_when_they_ask() -> None:
    said = sealbook("kinds", "--lang", "ko")

    assert "금융인증서" in said.out.splitlines()[0]
    assert "무료" in line(said, "발급 수수료")
    assert "Fee of issue" not in said.out


def test_people_may_ask_for_both_languages_at_once() -> None:
    both = sealbook("kinds", "--lang", "both").out

    assert both == sealbook("kinds").out + sealbook("kinds", "--lang", "ko").out


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_comparison_fits_a_terminal_of_a_hundred_columns(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # With this, the table is laid out as for a terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")

    printed = re.sub(r"\x1b\[[\d;]*m", "", sealbook("kinds", "--lang", language).out)

    assert max(map(cell_len, printed.splitlines())) <= 100
    assert len(printed.splitlines()) < 120


# --- For a purpose


def test_a_purpose_lists_only_the_kinds_that_serve_it_with_scope_and_fee() -> None:
    said = sealbook("kinds", "--for", "shopping")

    assert [name for name in NAMES if name in said.out.splitlines()[0]] == ["Universal joint certificate"]
    assert "other electronic commerce" in line(said, "Where it is used")
    assert "4,400 KRW" in line(said, "Fee of issue")
    assert "Lockout" not in said.out


def test_financial_and_universal_certificates_are_told_apart_by_purpose_and_fee() -> None:
    said = sealbook("kinds", "--for", "tax_filing")

    assert "Mobile OTP" not in said.out
    assert line(said, "Fee of issue").split()[3:] == ["free", "free", "-", "personal:", "4,400", "KRW"]


def test_an_unknown_purpose_is_bad_input_that_names_the_known_ones() -> None:
    sealbook("kinds", "--for", "dancing").failed(2, "'dancing' is not a purpose", *preset_kinds().bank.purposes)


# --- One kind


@pytest.mark.parametrize("kind", Kind)
def test_one_kind_is_shown_in_full_with_what_to_prepare_and_to_beware_of(kind: Kind) -> None:
    document = preset_kinds().kind(kind)
    said = sealbook("kinds", kind)

    assert (said.code, said.err) == (0, "")
    for text in (*document.prerequisites, *document.advisories):
        assert f"- {text.en}" in said.out
    assert str(document.details_url) in line(said, "Details")
    assert str(document.help_url) in line(said, "Help")


def test_one_kind_tells_more_than_the_comparison() -> None:
    full, compared = sealbook("kinds", "mobile_otp").out, sealbook("kinds").out

    assert [label for label in ("ID documents", "App at least", "On the phone", "Document") if label in compared] == []
    assert [label for label in ("ID documents", "App at least", "On the phone", "Document") if label not in full] == []


def test_an_unknown_kind_is_wrong_usage_that_names_the_known_ones() -> None:
    sealbook("kinds", "paper_card").failed(2, "paper_card", *Kind)


def test_a_kind_and_a_purpose_are_not_asked_for_together() -> None:
    sealbook("kinds", "mobile_otp", "--for", "login").failed(2, "a kind or a purpose, not both")


# --- For programs


def test_a_program_gets_one_object_a_kind_with_everything() -> None:
    rows = sealbook("kinds", "--json").rows

    assert [row["kind"] for row in rows] == list(Kind)
    for row in rows:
        assert row.keys() == preset_kinds().kind(Kind(row["kind"])).model_dump().keys() | {"purposes", "renewal_policy"}


def test_a_program_gets_both_languages_the_purposes_and_the_policy() -> None:
    row = sealbook("kinds", "financial_certificate", "--json").answer

    assert row["name"] == {"en": "Financial certificate", "ko": "금융인증서"}
    assert "tax_filing" in row["purposes"]
    assert "shopping" not in row["purposes"]
    assert row["renewal_policy"]["request_window"] == "P90D"


def test_a_program_learns_that_a_kind_names_no_policy() -> None:
    assert sealbook("kinds", "mobile_otp", "--json").answer["renewal_policy"] is None


def test_a_program_may_ask_for_a_purpose() -> None:
    rows = sealbook("kinds", "--for", "shopping", "--json").rows

    assert [row["kind"] for row in rows] == ["joint_universal"]
