"""Stories of use: one settled life, codes, locks, copies and phones."""

from collections.abc import Sequence
from datetime import timedelta

from sealbook.application.bank.applications import applied
from sealbook.application.bank.daily import Life
from sealbook.application.bank.incidents import link_id, set_up_again
from sealbook.application.bank.means import Means, issued_at_counter
from sealbook.application.bank.people import Holder, enrolled
from sealbook.application.bank.telling import CALLER, TELLER, Story
from sealbook.application.requests import LinkService, OnCustomer, UnlinkId
from sealbook.domain import credential, customer, device
from sealbook.domain.credential import UseEvidence
from sealbook.domain.values import Kind, LockScreen, PolicyRef, RevocationReason, Service, SwitchMode, UnlockMethod


def settled(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a certificate with its IDs and services, used often and renewed by that; the phone is mislaid once."""
    person = enrolled(story, numbers[0])
    person.join(Service.INTERNET_BANKING, Service.PERSONAL_BANKING)
    at = story.later(minutes=5)
    person.observe(
        device.ObserveLockScreen(at=at, lock_screen=LockScreen.STRONG), device.ObserveIntegrity(at=at, rooted=False)
    )
    means = applied(person, Kind.KB_MOBILE_CERTIFICATE, purpose="login").finish()
    means.set_up(UnlockMethod.FACE, UnlockMethod.PATTERN)
    bank_id = link_id(means, owner=person.ref, purpose="household banking")
    _try_services(story, means)
    _change_opening(means)
    _use_for(means, days=200)
    means.links.remove(bank_id)
    story.ask(UnlinkId(at=story.later(minutes=1), credential=means.ref, bank_id=bank_id))
    person.move_house()
    _use_for(means, days=60)
    person.lose_phone()
    story.later(days=3)
    person.find_phone()
    _use_for(means, days=140)
    means.on(credential.ConsentToRenewal(at=story.at, evidence=story.reference("consent")))
    _use_until_the_end(means)


def _try_services(story: Story, means: Means) -> None:
    for service in (Service.PERSONAL_BANKING, Service.ELECTRONIC_GOVERNMENT):
        story.ask(LinkService(at=story.later(minutes=1), credential=means.ref, service=service))
    story.later(days=2)
    means.on(credential.UnlinkService(at=story.at, service=Service.PERSONAL_BANKING))


def _change_opening(means: Means) -> None:
    story = means.story
    means.on(credential.ReportUnlockFailure(at=story.later(days=3), method=UnlockMethod.FACE))
    means.use(purpose="login")
    means.on(credential.RemoveUnlockMethod(at=story.later(days=1), method=UnlockMethod.PATTERN))
    means.unlocks.remove(UnlockMethod.PATTERN)


def _use_for(means: Means, *, days: float) -> None:
    until = means.at + timedelta(days=days)
    while means.at < until:
        means.story.later(days=means.story.between(3, 25))
        means.use()


def _use_until_the_end(means: Means) -> None:
    while not means.story.over:
        means.story.later(days=means.story.between(3, 40))
        means.use()


def kept_up_to_date(story: Story, numbers: Sequence[str]) -> None:
    """Tell of updates of the app and the system; one loses the keys, so all is set up again."""
    person = enrolled(story, numbers[0])
    means = applied(person, Kind.KB_MOBILE_CERTIFICATE).finish()
    means.set_up(UnlockMethod.FINGERPRINT)
    _use_for(means, days=40)
    person.update_app(keys_kept=True)
    story.later(minutes=20)
    person.update_system()
    _use_for(means, days=60)
    person.update_app(keys_kept=False)
    means.attempt(purpose="login")
    set_up_again([means], after=timedelta(hours=3))
    _use_for(means, days=60)
    to = PolicyRef(policy_id="G30", version=1)
    means.on(credential.SwitchPolicy(at=story.at, policy=to, mode=SwitchMode.RECOMPUTE), TELLER)
    _use_until_the_end(means)


def one_time_codes(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a clock that drifts, a code used twice, five wrong ones, and ten, after which a new one is issued."""
    person = enrolled(story, numbers[0])
    means = applied(person, Kind.MOBILE_OTP, policy_id="X", purpose="transfer").finish()
    means.on(credential.SetSecret(at=story.at, generation=1), TELLER)
    means.set_up()
    _use_for(means, days=60)
    seen = means.evidence()
    means.use(purpose="transfer", evidence=seen)
    means.attempt(purpose="transfer", evidence=seen)
    means.drift = 3
    means.attempt(purpose="transfer")
    _resynchronize(means)
    _use_for(means, days=30)
    means.guess(5)
    means.attempt(purpose="login")
    story.later(days=1)
    means.on(credential.Unlock(at=story.at, evidence=story.reference("branch")), TELLER)
    _use_for(means, days=30)
    means.guess(10)
    means.on(
        credential.Unlock(at=story.later(days=1), evidence=story.reference("branch")), TELLER
    )  # Refused: for good.
    anew = applied(person, Kind.MOBILE_OTP, policy_id="X", replaces=means).finish()
    _use_until_the_end(anew)


def _resynchronize(means: Means) -> None:
    """Show two codes in a row, so that the bank learns how far the clock is off."""
    now = means.story.later(minutes=3)
    means.on(
        credential.Resynchronize(at=now, timecode=int(now.timestamp()) // 60 + means.drift, drift_steps=means.drift)
    )
    means.story.later(minutes=3)


def lost_and_found(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a phone that is lost, tried by a stranger and found. The next one takes over by a code."""
    person = enrolled(story, numbers[0])
    means = applied(person, Kind.KB_MOBILE_CERTIFICATE).finish()
    means.set_up(UnlockMethod.FACE)
    _use_for(means, days=100)
    person.lose_phone()
    means.attempt(purpose="transfer", proven=False)
    look = customer.ViewRecord(at=story.at, what="credential history", reason="loss 17")
    story.ask(OnCustomer(customer=person.ref, command=look), TELLER)
    story.later(days=4)
    person.find_phone()
    _use_for(means, days=100)
    person.replace_phone(person.buy_phone(), by_code=True)
    story.later(minutes=5)
    anew = applied(person, Kind.KB_MOBILE_CERTIFICATE, replaces=means).finish()
    anew.set_up(UnlockMethod.FACE)
    _use_until_the_end(anew)


def stolen(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a theft: the certificate stays held, and a new one is issued at a branch, on a new phone."""
    person = enrolled(story, numbers[0])
    means = issued_at_counter(person, Kind.KB_MOBILE_CERTIFICATE)
    _use_for(means, days=90)
    person.lose_phone(theft=True)
    story.later(days=1)
    means.on(credential.Resume(at=story.at, evidence=story.reference("branch")), TELLER)  # Refused: stolen.
    means.on(credential.Revoke(at=story.later(minutes=2), reason=RevocationReason.KEY_COMPROMISE), TELLER)
    person.phone = person.buy_phone()
    anew = issued_at_counter(person, Kind.KB_MOBILE_CERTIFICATE, replaces=means)
    _use_until_the_end(anew)


def kept_in_the_cloud(story: Story, numbers: Sequence[str]) -> None:
    """Tell of another phone: the financial certificate goes along, the other is issued anew."""
    person = enrolled(story, numbers[0])
    person.join(Service.INTERNET_BANKING)
    phone_bound = applied(person, Kind.KB_MOBILE_CERTIFICATE).finish()
    in_cloud = applied(person, Kind.FINANCIAL_CERTIFICATE, purpose="tax_filing").finish()
    _use_for(phone_bound, days=60)
    in_cloud.use(purpose="tax_filing")
    story.later(days=30)
    person.replace_phone(person.buy_phone())
    in_cloud.phone = person.phone
    phone_bound = issued_at_counter(person, Kind.KB_MOBILE_CERTIFICATE, replaces=phone_bound)
    in_cloud.use(purpose="tax_filing")
    _use_for(phone_bound, days=150)
    _leave_internet_banking(person, in_cloud)
    _use_until_the_end(phone_bound)


def _leave_internet_banking(person: Holder, in_cloud: Means) -> None:
    """Its certificate is for members only."""
    person.leave(Service.INTERNET_BANKING)
    in_cloud.attempt(purpose="login")


def copied(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a count from before, which shows a copy; the holder comes to the branch. The next copy is the end."""
    person = enrolled(story, numbers[0])
    means = applied(person, Kind.KB_MOBILE_CERTIFICATE).finish()
    _use_for(means, days=120)
    means.attempt(purpose="transfer", evidence=UseEvidence(counter=2))
    means.attempt(purpose="login")
    story.later(days=2)
    means.on(credential.Resume(at=story.at, evidence=story.reference("branch")), TELLER)
    _use_for(means, days=120)
    means.on(credential.SignalClone(at=story.at, evidence=story.reference("case")), CALLER)
    means.be_doubted()
    means.on(credential.Revoke(at=story.later(days=1), reason=RevocationReason.KEY_COMPROMISE), TELLER)
    life = Life(holder=person, held=[], rate=12 / 365, next_use=story.at)
    life.held = [applied(person, Kind.KB_MOBILE_CERTIFICATE, replaces=means).finish()]
    life.go_on()


def back_in_the_grace(story: Story, numbers: Sequence[str]) -> None:
    """Tell of a certificate used again some days after its end: its policy takes that as a renewal."""
    person = enrolled(story, numbers[0])
    means = applied(person, Kind.KB_MOBILE_CERTIFICATE, policy_id="G30").finish()
    _use_for(means, days=100)
    end = None if means.term is None else means.term.bounds.expires_at
    if end is not None:
        story.at = end + timedelta(days=9)
    means.attempt(purpose="login")
    _use_until_the_end(means)
