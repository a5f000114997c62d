"""A kind's document: every field, what is refused, and what the rest of the domain asks of it."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from sealbook.domain.app_version import version_of
from sealbook.domain.calendar import Period
from sealbook.domain.errors import Refusal, Refused
from sealbook.domain.kind_document import BankDocument, KindBook, KindDocument, Purpose, Words
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import HolderKind, Kind, Step

PERSONAL, CORPORATE = HolderKind.PERSONAL, HolderKind.CORPORATE
OTP = preset_kinds().kind(Kind.MOBILE_OTP)
JOINT = preset_kinds().kind(Kind.JOINT_UNIVERSAL)
TABLES = Path(__file__).resolve().parents[2] / "docs" / "kinds.md"


def changed(document: BaseModel, **changes: object) -> dict[str, Any]:
    """Return a document as data with other values: `steps__personal` is the field of a part."""
    data = copy.deepcopy(document.model_dump(mode="json"))
    for name, value in changes.items():
        *parts, last = name.split("__")
        part = data
        for each in parts:
            part = part[each]
        part[last] = value
    return data


def otp(**changes: object) -> KindDocument:
    return KindDocument.model_validate(changed(OTP, **changes))


# --- Reading and writing


@pytest.mark.parametrize("kind", Kind)
def test_a_document_is_read_back_from_its_text(kind: Kind) -> None:
    document = preset_kinds().kind(kind)

    assert KindDocument.model_validate_json(document.model_dump_json()) == document


def test_the_bank_s_document_is_read_back_from_its_text() -> None:
    bank = preset_kinds().bank

    assert BankDocument.model_validate_json(bank.model_dump_json()) == bank


def test_a_document_has_one_text_whatever_the_order_of_its_sets() -> None:
    assert otp(eligible=["individual", "corporation"]).model_dump_json() == (
        otp(eligible=["corporation", "individual"]).model_dump_json()
    )


def test_a_document_is_never_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        OTP.version = 2


@pytest.mark.parametrize("optional", ["policy", "one_time_code"])
def test_what_a_kind_does_not_have_is_left_out(optional: str) -> None:
    data = changed(JOINT)
    del data[optional]

    assert getattr(KindDocument.model_validate(data), optional) is None


@pytest.mark.parametrize("name", sorted(KindDocument.model_fields.keys() - {"policy", "one_time_code"}))
def test_a_document_without_it_is_refused(name: str) -> None:
    data = changed(OTP)
    del data[name]

    with pytest.raises(ValidationError, match=rf"{name}\n +Field required"):
        KindDocument.model_validate(data)


# --- What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"kind": "paper_card"}, "Input should be 'mobile_otp'", id="an unknown kind"),
        pytest.param({"colour": "red"}, "Extra inputs are not permitted", id="an unknown field"),
        pytest.param({"fees__vat": 1}, "Extra inputs are not permitted", id="an unknown field of a part"),
        pytest.param({"version": 0}, "greater than or equal to 1", id="version zero"),
        pytest.param({"version": "1"}, "valid integer", id="a version that is text"),
        pytest.param({"name__ko": ""}, "at least 1 character", id="a text in one language only"),
        pytest.param({"name__en": "x" * 401}, "at most 400 characters", id="a text that fills the screen"),
        pytest.param({"eligible": []}, "at least 1 item", id="nobody may hold it"),
        pytest.param({"eligible": ["robot"]}, "Input should be 'individual'", id="an unknown holder"),
        pytest.param({"scope": []}, "at least 1 item", id="good for nothing"),
        pytest.param({"scope": ["love"]}, "'finance', 'egov' or 'commerce'", id="an unknown area"),
        pytest.param({"prerequisites": []}, "at least 1 item", id="nothing to prepare"),
        pytest.param({"advisories": []}, "at least 1 item", id="nothing to beware of"),
        pytest.param({"details_url": "details"}, "valid URL", id="a link that leads nowhere"),
        pytest.param({"help_url": "https://bank.example/" + "x" * 400}, "at most 400", id="a link without end"),
        pytest.param({"proofs": []}, "at least 1 item", id="no proof"),
        pytest.param({"phishing_resistant": "no"}, "valid boolean", id="a truth that is text"),
        pytest.param({"name_bound": 1}, "valid boolean", id="a truth that is a number"),
        pytest.param({"devices_per_person_max": 0}, "greater than or equal to 1", id="no device"),
        pytest.param({"suspension_max": "P0D"}, "no time", id="a suspension of no time"),
        pytest.param({"notice_leads": ["soon"]}, "'soon' is not a period", id="a lead that is no period"),
        pytest.param({"proofs": ["signature"]}, "if and only if totp", id="the form of codes that nobody makes"),
        pytest.param({"one_time_code": None}, "if and only if totp", id="codes without a form"),
        pytest.param({"steps__personal": []}, "steps.personal is empty", id="persons whom nobody identifies"),
        pytest.param({"steps__corporate": []}, "steps.corporate is empty", id="companies that nobody identifies"),
        pytest.param({"steps__personal": ["phone", "phone"]}, "at most once", id="a step twice"),
        pytest.param({"steps__corporate": ["phone", "fee"]}, "nothing else", id="the fee as a proof"),
        pytest.param({"steps__again": ["key"]}, "nothing else", id="the key as a proof"),
        pytest.param({"steps__open_for": "P0D"}, "no time", id="an application that closes at once"),
        pytest.param({"steps__fresh_for": 1}, "written as text", id="a period that is a number"),
        pytest.param({"steps__account_code_minutes": 11}, "less than or equal to 10", id="a code that lives too long"),
        pytest.param({"steps__documents": []}, "at least 1 item", id="no ID document"),
        pytest.param({"fees__issue_personal_krw": -1}, "greater than or equal to 0", id="a fee below nothing"),
        pytest.param({"fees__issue_personal_krw": 1.5}, "valid integer", id="a part of a won"),
        pytest.param({"storage__place": "drawer"}, "'device_secure_area', 'cloud'", id="an unknown place"),
        pytest.param({"unlocking__methods": ["face"]}, "a PIN must be among", id="a face without a PIN"),
        pytest.param({"unlocking__pin_digits": 3}, "greater than or equal to 4", id="a short PIN"),
        pytest.param({"unlocking__pin_failures_max": 11}, "less than or equal to 10", id="a PIN to try for long"),
        pytest.param({"unlocking__biometric_failures_max": 6}, "less than or equal to 5", id="a face to try for long"),
        pytest.param({"lockout__soft": 10}, "lockout.soft must be below", id="a soft limit that is never reached"),
        pytest.param({"lockout__hard": 101}, "less than or equal to 100", id="a lockout that never comes"),
        pytest.param({"linking__ids_max": -1}, "greater than or equal to 0", id="fewer than no IDs"),
        pytest.param({"on_device__app_version_min": "6.x"}, "should match pattern", id="a version without numbers"),
        pytest.param({"on_device__app_version_min": "\u0666"}, "should match pattern", id="digits of another script"),
        pytest.param({"on_device__stores": []}, "at least 1 item", id="an app from nowhere"),
        pytest.param({"one_time_code__digits": 5}, "greater than or equal to 6", id="a short code"),
        pytest.param({"one_time_code__step_seconds": 121}, "less than or equal to 120", id="a code that lasts"),
        pytest.param({"one_time_code__window_steps": 3}, "less than or equal to 2", id="a wide window"),
        pytest.param({"one_time_code__secret_bits_min": 80}, "greater than or equal to 112", id="a short secret"),
    ],
)
def test_a_bad_document_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        otp(**changes)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        otp(version=0, lockout__hard=101, fees__issue_personal_krw=-1)

    assert caught.value.error_count() == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"zone": "Asia/Atlantis"}, "is not a zone", id="a zone that sank"),
        pytest.param({"zone": "../zone"}, "is not a zone", id="a zone that is a path"),
        pytest.param({"retention": "P0D"}, "no time", id="records that are kept for no time"),
        pytest.param({"records": {"credential.used": "P0D"}}, "no time", id="an event that is kept for no time"),
        pytest.param({"purposes__login__area": "love"}, "'finance', 'egov' or 'commerce'", id="an unknown area"),
    ],
)
def test_a_bad_document_of_the_bank_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        BankDocument.model_validate(changed(preset_kinds().bank, **changes))


# --- What the domain asks


def test_a_record_is_kept_by_the_longest_beginning_of_its_name_that_fits() -> None:
    bank = preset_kinds().bank.model_copy(
        update={
            "retention": Period.parse("P5Y"),
            "records": {"credential.": Period.parse("P3Y"), "credential.used": Period.parse("P1Y")},
        }
    )

    kept = [str(bank.kept(name)) for name in ("credential.used", "credential.issued", "customer.enrolled")]
    assert kept == ["P1Y", "P3Y", "P5Y"]


def test_the_key_comes_last_and_the_fee_before_it() -> None:
    assert JOINT.path(PERSONAL, fresh=False)[-2:] == (Step.FEE, Step.KEY)


def test_without_a_fee_there_is_no_step_for_it() -> None:
    assert OTP.path(PERSONAL, fresh=False) == (Step.PHONE, Step.ID_DOCUMENT, Step.ACCOUNT, Step.KEY)


def test_a_path_depends_on_the_kind_of_holder() -> None:
    document = otp(steps__corporate=["account"], fees__issue_corporate_krw=5)

    assert document.path(CORPORATE, fresh=False) == (Step.ACCOUNT, Step.FEE, Step.KEY)
    assert document.path(PERSONAL, fresh=False) == OTP.path(PERSONAL, fresh=False)


def test_a_reissue_takes_the_short_path_while_the_identity_is_fresh() -> None:
    assert otp(steps__again=["phone"]).path(PERSONAL, fresh=True) == (Step.PHONE, Step.KEY)
    assert JOINT.path(CORPORATE, fresh=True) == (Step.PHONE, Step.ACCOUNT, Step.FEE, Step.KEY)


def test_a_kind_for_persons_needs_no_path_for_companies() -> None:
    assert otp(eligible=["individual"], steps__corporate=[]).steps.corporate == ()


@pytest.mark.parametrize(
    ("holder", "issue_krw", "renewal_krw"),
    [pytest.param(PERSONAL, 1, 3, id="a person"), pytest.param(CORPORATE, 2, 4, id="a company")],
)
def test_a_fee_depends_on_the_kind_of_holder(holder: HolderKind, issue_krw: int, renewal_krw: int) -> None:
    fees = otp(
        fees__issue_personal_krw=1,
        fees__issue_corporate_krw=2,
        fees__renewal_personal_krw=3,
        fees__renewal_corporate_krw=4,
    ).fees

    assert (fees.of_issue_krw(holder), fees.of_renewal_krw(holder)) == (issue_krw, renewal_krw)


@pytest.mark.parametrize(
    ("place", "moves"),
    [("cloud", True), ("device_secure_area", False), ("device_or_removable", False)],
)
def test_only_what_is_in_the_cloud_stays_usable_on_another_device(place: str, moves: bool) -> None:
    assert otp(storage__place=place).storage.moves is moves


def test_the_fields_have_the_types_of_the_domain() -> None:
    assert OTP.suspension_max == Period(months=0, days=90)
    assert OTP.steps.personal[0] is Step.PHONE
    assert OTP.name == Words(en="Mobile OTP", ko="모바일 OTP")


def test_a_kind_without_a_document_is_not_issued() -> None:
    book = KindBook(kinds={}, bank=preset_kinds().bank)

    with pytest.raises(Refused, match="no document") as caught:
        book.kind(Kind.MOBILE_OTP)

    assert caught.value.code is Refusal.NOT_ELIGIBLE


@pytest.mark.parametrize(
    ("purpose", "served"),
    [("login", True), ("tax_filing", False), ("dancing", False)],
    ids=["in its scope", "outside its scope", "unknown"],
)
def test_a_kind_serves_the_purposes_in_its_scope(purpose: str, served: bool) -> None:
    assert preset_kinds().serves(OTP, purpose) is served


@pytest.mark.parametrize(
    ("lower", "higher"),
    [("6.2.9", "6.2.10"), ("6.2", "6.2.1"), ("6.99.99", "7")],
)
def test_versions_of_an_app_compare_by_their_numbers(lower: str, higher: str) -> None:
    assert version_of(lower) < version_of(higher)


@pytest.mark.parametrize("text", ["", "6.", ".6", "six", "1.2.3.4.5", "-1", "6.1 ", "\u0666"])
def test_what_is_no_version_of_an_app_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="numbers with points") as caught:
        version_of(text)

    assert caught.value.code is Refusal.VERSION


# --- The tables of the documentation


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield every field, those of a part as `part.field`; a text in both languages is one field."""
    for name, field in model.model_fields.items():
        part = _part(field.annotation)
        yield from [f"{prefix}{name}"] if part is None else fields(part, f"{prefix}{name}.")


def _part(annotation: Any) -> type[BaseModel] | None:
    """Return the part that a field holds, as it is or by a name."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel) and each is not Words:
            return each
    return None


def test_every_field_of_a_kind_and_of_the_bank_has_its_row_in_the_documentation() -> None:
    described = re.findall(r"^\| `([a-z_.]+)` \|", TABLES.read_text(encoding="utf-8"), re.MULTILINE)

    assert described == [*fields(KindDocument), *fields(BankDocument)]


def test_the_fields_of_a_purpose_are_read_from_its_name() -> None:
    assert list(fields(BankDocument))[-2:] == [f"purposes.{name}" for name in Purpose.model_fields]


def test_zeros_at_the_end_of_a_version_say_nothing() -> None:
    assert version_of("6") == version_of("6.0") == version_of("6.0.0") < version_of("6.0.1")
    assert version_of("0") == version_of("0.0")


def test_a_kind_that_is_withdrawn_goes_on_and_is_issued_no_more() -> None:
    presets = preset_kinds()
    book = KindBook(kinds={Kind.MOBILE_OTP: OTP}, bank=presets.bank, withdrawn={Kind.JOINT_UNIVERSAL: JOINT})

    assert (book.kind(Kind.JOINT_UNIVERSAL), book.offered(Kind.MOBILE_OTP)) == (JOINT, OTP)
    with pytest.raises(Refused) as caught:
        book.offered(Kind.JOINT_UNIVERSAL)
    assert caught.value.code is Refusal.NOT_ELIGIBLE
    assert "not issued here" in caught.value.message
