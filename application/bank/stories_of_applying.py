"""Stories of applying: photos, codes and fees that go wrong, and applications that come to nothing."""

from collections.abc import Sequence

from sealbook.application.bank.applications import STRANGER, TOO_LATE_MINUTES, applied
from sealbook.application.bank.people import enrolled
from sealbook.application.bank.telling import Story
from sealbook.application.requests import CloseCustomer
from sealbook.domain import credential
from sealbook.domain.values import CaptureFault, Kind, Step, UnlockMethod

ATTEMPTS = 5


def hard_application(story: Story, numbers: Sequence[str]) -> None:
    """Tell of an application in which everything goes wrong once, the phone five times; support helps."""
    person = enrolled(story, numbers[0])
    application = applied(person, Kind.KB_MOBILE_CERTIFICATE, purpose="login")
    for _ in range(ATTEMPTS):
        application.verify_phone_of(STRANGER)
    application.verify_phone_of(person.identity)  # Refused: it was tried too often.
    application.ask_support()
    application.verify_phone()
    application.photograph(CaptureFault.BLURRED)
    application.photograph(CaptureFault.GLARE)
    application.photograph()
    application.hear_from_issuer(authentic=False)
    application.photograph()
    application.hear_from_issuer()
    application.enter_code(own=False)
    application.enter_code(right=False)
    application.enter_code(after_minutes=TOO_LATE_MINUTES)
    means = application.finish()
    means.set_up(UnlockMethod.FINGERPRINT)
    for _ in range(20):
        story.later(days=story.between(20, 80))
        means.use()


def given_up(story: Story, numbers: Sequence[str]) -> None:
    """Tell of an application given up by hand, of one left alone until its time is over, and of a third."""
    person = enrolled(story, numbers[0])
    application = applied(person, Kind.KB_MOBILE_CERTIFICATE)
    application.verify_phone()
    application.abandon()
    story.later(days=3)
    applied(person, Kind.KB_MOBILE_CERTIFICATE).verify_phone()
    story.later(days=70)
    means = applied(person, Kind.KB_MOBILE_CERTIFICATE).finish()
    for _ in range(6):
        story.later(days=story.between(30, 150))
        means.use()


def fee_paid_late(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a fee that fails before it is paid, of another a year later, and of a third that is forgotten."""
    person = enrolled(story, numbers[0])
    application = applied(person, Kind.JOINT_UNIVERSAL, purpose="shopping")
    application.finish_until(Step.FEE)
    application.pay(fails=True)
    story.later(days=1)
    means = application.finish()
    means.set_up()
    for _ in range(4):
        story.later(days=80)
        means.use(purpose="tax_filing")
    story.later(days=25)
    means.on(credential.ChargeFee(at=story.at, receipt=None))
    story.later(days=2)
    means.renew()
    for _ in range(6):
        story.later(days=75)
        means.use(purpose="shopping")


def refunded(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a rejection after the fee was paid, which comes back; the second is let off. A new name ends it."""
    person = enrolled(story, numbers[0])
    application = applied(person, Kind.JOINT_UNIVERSAL)
    application.finish_until(Step.KEY)
    application.be_rejected("document reported stolen")
    story.later(days=20)
    again = applied(person, Kind.JOINT_UNIVERSAL)
    again.finish_until(Step.FEE)
    again.be_let_off()
    means = again.finish()
    for _ in range(3):
        story.later(days=30)
        means.use(purpose="contract")
    person.change_name()
    means.attempt(purpose="contract")
    story.later(days=2)
    applied(person, Kind.JOINT_UNIVERSAL, replaces=means).finish()


def fee_left_open(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a fee that failed: with it open nobody leaves, once the application is given up the customer can."""
    person = enrolled(story, numbers[0])
    application = applied(person, Kind.JOINT_UNIVERSAL)
    application.finish_until(Step.FEE)
    application.pay(fails=True)
    story.later(days=1)
    story.ask(CloseCustomer(at=story.at, customer=person.ref))  # Refused: the fee is open.
    application.abandon()
    story.later(days=1)
    story.ask(CloseCustomer(at=story.at, customer=person.ref))
