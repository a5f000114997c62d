"""The catalogue of kinds: every attribute of every kind, in both languages."""

from typing import get_args

import pytest

from sealbook.domain.kind_document import KindBook, KindDocument, OnDevice, Storage, Words
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_kinds, preset_policies
from sealbook.domain.values import (
    HolderKind,
    HolderSubkind,
    IdDocument,
    Kind,
    Service,
    Step,
    StorageLevel,
    UnlockMethod,
)
from sealbook.projections.kind_catalogue import VOCABULARY, Cell, Row, kind_catalogue, kinds_for

OTP, KB = Kind.MOBILE_OTP, Kind.KB_MOBILE_CERTIFICATE
FINANCIAL, JOINT = Kind.FINANCIAL_CERTIFICATE, Kind.JOINT_UNIVERSAL
ROWS = {row.attribute: row for row in kind_catalogue(preset_kinds(), preset_policies())}
ASKED_BY_THE_GUIDE = {
    "eligible": "R05, R06, R16",
    "scope": "R05, R17, R19",
    "purposes": "R07",
    "prerequisites": "R03",
    "advisories": "R03",
    "details_url": "R04",
    "help_url": "R67",
    "membership": "R16",
    "issue_fee": "R08, R15, R18, R37, R38",
    "holder_distinction": "R36",
    "security_method": "R39",
    "storage": "R40",
    "validity": "R41, R42",
    "renewal": "R41, R42",
    "steps": "R13",
}


def english(cell: Cell) -> list[str]:
    return [words.en for words in cell]


def cell(attribute: str, kind: Kind) -> list[str]:
    return english(ROWS[attribute].cells[kind])


def of(kind: Kind, attribute: str, policy: RenewalPolicy | None = None, **changes: object) -> list[str]:
    """Return a cell of a kind that is like a preset but for some fields."""
    data = preset_kinds().kind(kind).model_dump() | changes
    document = KindDocument.model_validate(data if policy is None else data | {"policy": policy.policy_id})
    book = KindBook(kinds={kind: document}, bank=preset_kinds().bank)
    rows = kind_catalogue(book, preset_policies() if policy is None else {policy.policy_id: policy})
    return english({row.attribute: row for row in rows}[attribute].cells[kind])


def policy(**fields: object) -> RenewalPolicy:
    return RenewalPolicy.model_validate({"policy_id": "P", "validity": "P2Y", **fields})


# --- The whole


@pytest.mark.parametrize("attribute", ASKED_BY_THE_GUIDE)
def test_the_kinds_are_comparable_by_what_the_guide_names(attribute: str) -> None:
    assert ROWS[attribute].cells.keys() == set(Kind)


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.attribute)
def test_every_label_is_there_in_both_languages(row: Row) -> None:
    assert row.label.en.isascii()
    assert not row.label.ko.isascii()


@pytest.mark.parametrize("name", VOCABULARY)
def test_every_name_is_there_in_both_languages(name: str) -> None:
    assert VOCABULARY[name].en.isascii()
    assert not VOCABULARY[name].ko.isascii()


def test_every_line_in_english_is_english() -> None:
    assert [
        words.en for row in ROWS.values() for cell in row.cells.values() for words in cell if not words.en.isascii()
    ] == []


def test_every_value_that_a_document_may_hold_has_a_name() -> None:
    enums = (HolderKind, HolderSubkind, Service, Step, IdDocument)
    said = {member for enum in enums for member in map(str, enum)}
    said |= {*map(str, UnlockMethod), *map(str, StorageLevel)} - {UnlockMethod.PIN, StorageLevel.NONE}
    said |= {*get_args(Storage.model_fields["place"].annotation), "finance", "egov", "commerce", "totp", "signature"}
    for field, prefix in {"app_update_resets": "app_update"}.items() | {
        (name, name) for name in ("lock_screen", "rooted")
    }:
        said |= {f"{prefix}.{value}" for value in get_args(OnDevice.model_fields[field].annotation)}

    assert said <= VOCABULARY.keys()


# --- For a purpose


@pytest.mark.parametrize(
    ("purpose", "kinds"),
    [
        pytest.param("transfer", (OTP, KB, FINANCIAL, JOINT), id="online banking"),
        pytest.param("tax_filing", (KB, FINANCIAL, JOINT), id="e-government"),
        pytest.param("shopping", (JOINT,), id="beyond the bank"),
        pytest.param("dancing", (), id="unknown"),
    ],
)
def test_a_kind_is_chosen_by_purpose(purpose: str, kinds: tuple[Kind, ...]) -> None:
    assert kinds_for(preset_kinds(), purpose) == kinds


# --- Cells


def test_it_is_told_who_may_hold_a_kind() -> None:
    assert cell("eligible", KB) == ["individuals"]
    assert cell("eligible", FINANCIAL) == ["individuals", "sole proprietors", "corporations", "associations"]


def test_it_is_told_where_a_kind_is_used() -> None:
    assert cell("scope", FINANCIAL) == ["finance, e-government"]
    assert cell("scope", JOINT) == ["finance, e-government, other electronic commerce"]


def test_it_is_told_what_a_kind_is_used_for() -> None:
    assert cell("purposes", OTP) == ["log in, transfer money, sign, open a product, change a setting"]


def test_a_membership_is_told_where_one_is_needed() -> None:
    assert cell("membership", FINANCIAL) == ["internet banking"]
    assert cell("membership", OTP) == []


def test_a_free_kind_and_one_with_a_fee_are_told_apart() -> None:
    assert cell("issue_fee", FINANCIAL) == ["free"]
    assert cell("issue_fee", JOINT) == ["personal: 4,400 KRW", "corporate: 110,000 KRW"]
    assert ROWS["issue_fee"].cells[JOINT][0].ko == "개인: 4,400원"
    assert cell("renewal_fee", JOINT) == cell("issue_fee", JOINT)


def test_steps_that_differ_by_holder_are_told_for_each() -> None:
    assert cell("steps", OTP) == ["phone > ID document > account > key"]
    assert cell("steps", FINANCIAL) == [
        "personal: phone > ID document > account > key",
        "corporate: phone > account > key",
    ]


def test_the_steps_of_holders_who_are_not_eligible_are_not_told() -> None:
    assert cell("steps", KB) == ["phone > ID document > account > key"]


def test_a_reissue_is_short_while_the_identity_is_fresh() -> None:
    assert cell("steps_again", KB) == ["phone > account", "if identity was proved within 1 year"]


def test_a_reissue_without_steps_needs_a_fresh_identity_only() -> None:
    steps = preset_kinds().kind(KB).steps.model_dump() | {"again": list[str](), "fresh_for": "P1Y2M"}

    assert of(KB, "steps_again", steps=steps) == ["if identity was proved within 1 year 2 months"]


def test_a_period_of_no_time_is_told_in_days() -> None:
    assert of(KB, "notices", notice_leads=["P0D"]) == ["0 days"]


def test_a_kind_without_notices_tells_none() -> None:
    assert of(KB, "notices", notice_leads=[]) == []


def test_storage_is_told_with_its_level_where_there_is_one() -> None:
    assert cell("storage", KB) == ["the phone's secure area", "at least: trusted environment"]
    assert cell("storage", FINANCIAL) == ["cloud"]


def test_unlocking_is_told_with_the_pin_first() -> None:
    assert cell("unlocking", OTP) == ["PIN of 6 digits, pattern, fingerprint, face"]
    assert cell("unlocking", JOINT) == ["PIN of 6 digits"]


def test_the_limits_of_wrong_proofs_are_told() -> None:
    assert cell("lockout", OTP) == ["5 wrong in a row: until identified again", "10: for good"]


def test_a_kind_without_a_policy_says_that_one_must_be_named() -> None:
    assert cell("policy", OTP) == ["none: an issue must name one"]
    assert cell("renewal", OTP) == ["as the policy says"]
    assert cell("request_window", OTP) == []


def test_a_renewal_by_use_is_told() -> None:
    assert (cell("policy", KB), cell("renewal", KB)) == (["D@1"], ["by itself, at a use after 1 year"])
    assert cell("request_window", KB) == []


def test_a_renewal_on_request_is_told_with_its_window() -> None:
    assert cell("renewal", FINANCIAL) == ["on request"]
    assert (cell("request_window", FINANCIAL), cell("request_window", JOINT)) == (
        ["the last 90 days"],
        ["the last 30 days"],
    )


@pytest.mark.parametrize(
    ("named", "told"),
    [
        pytest.param(
            policy(renew_on="expiry", eligible_after="P1Y"),
            "by itself, at its end; possible after 1 year",
            id="by the clock",
        ),
        pytest.param(policy(renew_on="use", eligible_after="P0D"), "by itself, at a use after 0 days", id="at any use"),
        pytest.param(policy(renew_on="never"), "never", id="never"),
    ],
)
def test_every_way_of_renewal_is_told(named: RenewalPolicy, told: str) -> None:
    assert of(KB, "renewal", named) == [told]


def test_a_one_time_code_does_not_resist_phishing() -> None:
    assert cell("phishing_resistant", OTP) == ["no"]


def test_what_no_source_shows_is_not_told_as_a_property() -> None:
    assert cell("phishing_resistant", KB) == ["not shown"]
    assert of(KB, "phishing_resistant", phishing_resistant=True) == ["yes"]


def test_links_to_ids_and_services_are_told() -> None:
    assert cell("ids_max", KB) == ["5"]
    assert cell("services", KB) == ["personal: personal banking, e-government", "corporate: corporate banking"]


def test_a_kind_without_services_tells_none() -> None:
    linking: dict[str, object] = {"ids_max": 0, "services_personal": [], "services_corporate": []}

    assert of(KB, "services", linking=linking) == []


def test_what_the_bank_asks_of_the_phone_is_told() -> None:
    assert cell("on_device", KB) == [
        "strong lock screen advised",
        "rooted phone refused",
        "warned on public Wi-Fi",
        "new setup if an update loses the keys",
    ]


def test_it_is_told_what_survives_a_new_phone() -> None:
    assert {kind: cell("moves", kind) for kind in (KB, FINANCIAL)} == {KB: ["no"], FINANCIAL: ["yes"]}


def test_prerequisites_and_advisories_are_told_as_the_document_says() -> None:
    document = preset_kinds().kind(KB)

    assert ROWS["prerequisites"].cells[KB] == document.prerequisites
    assert ROWS["advisories"].cells[KB] == document.advisories


def test_each_kind_links_to_its_details_and_to_help() -> None:
    assert cell("details_url", KB) == ["https://bank.example/mobile-certificate"]
    assert cell("help_url", KB) == ["https://bank.example/help"]


def test_the_versions_of_the_document_and_of_its_fees_are_told() -> None:
    assert ROWS["version"].cells[KB] == (Words(en="version 1, fees 1", ko="1판, 수수료표 1판"),)


def test_a_policy_that_is_not_known_here_is_told_by_its_id() -> None:
    rows = {row.attribute: row for row in kind_catalogue(preset_kinds(), {})}

    assert rows["policy"].cells[Kind.KB_MOBILE_CERTIFICATE][0].en == "D"
