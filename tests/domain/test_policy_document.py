"""A policy document: every field, what is refused, and a digest that does not depend on how it is written."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from sealbook.domain.calendar import NO_TIME, Calendar, Period
from sealbook.domain.policy_document import LOOK_BACK_USES_MAX, RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, PolicyRef
from tests.domain.examples import document, kst

EVERY_FIELD: dict[str, Any] = {
    "policy_id": "Full.1-a_b",
    "version": 3,
    "announced_at": "2026-01-01T00:00:00Z",
    "effective_from": "2026-03-01T00:00:00Z",
    "law_forced": True,
    "kinds": ["kb_mobile_certificate", "mobile_otp"],
    "holders": ["corporate"],
    "applies_to": "recompute",
    "validity": "P2Y",
    "renew_on": "expiry",
    "eligible_after": "P1Y",
    "usage_since": "P6M",
    "min_uses": 2,
    "channels": ["app", "web"],
    "purposes": ["login"],
    "extend_from": "expiry",
    "renewal_validity": "P1Y",
    "max_renewals": 4,
    "grace": "P30D",
    "request_window": "P60D",
    "notice_lead": "P1M",
    "objection": "P20D",
    "consent": "implied_notice",
    "calendar": "civil_kr",
    "zone": "UTC",
    "reissue_validity": "keep",
}
BARE: dict[str, Any] = {"policy_id": "D", "validity": "P2Y", "renew_on": "use", "eligible_after": "P1Y"}


def read(**changes: object) -> RenewalPolicy:
    return RenewalPolicy.model_validate_json(json.dumps(BARE | changes))


def test_every_field_is_read_and_written_back_as_it_was() -> None:
    policy = RenewalPolicy.model_validate_json(json.dumps(EVERY_FIELD))

    assert EVERY_FIELD.keys() == RenewalPolicy.model_fields.keys()
    assert policy.model_dump(mode="json") == EVERY_FIELD


def test_the_fields_have_the_types_of_the_domain() -> None:
    policy = RenewalPolicy.model_validate_json(json.dumps(EVERY_FIELD))

    assert policy.ref == PolicyRef(policy_id="Full.1-a_b", version=3)
    assert policy.usage_since == Period(months=6, days=0)
    assert policy.calendar is Calendar.CIVIL_KR
    assert policy.kinds == frozenset({Kind.KB_MOBILE_CERTIFICATE, Kind.MOBILE_OTP})
    assert policy.holders == frozenset({HolderKind.CORPORATE})


def test_what_is_not_written_takes_the_default_reading() -> None:
    policy = read()

    assert policy.model_dump(exclude=set(BARE)) == {
        "version": 1,
        "announced_at": None,
        "effective_from": None,
        "law_forced": False,
        "kinds": None,
        "holders": None,
        "applies_to": "new",
        "usage_since": "eligible",
        "min_uses": 1,
        "channels": ["app"],
        "purposes": None,
        "extend_from": "decision",
        "renewal_validity": None,
        "max_renewals": None,
        "grace": str(NO_TIME),
        "request_window": None,
        "notice_lead": None,
        "objection": None,
        "consent": "none",
        "calendar": Calendar.END_OF_DAY,
        "zone": "Asia/Seoul",
        "reissue_validity": "fresh",
    }


@pytest.mark.parametrize("missing", ["policy_id", "validity", "renew_on"])
def test_a_document_without_it_is_refused(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        RenewalPolicy.model_validate({name: value for name, value in BARE.items() if name != missing})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"validty": "P2Y"}, "Extra inputs are not permitted", id="an unknown key"),
        pytest.param({"policy_id": ""}, "should match pattern", id="an empty id"),
        pytest.param({"policy_id": "a@1"}, "should match pattern", id="an id that looks like a reference"),
        pytest.param({"policy_id": "a" * 65}, "should match pattern", id="a long id"),
        pytest.param({"version": 0}, "greater than or equal to 1", id="version zero"),
        pytest.param({"version": "1"}, "valid integer", id="a version in quotes"),
        pytest.param({"version": True}, "valid integer", id="a version that is a truth"),
        pytest.param({"announced_at": "2026-01-01T00:00:00"}, "timezone info", id="a moment without a zone"),
        pytest.param({"announced_at": 5}, "written as text", id="a moment as a number"),
        pytest.param({"effective_from": "1900-06-01T00:00:00Z"}, "lies in the years", id="a moment out of range"),
        pytest.param({"effective_from": "2400-01-01T00:00:00Z"}, "lies in the years", id="a moment too late"),
        pytest.param({"effective_from": "soon"}, "valid datetime", id="a moment that is none"),
        pytest.param({"law_forced": "true"}, "valid boolean", id="a truth in quotes"),
        pytest.param({"kinds": []}, "at least 1 item", id="no kind"),
        pytest.param({"kinds": ["seal"]}, "kb_mobile_certificate", id="an unknown kind"),
        pytest.param({"holders": []}, "at least 1 item", id="no holder"),
        pytest.param({"holders": ["robot"]}, "corporate", id="an unknown holder"),
        pytest.param({"applies_to": "all"}, "recompute", id="an unknown way to apply"),
        pytest.param({"validity": "2 years"}, "is not a period", id="a validity that is no period"),
        pytest.param({"validity": "P0D"}, "use null for a credential that never expires", id="a validity of no time"),
        pytest.param({"validity": 730}, "validity", id="a validity that is a number"),
        pytest.param({"renewal_validity": "P0D"}, "a validity of no time", id="a renewal of no time"),
        pytest.param({"renew_on": "sometimes"}, "request", id="an unknown renewal"),
        pytest.param({"eligible_after": None}, "needs a validity and an eligible_after", id="use, never eligible"),
        pytest.param({"validity": None}, "needs a validity and an eligible_after", id="use, without a validity"),
        pytest.param(
            {"renew_on": "expiry", "eligible_after": None},
            "needs a validity and an eligible_after",
            id="expiry, never eligible",
        ),
        pytest.param({"renew_on": "request"}, "needs a request_window", id="request without a window"),
        pytest.param({"usage_since": "ever"}, "'ever' is not a period", id="an unknown start of uses"),
        pytest.param({"min_uses": 0}, "greater than or equal to 1", id="no use needed"),
        pytest.param(
            {"usage_since": "P6M", "min_uses": LOOK_BACK_USES_MAX + 1},
            f"min_uses is at most {LOOK_BACK_USES_MAX}",
            id="a look-back for more uses than are kept",
        ),
        pytest.param({"channels": []}, "at least 1 item", id="no channel"),
        pytest.param({"channels": [""]}, "at least 1 character", id="a channel without a name"),
        pytest.param({"purposes": []}, "at least 1 item", id="no purpose"),
        pytest.param({"extend_from": "issue"}, "decision", id="an unknown base"),
        pytest.param({"max_renewals": -1}, "greater than or equal to 0", id="fewer than no renewals"),
        pytest.param({"grace": None}, "object", id="a grace that is null"),
        pytest.param({"request_window": "P-1D"}, "is not a period", id="a window before its time"),
        pytest.param({"consent": "silence"}, "implied_notice", id="an unknown consent"),
        pytest.param({"calendar": "lunar"}, "civil_kr", id="an unknown calendar"),
        pytest.param({"zone": "Asia/Pyongchang"}, "not a zone", id="an unknown zone"),
        pytest.param({"zone": "Asia"}, "not a zone", id="a folder of zones"),
        pytest.param({"zone": "../../etc/passwd"}, "not a zone", id="a path"),
        pytest.param({"reissue_validity": "old"}, "fresh", id="an unknown reissue"),
    ],
)
def test_a_document_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"eligible_after": "P0D"}, id="eligible at once"),
        pytest.param({"usage_since": "P6M", "min_uses": LOOK_BACK_USES_MAX}, id="a look-back for all that are kept"),
        pytest.param({"usage_since": "period", "min_uses": 100}, id="many uses without a look-back"),
        pytest.param({"renew_on": "never", "validity": None, "eligible_after": None}, id="without end"),
        pytest.param({"renew_on": "request", "request_window": "P0D", "eligible_after": None}, id="no window"),
        pytest.param({"max_renewals": 0}, id="no renewal"),
    ],
)
def test_a_document_at_the_edge_is_taken(changes: dict[str, object]) -> None:
    assert read(**changes).policy_id == "D"


@pytest.mark.parametrize("written", [{"months": 24, "days": 0}, {"months": 1, "days": -31}])
def test_a_period_is_written_in_one_way_only(written: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="validity"):
        read(validity=written)


def test_a_document_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        read().version = 2


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"validity": "P24M", "eligible_after": "P12M"}, id="months for years"),
        pytest.param({"version": 1, "zone": "Asia/Seoul", "min_uses": 1}, id="the defaults written out"),
        pytest.param({"channels": ["app", "app"]}, id="a channel twice"),
        pytest.param({"purposes": None, "grace": "P0W"}, id="no time in weeks"),
    ],
)
def test_equal_documents_have_one_digest_however_they_are_written(changes: dict[str, object]) -> None:
    assert read(**changes) == read()
    assert read(**changes).digest == read().digest


def test_the_order_of_keys_and_names_does_not_move_the_digest() -> None:
    backwards = {name: EVERY_FIELD[name] for name in reversed(EVERY_FIELD)} | {"channels": ["web", "app"]}

    assert RenewalPolicy.model_validate(backwards).digest == RenewalPolicy.model_validate(EVERY_FIELD).digest


def test_one_moment_written_in_two_zones_has_one_digest() -> None:
    in_seoul, in_utc = read(effective_from="2026-03-01T00:00:00+09:00"), read(effective_from="2026-02-28T15:00:00Z")

    assert in_seoul == in_utc
    assert in_seoul.digest == in_utc.digest


def test_a_moment_is_kept_in_utc() -> None:
    moment = read(effective_from="2026-03-01T00:00:00+09:00").effective_from

    assert moment is not None
    assert moment.tzinfo is UTC


CANONICAL = (
    '{"announced_at":null,"applies_to":"new","calendar":"end_of_day","channels":["app"],"consent":"none",'
    '"effective_from":null,"eligible_after":"P1Y","extend_from":"decision","grace":"P0D","holders":null,'
    '"kinds":null,"law_forced":false,"max_renewals":null,"min_uses":1,"notice_lead":null,"objection":null,'
    '"policy_id":"D","purposes":null,"reissue_validity":"fresh","renew_on":"use","renewal_validity":null,'
    '"request_window":null,"usage_since":"eligible","validity":"P2Y","version":1,"zone":"Asia/Seoul"}'
)


def test_the_digest_is_that_of_the_canonical_text() -> None:
    # Reports cite it and the ledger compares by it, so it must not move between releases.
    assert read().document == CANONICAL
    assert read().digest == hashlib.sha256(CANONICAL.encode()).hexdigest()


@pytest.mark.parametrize("name", sorted(EVERY_FIELD.keys() - {"policy_id", "validity", "renew_on"}))
def test_every_field_moves_the_digest(name: str) -> None:
    bare = {"policy_id": "D", "validity": "P2Y", "renew_on": "never"}

    assert (
        RenewalPolicy.model_validate(bare | {name: EVERY_FIELD[name]}).digest
        != RenewalPolicy.model_validate(bare).digest
    )


def test_a_document_is_read_back_from_its_canonical_text() -> None:
    policy = RenewalPolicy.model_validate(EVERY_FIELD)

    assert RenewalPolicy.model_validate_json(policy.document) == policy
    assert RenewalPolicy.model_validate_json(policy.document).digest == policy.digest


@pytest.mark.parametrize(
    ("changes", "in_time"),
    [
        pytest.param({"announced_at": kst("2026-02-28")}, True, id="a month before, to the instant"),
        pytest.param({"announced_at": kst("2026-02-28T00:00:00.000001")}, False, id="a microsecond late"),
        pytest.param({"announced_at": kst("2026-03-30"), "law_forced": True}, True, id="late, but a law forces it"),
        pytest.param({"announced_at": None}, False, id="not announced"),
        pytest.param({"announced_at": kst("2026-01-01"), "effective_from": None}, False, id="without a date"),
        pytest.param(
            {"announced_at": kst("2026-01-01"), "effective_from": None, "law_forced": True},
            False,
            id="forced by a law, but without a date",
        ),
    ],
)
def test_a_policy_is_announced_a_month_before_it_takes_effect(changes: dict[str, object], in_time: bool) -> None:
    policy = document(**{"effective_from": kst("2026-03-31"), **changes})

    assert policy.announced_in_time is in_time


MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "in_force"),
    [
        pytest.param(MARCH - timedelta(microseconds=1), False, id="before"),
        pytest.param(MARCH, True, id="at the instant"),
        pytest.param(MARCH + timedelta(days=999), True, id="after"),
    ],
)
def test_a_policy_is_in_force_from_its_date_on(moment: datetime, in_force: bool) -> None:
    assert document(effective_from=MARCH).in_force_at(moment) is in_force


def test_a_policy_without_a_date_has_always_been_in_force() -> None:
    assert document().in_force_at(datetime(1900, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("changes", "concerned"),
    [
        pytest.param({}, True, id="all"),
        pytest.param({"kinds": ["mobile_otp"]}, True, id="the kind"),
        pytest.param({"kinds": ["joint_universal"]}, False, id="another kind"),
        pytest.param({"holders": ["personal"]}, True, id="the holder"),
        pytest.param({"holders": ["corporate"]}, False, id="another holder"),
        pytest.param({"kinds": ["mobile_otp"], "holders": ["corporate"]}, False, id="the kind of another holder"),
    ],
)
def test_a_policy_concerns_its_kinds_and_holders(changes: dict[str, object], concerned: bool) -> None:
    assert document(**changes).concerns(kind=Kind.MOBILE_OTP, holder=HolderKind.PERSONAL) is concerned


@pytest.mark.parametrize(("text", "ref"), [("D@1", ("D", 1)), ("a@b@12", ("a@b", 12))])
def test_a_reference_is_written_and_read_back(text: str, ref: tuple[str, int]) -> None:
    assert PolicyRef.parse(text) == PolicyRef(*ref)
    assert str(PolicyRef.parse(text)) == text


@pytest.mark.parametrize("text", ["", "D", "D@", "D@one"])
def test_a_reference_without_a_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        PolicyRef.parse(text)
