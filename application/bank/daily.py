"""Daily life: a person who uses what there is, as often as such a person does, until something happens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import count

from sealbook.application.bank.applications import STRANGER, TOO_LATE_MINUTES, Application, applied
from sealbook.application.bank.means import Means, issued_at_counter
from sealbook.application.bank.people import Holder
from sealbook.application.bank.telling import Story
from sealbook.domain.values import CaptureFault, Kind, Service, Step, UnlockMethod

DAY = timedelta(days=1)
USES_A_YEAR = (0.5, 4, 12, 30, 60)
"""How often people use it: from those who forget it to those who log in every week."""
CHANNELS = ("app", "app", "app", "app", "web")
LIKED = (UnlockMethod.FINGERPRINT, UnlockMethod.FACE, UnlockMethod.PATTERN)
FIRST_KINDS = {
    Kind.KB_MOBILE_CERTIFICATE: 0.92,
    Kind.MOBILE_OTP: 0.04,
    Kind.FINANCIAL_CERTIFICATE: 0.03,
    Kind.JOINT_UNIVERSAL: 0.01,
}


@dataclass(slots=True)
class Life:
    """A person's life with the bank. `held` are the credentials in hand, the one used most first."""

    holder: Holder
    held: list[Means]
    rate: float
    next_use: datetime
    over: bool = False
    _agenda: "list[tuple[datetime, int, Incident]]" = field(default_factory=list["tuple[datetime, int, Incident]"])
    _numbers: "count[int]" = field(default_factory=count)

    @property
    def story(self) -> Story:
        return self.holder.story

    @property
    def live(self) -> list[Means]:
        return [means for means in self.held if not means.lapsed()]

    def plan(self, at: datetime, incident: "Incident") -> None:
        heappush(self._agenda, (at, next(self._numbers), incident))

    def plan_renewal(self, means: Means) -> None:
        """Remember to ask for a renewal before the end, where the kind renews on request."""
        end = None if means.term is None else means.term.bounds.expires_at
        if means.policy.renew_on == "request" and end is not None and self.story.chance(0.8):
            self.plan(end - self.story.between(3, 25) * DAY, partial(_renewed, renewing=means))

    def go_on(self) -> None:
        """Live until the end of the story, or of the relationship."""
        while self._agenda and not self.over and not self.story.over:
            at, _, incident = heappop(self._agenda)
            if at > self.story.ends_at:
                break
            self.use_until(at)
            self._meet(incident)
        if not self.over:
            self.use_until(self.story.ends_at)

    def _meet(self, incident: "Incident") -> None:
        live = self.live
        if live:
            incident(self, live[0])
        elif self.held and self.story.chance(0.2):
            self.held = [reissued(self, self.held[0])]

    def use_until(self, moment: datetime) -> None:
        story, random = self.story, self.story.random
        while self.next_use < moment:
            story.at = max(story.at, self.next_use)
            if self.held:
                _often_the_first(self).use(channel=random.choice(CHANNELS))
            self.next_use = story.at + random.expovariate(self.rate) * DAY
            if random.random() < 0.02:
                self.next_use += random.uniform(100, 500) * DAY  # Put away for a long while.
        story.at = max(story.at, moment)


Incident = Callable[[Life, Means], None]
"""Something that happens in a life, to a credential that has not lapsed."""


def _often_the_first(life: Life) -> Means:
    return life.held[0] if life.story.chance(0.8) else life.story.random.choice(life.held)


def _renewed(life: Life, _first: Means, *, renewing: Means) -> None:
    if renewing in life.live:
        renewing.renew()
        life.plan_renewal(renewing)


def begun_life(holder: Holder) -> Life:
    """Let a person get a first credential, most often a mobile certificate."""
    story = holder.story
    kind = story.random.choices(list(FIRST_KINDS), weights=list(FIRST_KINDS.values()))[0]
    rate = story.random.choice(USES_A_YEAR) / 365
    life = Life(holder=holder, held=[], rate=rate, next_use=story.at)
    obtain(life, kind)
    life.next_use = story.at + timedelta(minutes=story.between(1, 60))
    return life


def obtain(life: Life, kind: Kind) -> None:
    """Get a credential of a kind, in the app or at a branch."""
    holder, story = life.holder, life.story
    if kind is Kind.FINANCIAL_CERTIFICATE:
        holder.join(Service.INTERNET_BANKING)
    if kind is Kind.KB_MOBILE_CERTIFICATE and story.chance(0.3):
        means = issued_at_counter(holder, kind)
    else:
        means = _applied(holder, kind)
    _settle_in(life, means)
    life.held.append(means)


def reissued(life: Life, old: Means) -> Means:
    """Get one of the same kind anew, on the phone now in use."""
    means = applied(life.holder, old.kind, policy_id=_own_policy(old), replaces=old).finish()
    _settle_in(life, means)
    return means


def _own_policy(means: Means) -> str | None:
    return None if means.document.policy == means.policy.policy_id else means.policy.policy_id


def _settle_in(life: Life, means: Means) -> None:
    random = life.story.random
    if random.random() < 0.8:
        means.set_up(*random.sample(LIKED, random.randrange(3)))
    life.plan_renewal(means)


def _applied(holder: Holder, kind: Kind) -> Means:
    story = holder.story
    application = applied(holder, kind)
    if story.chance(0.02):
        application.abandon()
        story.later(days=story.between(1, 40))
        application = applied(holder, kind)
    return _with_mishaps(application)


def _with_mishaps(application: Application) -> Means:
    story = application.story
    if story.chance(0.02):
        application.verify_phone_of(STRANGER)
    application.finish_until(Step.ID_DOCUMENT)
    if story.chance(0.08):
        application.photograph(story.random.choice(list(CaptureFault)))
    if story.chance(0.02):
        application.photograph()
        application.hear_from_issuer(authentic=False)
    application.finish_until(Step.ACCOUNT)
    if story.chance(0.05):
        application.enter_code(right=False)
    if story.chance(0.02):
        application.enter_code(after_minutes=TOO_LATE_MINUTES)
    application.finish_until(Step.KEY)
    return application.finish()
