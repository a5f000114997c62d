"""The policies and kinds that the package brings."""

import json
import re
from importlib.resources import files

import pytest

from sealbook.domain import presets
from sealbook.domain.calendar import Period
from sealbook.domain.kind_document import KindDocument
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import DEFAULT_POLICY, preset_kinds, preset_meanings, preset_policies
from sealbook.domain.values import HolderKind, HolderSubkind, IdDocument, Kind, Service, Step, UnlockMethod
from tests.oracle import PRESETS

ENTRIES: dict[str, dict[str, object]] = json.loads(files(presets).joinpath("policies.json").read_text(encoding="utf-8"))
TEXTS = {
    name: files(presets).joinpath(f"{name}.toml").read_text(encoding="utf-8") for name in (*map(str, Kind), "bank")
}
SOURCE = re.compile(r"R\d\d|section \d|Section \d|\[invented\]|NIST|Act \d")
ALL = frozenset(HolderSubkind)

OTP = preset_kinds().kind(Kind.MOBILE_OTP)
KB = preset_kinds().kind(Kind.KB_MOBILE_CERTIFICATE)
FINANCIAL = preset_kinds().kind(Kind.FINANCIAL_CERTIFICATE)
JOINT = preset_kinds().kind(Kind.JOINT_UNIVERSAL)


# --- Policies


def test_all_fifteen_are_there() -> None:
    assert len(PRESETS) == 15
    assert preset_policies().keys() == PRESETS.keys()
    assert DEFAULT_POLICY in preset_policies()


@pytest.mark.parametrize("policy_id", PRESETS)
def test_a_preset_is_the_policy_of_the_rules(policy_id: str) -> None:
    written = RenewalPolicy.model_validate_json(json.dumps(PRESETS[policy_id]))

    assert preset_policies()[policy_id] == written
    assert preset_policies()[policy_id].digest == written.digest


@pytest.mark.parametrize("policy_id", PRESETS)
def test_a_preset_says_what_it_means_and_whence_it_comes(policy_id: str) -> None:
    entry = ENTRIES[policy_id]

    assert entry.keys() == {"meaning", "source", "policy"}
    assert preset_meanings()[policy_id] == entry["meaning"]
    assert str(entry["meaning"]).endswith(".")
    assert entry["source"]


# --- Every kind


def test_every_kind_has_a_document() -> None:
    assert list(preset_kinds().kinds) == list(Kind)


@pytest.mark.parametrize("name", TEXTS)
def test_a_document_says_first_that_it_is_not_the_bank_s_own_terms(name: str) -> None:
    assert TEXTS[name].startswith("# A reading of a public guide, not the bank's own terms.")


@pytest.mark.parametrize("name", TEXTS)
def test_every_number_says_whence_it_comes(name: str) -> None:
    """On its line, or above it in its paragraph. A text is nobody's number."""
    for paragraph in TEXTS[name].split("\n\n"):
        lines = paragraph.splitlines()
        for number, line in enumerate(lines):
            value = line.partition(" = ")[2]
            if re.search(r"\d", re.sub(r"#.*", "", value)) and not line.lstrip().startswith("{"):
                above = "\n".join(each for each in lines[:number] if each.startswith("#"))
                assert SOURCE.search(line.partition("#")[2] + above), f"{name}.toml: {line}"


@pytest.mark.parametrize("kind", preset_kinds().kinds.values(), ids=lambda kind: kind.kind)
def test_a_kind_names_a_policy_that_the_package_brings_or_none(kind: KindDocument) -> None:
    assert kind.policy is None or kind.policy in preset_policies()


@pytest.mark.parametrize("kind", preset_kinds().kinds.values(), ids=lambda kind: kind.kind)
def test_a_link_claims_no_address_of_a_real_bank(kind: KindDocument) -> None:
    assert (kind.details_url.host, kind.help_url.host) == ("bank.example", "bank.example")


def test_each_kind_has_details_of_its_own() -> None:
    assert len({kind.details_url for kind in preset_kinds().kinds.values()}) == len(Kind)


def test_personal_and_corporate_customers_may_both_choose_a_mobile_means() -> None:
    assert {subkind.kind for subkind in OTP.eligible} == set(HolderKind)


@pytest.mark.parametrize("purpose", ["login", "transfer", "sign", "open_product", "change_setting"])
def test_every_kind_serves_the_transactions_of_online_banking(purpose: str) -> None:
    assert all(preset_kinds().serves(kind, purpose) for kind in preset_kinds().kinds.values())


def test_there_are_purposes_in_each_area() -> None:
    areas = {name: purpose.area for name, purpose in preset_kinds().bank.purposes.items()}

    assert areas == dict.fromkeys(("login", "transfer", "sign", "open_product", "change_setting"), "finance") | {
        "tax_filing": "egov",
        "civil_petition": "egov",
        "shopping": "commerce",
        "contract": "commerce",
    }


@pytest.mark.parametrize("kind", preset_kinds().kinds.values(), ids=lambda kind: kind.kind)
def test_the_id_documents_of_the_guide_are_accepted(kind: KindDocument) -> None:
    assert {IdDocument.RESIDENT_CARD, IdDocument.DRIVING_LICENSE, IdDocument.PASSPORT} <= kind.steps.documents


@pytest.mark.parametrize("kind", preset_kinds().kinds.values(), ids=lambda kind: kind.kind)
def test_a_person_has_one_device_for_a_kind(kind: KindDocument) -> None:
    assert kind.devices_per_person_max == 1


@pytest.mark.parametrize("kind", preset_kinds().kinds.values(), ids=lambda kind: kind.kind)
def test_every_kind_has_the_defaults_of_the_rules(kind: KindDocument) -> None:
    assert (kind.lockout.soft, kind.lockout.hard) == (5, 10)
    assert (kind.steps.attempts_max, kind.steps.account_code_minutes, kind.steps.open_for) == (5, 5, Period(0, 7))
    assert kind.notice_leads == (Period(0, 30), Period(0, 7), Period(0, 1))
    assert kind.suspension_max == Period(0, 90)
    assert kind.unlocking.pin_digits == 6


@pytest.mark.parametrize("kind", preset_kinds().kinds.values(), ids=lambda kind: kind.kind)
def test_what_the_guide_advises_is_advised_and_not_enforced(kind: KindDocument) -> None:
    assert (kind.on_device.public_wifi, kind.on_device.lock_screen) == ("warn", "advise")


@pytest.mark.parametrize("kind", preset_kinds().kinds.values(), ids=lambda kind: kind.kind)
@pytest.mark.parametrize("advice", ["Report loss or theft at once", "No login on public Wi-Fi", "strong lock screen"])
def test_every_kind_says_what_to_beware_of(kind: KindDocument, advice: str) -> None:
    assert any(advice in each.en for each in kind.advisories)


@pytest.mark.parametrize("kind", [OTP, KB], ids=lambda kind: kind.kind)
@pytest.mark.parametrize("thing", ["스마트폰", "앱스토어", "신분증", "본인 명의 계좌"])
def test_the_phone_the_app_the_id_document_and_the_account_are_to_be_prepared(kind: KindDocument, thing: str) -> None:
    assert any(thing in each.ko for each in kind.prerequisites)


@pytest.mark.parametrize("kind", [OTP, KB], ids=lambda kind: kind.kind)
@pytest.mark.parametrize(
    "advice",
    [
        pytest.param("생체 인식이나 간편비밀번호", id="R30 set an unlock method"),
        pytest.param("기기 교체나 앱 업데이트", id="R55 R56 a new phone or an update"),
        pytest.param("흐릿한 신분증 사진이나 잘못된 입력", id="R57 R58 what delays the issue"),
        pytest.param("분실·도난 시 즉시", id="R52 R61 loss or theft"),
        pytest.param("공용 와이파이", id="R59 public Wi-Fi"),
        pytest.param("잠금 화면을 강력하게", id="R60 a strong lock screen"),
    ],
)
def test_a_mobile_means_says_what_the_guide_advises(kind: KindDocument, advice: str) -> None:
    assert any(advice in each.ko for each in kind.advisories)


@pytest.mark.parametrize(
    "advice",
    [
        pytest.param("1인 1기기", id="R52 one person one device"),
        pytest.param("본인 명의 계정만", id="R53 accounts in one's own name"),
        pytest.param("다중 ID는 용도에 맞춰 신중히", id="R54 several IDs with care"),
        pytest.param("주기적으로 확인", id="R50 R51 check the end"),
    ],
)
def test_the_kb_mobile_certificate_says_what_the_guide_advises_for_it(advice: str) -> None:
    assert any(advice in each.ko for each in KB.advisories)


def test_no_kind_claims_to_resist_phishing_without_a_source() -> None:
    assert not any(kind.phishing_resistant for kind in preset_kinds().kinds.values())


def test_records_are_kept_for_five_years_after_the_relationship() -> None:
    assert preset_kinds().bank.retention == Period(months=60, days=0)


# --- Mobile OTP


def test_every_customer_may_hold_a_mobile_otp() -> None:
    assert OTP.eligible == ALL


def test_a_mobile_otp_is_good_at_its_issuer_only() -> None:
    assert OTP.scope == {"finance"}


def test_a_mobile_otp_is_free_now() -> None:
    assert {OTP.fees.of_issue_krw(holder) for holder in HolderKind} == {0}


def test_a_mobile_otp_has_no_policy_of_its_own() -> None:
    assert OTP.policy is None


@pytest.mark.parametrize("holder", HolderKind)
def test_a_mobile_otp_asks_for_the_phone_then_the_id_document_then_the_account(holder: HolderKind) -> None:
    assert OTP.path(holder, fresh=False) == (Step.PHONE, Step.ID_DOCUMENT, Step.ACCOUNT, Step.KEY)


def test_a_one_time_code_has_six_digits_and_lives_a_minute() -> None:
    assert OTP.proofs == {"totp"}
    assert OTP.one_time_code is not None
    assert OTP.one_time_code.model_dump() == {
        "digits": 6,
        "step_seconds": 60,
        "window_steps": 1,
        "secret_bits_min": 160,
    }


# --- KB mobile certificate


@pytest.mark.parametrize("subkind", sorted(ALL - {HolderSubkind.INDIVIDUAL}))
def test_a_company_may_not_hold_a_kb_mobile_certificate(subkind: HolderSubkind) -> None:
    assert subkind not in KB.eligible


def test_a_person_may_hold_a_kb_mobile_certificate() -> None:
    assert HolderSubkind.INDIVIDUAL in KB.eligible


def test_a_kb_mobile_certificate_may_get_a_fee_and_has_none_now() -> None:
    assert KB.fees.of_issue_krw(HolderKind.PERSONAL) == 0
    assert any("fee" in each.en for each in KB.advisories)


def test_a_kb_mobile_certificate_is_valid_for_two_years_and_renews_by_itself() -> None:
    assert KB.policy == DEFAULT_POLICY
    assert preset_policies()[DEFAULT_POLICY].validity == Period(months=24, days=0)
    assert preset_policies()[DEFAULT_POLICY].renew_on == "use"


def test_a_kb_mobile_certificate_stands_for_several_ids_and_services() -> None:
    assert KB.linking.ids_max == 5
    assert KB.linking.services_personal == {Service.PERSONAL_BANKING, Service.ELECTRONIC_GOVERNMENT}


def test_who_acts_for_a_company_links_its_banking_to_a_kb_mobile_certificate() -> None:
    assert KB.linking.services_corporate == {Service.CORPORATE_BANKING}


def test_an_update_of_the_app_that_loses_the_keys_asks_for_a_new_setup() -> None:
    assert KB.on_device.app_update_resets == "keys_lost"


@pytest.mark.parametrize("kind", [OTP, KB], ids=lambda kind: kind.kind)
def test_a_mobile_means_is_kept_in_the_phone_s_secure_area(kind: KindDocument) -> None:
    assert (kind.storage.place, kind.storage.level_min) == ("device_secure_area", "trusted_environment")


@pytest.mark.parametrize("kind", [OTP, KB], ids=lambda kind: kind.kind)
def test_a_mobile_means_is_unlocked_by_biometrics_a_pattern_or_a_pin(kind: KindDocument) -> None:
    assert kind.unlocking.methods == set(UnlockMethod)
    assert "간편인증" in kind.security_method.ko


@pytest.mark.parametrize("kind", [OTP, KB], ids=lambda kind: kind.kind)
def test_a_mobile_means_tells_personal_from_corporate_customers(kind: KindDocument) -> None:
    assert "개인/기업 구분" in kind.holder_distinction.ko


# --- Financial certificate


def test_the_financial_certificate_is_free() -> None:
    fees = FINANCIAL.fees

    assert {fee(holder) for holder in HolderKind for fee in (fees.of_issue_krw, fees.of_renewal_krw)} == {0}


def test_individuals_businesses_and_associations_may_hold_a_financial_certificate() -> None:
    assert FINANCIAL.eligible == ALL


def test_the_financial_certificate_is_for_members_of_internet_banking() -> None:
    assert [kind for kind in Kind if preset_kinds().kind(kind).membership] == [FINANCIAL.kind]
    assert FINANCIAL.membership == {Service.INTERNET_BANKING}


def test_the_financial_certificate_serves_finance_and_e_government() -> None:
    assert FINANCIAL.scope == {"finance", "egov"}


def test_the_financial_certificate_is_kept_in_the_cloud() -> None:
    assert FINANCIAL.storage.moves
    assert FINANCIAL.issuer.startswith("KFTC")


def test_the_financial_certificate_lasts_three_years_and_renews_on_request_in_the_last_ninety_days() -> None:
    policy = preset_policies()[str(FINANCIAL.policy)]

    assert (policy.validity, policy.renew_on, policy.request_window) == (Period(36, 0), "request", Period(0, 90))


# --- Universal joint certificate


def test_every_customer_may_hold_a_universal_joint_certificate() -> None:
    assert JOINT.eligible == ALL


@pytest.mark.parametrize(
    ("holder", "fee_krw"),
    [
        pytest.param(HolderKind.PERSONAL, 4_400, id="a person"),
        pytest.param(HolderKind.CORPORATE, 110_000, id="a company"),
    ],
)
def test_the_universal_joint_certificate_costs_a_fee(holder: HolderKind, fee_krw: int) -> None:
    assert (JOINT.fees.of_issue_krw(holder), JOINT.fees.of_renewal_krw(holder)) == (fee_krw, fee_krw)


@pytest.mark.parametrize("holder", HolderKind)
def test_the_fee_of_the_universal_joint_certificate_comes_before_its_issue(holder: HolderKind) -> None:
    assert JOINT.path(holder, fresh=False)[-2:] == (Step.FEE, Step.KEY)


def test_the_universal_joint_certificate_serves_every_purpose() -> None:
    assert all(preset_kinds().serves(JOINT, purpose) for purpose in preset_kinds().bank.purposes)


def test_only_the_universal_joint_certificate_goes_beyond_the_bank_and_the_government() -> None:
    assert [kind for kind in Kind if "commerce" in preset_kinds().kind(kind).scope] == [JOINT.kind]


def test_the_universal_joint_certificate_lasts_a_year_and_renews_on_request_in_the_last_thirty_days() -> None:
    policy = preset_policies()[str(JOINT.policy)]

    assert (policy.validity, policy.renew_on, policy.request_window) == (Period(12, 0), "request", Period(0, 30))


@pytest.mark.parametrize("kind", [FINANCIAL, JOINT], ids=lambda kind: kind.kind)
def test_a_certificate_that_shows_a_name_ends_when_the_name_changes(kind: KindDocument) -> None:
    assert kind.name_bound
