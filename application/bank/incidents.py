"""Incidents: what may happen in a life, and how likely it is."""

from datetime import timedelta
from functools import partial

from sealbook.application.bank.daily import Incident, Life, begun_life, obtain, reissued
from sealbook.application.bank.means import Means
from sealbook.application.bank.people import enrolled
from sealbook.application.bank.telling import CALLER, OFFICER, TELLER, Story
from sealbook.application.names import Name
from sealbook.application.requests import CloseCustomer, LinkId, LinkService
from sealbook.domain import credential, device
from sealbook.domain.credential import UseEvidence
from sealbook.domain.values import Kind, LockScreen, RevocationReason, Service, SuspensionReason, UnlockMethod


def ordinary(story: Story, number: str) -> None:
    """Live as most people do: a credential, uses, and now and then something that happens."""
    life = begun_life(enrolled(story, number))
    for probability, incident in INCIDENTS:
        if story.chance(probability):
            life.plan(story.at + story.random.random() * (story.ends_at - story.at), incident)
    life.go_on()


# --- The phone


def loses_phone(life: Life, first: Means) -> None:
    story, theft = life.story, life.story.chance(0.15)
    life.holder.lose_phone(theft=theft)
    for means in life.live if theft else ():
        means.be_doubted()
    if story.chance(0.3):
        first.attempt(proven=False)
    if not theft and story.chance(0.85):
        story.later(days=story.between(0.1, 20))
        life.holder.find_phone()
        return
    story.later(days=story.between(0.1, 10))
    for means in life.live:
        if means.moves:
            # It would go along, and stay suspended: what was reported is not taken back.
            means.on(credential.Revoke(at=story.at, reason=RevocationReason.KEY_COMPROMISE), CALLER)
            life.held.remove(means)
    if life.held:
        change_phone(life, by_code=False)


def buys_phone(life: Life, _first: Means) -> None:
    change_phone(life, by_code=life.story.chance(0.6))


def change_phone(life: Life, *, by_code: bool) -> None:
    """Go over to another phone; what does not move is applied for anew on it."""
    live, holder = life.live, life.holder
    if not live:
        return
    holder.replace_phone(holder.buy_phone(), by_code=by_code)
    life.story.later(minutes=5)
    for means in live:
        means.phone = holder.phone
    life.held = [means if means.moves else reissued(life, means) for means in live]


def updates_app(life: Life, _first: Means) -> None:
    keys_kept = life.story.chance(0.95)
    life.holder.update_app(keys_kept=keys_kept)
    if not keys_kept:
        set_up_again(life.live, after=timedelta(hours=life.story.between(0.2, 48)))


def set_up_again(held: list[Means], *, after: timedelta) -> None:
    """Complete the reset that an update without the keys has asked for."""
    for means in held:
        if means.document.on_device.app_update_resets == "keys_lost":
            means.story.at += after
            means.complete_reset()
            after = timedelta(minutes=3)


def updates_system(life: Life, _first: Means) -> None:
    life.holder.update_system()


def shows_phone(life: Life, _first: Means) -> None:
    screen = life.story.random.choice((LockScreen.STRONG, LockScreen.STRONG, LockScreen.WEAK))
    at = life.story.at
    life.holder.observe(
        device.ObserveLockScreen(at=at, lock_screen=screen), device.ObserveIntegrity(at=at, rooted=False)
    )


# --- The credential


def objects(_life: Life, first: Means) -> None:
    first.object_to_renewal()


def consents(life: Life, first: Means) -> None:
    first.on(credential.ConsentToRenewal(at=life.story.at, evidence=life.story.reference("consent")))


def locked_out(life: Life, first: Means) -> None:
    """Five wrong proofs lock it; identified again, its holder opens it. Ten lock it for good."""
    for_good = life.story.chance(0.1)
    first.guess(10 if for_good else 5)
    life.story.later(minutes=life.story.between(10, 3000))
    if for_good:
        life.held[life.held.index(first)] = reissued(life, first)
    else:
        first.on(credential.Unlock(at=life.story.at, evidence=life.story.reference("branch")), TELLER)


def suspends(life: Life, first: Means) -> None:
    first.on(credential.Suspend(at=life.story.at, reason=SuspensionReason.REQUESTED), CALLER)
    life.story.later(days=life.story.between(1, 60))
    first.on(credential.Resume(at=life.story.at), CALLER)


def copied(life: Life, first: Means) -> None:
    """Be copied: the copy shows a count from before, and all is held until the holder has been identified."""
    if first.kind is Kind.MOBILE_OTP or first.counter < 2:
        return
    first.attempt(purpose="login", evidence=UseEvidence(counter=1))
    life.story.later(days=life.story.between(0.5, 5))
    first.on(credential.Resume(at=life.story.at, evidence=life.story.reference("branch")), TELLER)


def changes_opening(life: Life, first: Means) -> None:
    first.set_up(*first.story.random.sample((UnlockMethod.FACE, UnlockMethod.FINGERPRINT), 1))
    chosen = [method for method in first.unlocks if method is not UnlockMethod.PIN]
    for method in chosen[:1]:
        for _ in range(life.story.random.randrange(3)):
            first.on(credential.ReportUnlockFailure(at=life.story.later(minutes=1), method=method))
        first.on(credential.RemoveUnlockMethod(at=life.story.later(minutes=1), method=method))
        first.unlocks.remove(method)


def links_id(life: Life, first: Means) -> None:
    if len(first.links) < first.document.linking.ids_max:
        link_id(first, owner=life.holder.ref, purpose="household banking")


def link_id(means: Means, *, owner: Name, purpose: str) -> str:
    """Let it stand for an ID, right after it was opened."""
    bank_id = means.story.reference("id")
    means.story.ask(
        LinkId(at=means.at, credential=means.ref, bank_id=bank_id, owner=owner, purpose=purpose, unlocked_at=means.at)
    )
    means.links.append(bank_id)
    return bank_id


def links_service(life: Life, first: Means) -> None:
    for service in (Service.PERSONAL_BANKING, Service.ELECTRONIC_GOVERNMENT):
        if service in first.document.linking.services_personal:
            life.story.ask(LinkService(at=life.story.later(minutes=1), credential=first.ref, service=service))


def has_another(life: Life, _first: Means, *, kind: Kind) -> None:
    if all(means.kind is not kind for means in life.held):
        obtain(life, kind)


# --- The relationship


def moves_house(life: Life, _first: Means) -> None:
    life.holder.move_house()


def changes_name(life: Life, _first: Means) -> None:
    """Take another name: what shows the old one ends by itself, and is applied for anew."""
    ended = [means for means in life.live if means.document.name_bound]
    life.holder.change_name()
    life.held = [means for means in life.held if means not in ended]
    for means in ended:
        life.story.later(days=1)
        life.held.append(reissued(life, means))


def restricted(life: Life, first: Means) -> None:
    life.holder.restrict("fraud alert")
    first.attempt()
    life.story.later(days=life.story.between(1, 60))
    life.holder.lift_restriction()


def leaves(life: Life, first: Means) -> None:
    first.on(credential.Revoke(at=life.story.at, reason=RevocationReason.CESSATION_OF_OPERATION), CALLER)
    life.held.remove(first)
    if not life.held and life.story.chance(0.4):
        life.story.later(days=1)
        life.story.ask(CloseCustomer(at=life.story.at, customer=life.holder.ref), OFFICER)
        life.over = True


def dies(life: Life, _first: Means) -> None:
    life.holder.die()
    life.over = True


INCIDENTS: tuple[tuple[float, Incident], ...] = (
    (0.15, loses_phone),
    (0.03, objects),
    (0.05, leaves),
    (0.12, buys_phone),
    (0.40, updates_app),
    (0.30, updates_app),
    (0.30, updates_system),
    (0.25, shows_phone),
    (0.02, consents),
    (0.05, locked_out),
    (0.03, suspends),
    (0.01, copied),
    (0.10, changes_opening),
    (0.12, links_id),
    (0.12, links_service),
    (0.08, partial(has_another, kind=Kind.MOBILE_OTP)),
    (0.06, partial(has_another, kind=Kind.FINANCIAL_CERTIFICATE)),
    (0.04, partial(has_another, kind=Kind.JOINT_UNIVERSAL)),
    (0.12, moves_house),
    (0.01, changes_name),
    (0.01, restricted),
    (0.006, dies),
)
"""How likely something is to happen once in a life."""
