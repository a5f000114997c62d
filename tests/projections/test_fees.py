"""What was charged, waived and paid back in fees, by kind and schedule?"""

from datetime import datetime

from sealbook.domain.calendar import MICROSECOND
from sealbook.domain.catalogue import Event
from sealbook.domain.credential import FeeCharged, FeeFailed, FeeFor, FeeRefunded, FeeWaived
from sealbook.domain.values import Kind
from sealbook.projections.fees import Fees, fees
from tests.domain.applications import APPLYING, CHARGED, FEE_DUE, FEE_PAID, minute
from tests.domain.examples import REQUEST_R, SUMMER, issued_under
from tests.projections.records import CREDENTIAL, OTHER_CREDENTIAL, ledger

FAILED = FeeFailed(at=minute(5), what=FeeFor.ISSUE, amount_krw=4_400, fee_version=1)
REFUNDED = FeeRefunded(at=minute(9), amount_krw=4_400, fee_version=1)


def found(*history: Event, other: tuple[Event, ...] = (), as_of: datetime = SUMMER) -> list[Fees]:
    return fees(ledger({CREDENTIAL: history, OTHER_CREDENTIAL: other}), as_of=as_of)


def test_without_an_application_there_is_no_fee() -> None:
    assert found() == []


def test_the_fee_of_a_universal_certificate_is_charged() -> None:
    assert found(*FEE_DUE, FAILED, CHARGED) == [
        Fees(kind=Kind.JOINT_UNIVERSAL, fee_version=1, charged=1, failed=1, sum_krw=4_400)
    ]


def test_a_fee_of_nothing_is_waived_and_counted() -> None:
    assert found(*APPLYING) == [Fees(kind=Kind.KB_MOBILE_CERTIFICATE, fee_version=1, waived=1)]


def test_what_was_paid_back_is_not_in_the_sum() -> None:
    assert found(*FEE_PAID, REFUNDED) == [Fees(kind=Kind.JOINT_UNIVERSAL, fee_version=1, charged=1, refunded=1)]


def test_a_renewals_fee_counts_as_well() -> None:
    issued = issued_under(REQUEST_R, kind=Kind.JOINT_UNIVERSAL)
    renewal = FeeCharged(at=SUMMER, what=FeeFor.RENEWAL, amount_krw=4_400, fee_version=2, receipt="receipt-2")

    assert found(issued, renewal) == [Fees(kind=Kind.JOINT_UNIVERSAL, fee_version=2, charged=1, sum_krw=4_400)]


def test_kinds_and_versions_of_a_schedule_are_summed_up_apart() -> None:
    second = FeeCharged(at=SUMMER, what=FeeFor.RENEWAL, amount_krw=5_000, fee_version=2, receipt="receipt-2")
    issued = issued_under(REQUEST_R, kind=Kind.JOINT_UNIVERSAL)

    assert found(*FEE_PAID, issued, second, other=APPLYING) == [
        Fees(kind=Kind.JOINT_UNIVERSAL, fee_version=1, charged=1, sum_krw=4_400),
        Fees(kind=Kind.JOINT_UNIVERSAL, fee_version=2, charged=1, sum_krw=5_000),
        Fees(kind=Kind.KB_MOBILE_CERTIFICATE, fee_version=1, waived=1),
    ]


def test_a_fee_counts_from_its_own_moment() -> None:
    assert found(*FEE_PAID, as_of=CHARGED.at - MICROSECOND) == []
    assert [each.charged for each in found(*FEE_PAID, as_of=CHARGED.at)] == [1]


def test_many_fees_are_added_up() -> None:
    (total,) = found(*FEE_PAID, other=(*FEE_PAID, FeeWaived(at=minute(9), fee_version=1)))

    assert (total.charged, total.waived, total.sum_krw) == (2, 1, 8_800)
