"""Requests by chance about applications and credentials."""

from random import Random
from uuid import UUID

from sealbook.application.commands import Request
from sealbook.application.erasing import EraseCredential
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import (
    ApplyForCredential,
    CompleteApplication,
    IssueCredential,
    LinkId,
    LinkService,
    OnApplication,
    OnCredential,
    OwnOfApplication,
    OwnOfCredential,
    UnlinkId,
    VerifyPhone,
)
from sealbook.domain import credential
from sealbook.domain.credential import Application, Attestation, Credential, UseEvidence
from sealbook.domain.customer import Customer
from sealbook.domain.values import (
    CaptureFault,
    IdDocument,
    Kind,
    Network,
    PolicyRef,
    Service,
    Step,
    StorageLevel,
    SwitchMode,
    UnlockMethod,
)
from tests.invariants.chances import DAY, MINUTE, evidence, moment, some_customer, some_device
from tests.invariants.world import World


def attestation(chance: Random) -> Attestation | None:
    level = chance.choice([StorageLevel.SECURE_ELEMENT] * 9 + list(StorageLevel))
    return None if chance.random() < 0.05 else Attestation(level=level, digest="a1")


def new_credential(world: World) -> UUID:
    world.held.append(world.new_id())
    return world.held[-1]


def applying(world: World) -> list[UUID]:
    return [each for each in world.held if isinstance(s := world.watch.of(each), Application) and s.ended_at is None]


def issued(world: World, chance: Random) -> UUID:
    """A credential, most often a live one that was issued here."""
    live = [each for each in world.held if (state := world.credential(each)) and not state.ended_at(world.now)]
    ours = [each for each in live if (state := world.credential(each)) and state.device is not None]
    return world.pick(chance, ours or live, [*world.held, *world.held, *world.persons, world.new_id()])


def _replaced(world: World, chance: Random) -> UUID | None:
    return issued(world, chance) if chance.random() < 0.1 else None


def apply(world: World, chance: Random) -> Request:
    who = some_customer(world, chance)
    kind = _kind(world, chance, who, free=False)
    return ApplyForCredential(
        at=moment(world, chance),
        credential=new_credential(world),
        name=None,
        customer=who,
        kind=kind,
        device=_own_device(world, chance, who),
        policy_id=chance.choice(world.policy_ids) if kind is Kind.MOBILE_OTP or chance.random() < 0.3 else None,
        purpose=chance.choice((None, "login", "login", "shopping")),
        replaces=_replaced(world, chance),
    )


def _kind(world: World, chance: Random, who: UUID, *, free: bool) -> Kind:
    """A kind that the customer may hold and does not, and that an officer may issue, at times any."""
    state = world.watch.of(who)
    kinds = [
        kind
        for kind, document in world.kinds.kinds.items()
        if isinstance(state, Customer) and state.subkind in document.eligible and not state.holding(kind)
        if not (free and document.fees.of_issue_krw(state.kind))
    ]
    return world.pick(chance, kinds, list(Kind))


def _own_device(world: World, chance: Random, who: UUID) -> UUID:
    state = world.watch.of(who)
    own = state.devices if isinstance(state, Customer) else ()
    return chance.choice(own) if own and chance.random() < 0.7 else some_device(world, chance)


def issue(world: World, chance: Random) -> Request:
    stream, who = new_credential(world), some_customer(world, chance)
    return IssueCredential(
        at=moment(world, chance),
        credential=stream,
        name=Name(NameKind.CREDENTIAL, f"{world.hidden(NameKind.CREDENTIAL, stream).value}"),
        customer=who,
        kind=_kind(world, chance, who, free=True),
        device=_own_device(world, chance, who),
        policy_id=chance.choice(world.policy_ids),
        evidence=evidence(chance),
        attestation=attestation(chance),
        replaces=_replaced(world, chance),
    )


def step(world: World, chance: Random) -> Request:
    """The next step of an application, done well or not; at times another one."""
    stream = world.pick(chance, applying(world), world.held or world.persons)
    state, at = world.watch.of(stream), moment(world, chance)
    due = state.due[0] if isinstance(state, Application) else Step.PHONE
    well = chance.random() < 0.8
    match due if chance.random() < 0.9 else chance.choice(list(Step)):
        case Step.PHONE:
            owner = state.customer if isinstance(state, Application) and well else chance.choice(world.customers)
            identity = world.hidden(NameKind.IDENTITY, owner)
            return VerifyPhone(at=at, credential=stream, identity=identity, provider="carrier", evidence="phone-1")
        case Step.ID_DOCUMENT:
            awaited = state.awaiting if isinstance(state, Application) else None
            document = chance.choice(list(IdDocument))
            fault = None if well else chance.choice(list(CaptureFault))
            command: OwnOfApplication = credential.CaptureId(
                at=at, document=document, evidence="photo-1", digest="d1", request="r-1", fault=fault
            )
            if awaited is not None:
                command = credential.ConfirmId(at=at, request=awaited, authentic=well)
            return OnApplication(credential=stream, command=command)
        case Step.ACCOUNT:
            sent = at - (MINUTE if chance.random() < 0.9 else DAY)
            command = credential.VerifyAccount(
                at=at, account="account-1", evidence="code-1", code_sent_at=sent, code_matches=well, own_name=True
            )
            return OnApplication(credential=stream, command=command)
        case Step.FEE:
            command = credential.ChargeFee(at=at, receipt="receipt-1" if well else None)
            return OnApplication(credential=stream, command=command)
        case Step.KEY:
            return CompleteApplication(at=at, credential=stream, attestation=attestation(chance))


def support(world: World, chance: Random) -> Request:
    at = moment(world, chance)
    commands = (
        credential.RetryStep(at=at),
        credential.Escalate(at=at),
        credential.Abandon(at=at),
        credential.Reject(at=at, reason="officer"),
        credential.WaiveFee(at=at),
    )
    return OnApplication(
        credential=world.pick(chance, applying(world), world.held or world.persons), command=chance.choice(commands)
    )


# --- Issued credentials


def use(world: World, chance: Random, *, proven: bool | None = None) -> Request:
    held = issued(world, chance)
    state = world.credential(held)
    bound = state.device if state is not None else None
    return OnCredential(
        credential=held,
        command=credential.Use(
            at=moment(world, chance),
            channel=chance.choice(("app", "app", "app", "web")),
            purpose=chance.choice((None, "login", "login", "login", "shopping")),
            device=bound if chance.random() < 0.95 else chance.choice(world.devices),
            proven=chance.random() < 0.95 if proven is None else proven,
            evidence=None if state is None or chance.random() < 0.3 else _evidence(state, world, chance),
        ),
    )


def _evidence(state: Credential, world: World, chance: Random) -> UseEvidence:
    codes = "totp" in world.kinds.kind(state.kind).proofs
    on = chance.choice((1, 1, 1, 2, 0, 0, -1))
    chosen, linked = state.unlock_methods.chosen, [each.bank_id for each in state.links.ids]
    return UseEvidence(
        timecode=(state.last_proof.timecode or 100) + on if codes else None,
        drift_steps=state.last_proof.drift_steps + chance.choice((0, 0, 0, 1, 5)) if codes else 0,
        counter=None if codes else (state.last_proof.counter or 10) + chance.choice((1, 1, 1, 1, 1, 0)),
        unlock_method=world.pick(chance, [None, *chosen], list(UnlockMethod)),
        network=chance.choice((None, *Network)),
        linked_id=world.pick(chance, [None, *linked], ["id-1", "id-2"]),
    )


def wrong_proof(world: World, chance: Random) -> Request:
    return use(world, chance, proven=False)


def hold(world: World, chance: Random) -> Request:
    at = moment(world, chance)
    commands = (
        credential.Suspend(at=at, reason="requested"),
        credential.Resume(at=at, evidence=evidence(chance)),
        credential.Resume(at=at, evidence=evidence(chance)),
        credential.Unlock(at=at, evidence=evidence(chance)),
        credential.SignalClone(at=at, evidence="report-1"),
        credential.Resynchronize(at=at, timecode=chance.randint(100, 140), drift_steps=chance.choice((0, 2))),
        credential.RequireReset(at=at),
        credential.CompleteReset(
            at=at, evidence=evidence(chance), key_rolled=chance.random() < 0.5, attestation=attestation(chance)
        ),
        credential.RecordLock(at=at, for_good=chance.random() < 0.3),
        credential.RecordRefusal(at=at),
    )
    revoke = credential.Revoke(at=at, reason="cessation_of_operation")
    return OnCredential(
        credential=issued(world, chance), command=revoke if chance.random() < 0.12 else chance.choice(commands)
    )


def renew(world: World, chance: Random) -> Request:
    at, known = moment(world, chance), world.watch.policies
    ref = PolicyRef(policy_id=chance.choice(world.policy_ids), version=1)
    if known and chance.random() < 0.9:
        ref = chance.choice(list(known.values())).versions[-1].ref
    commands: tuple[OwnOfCredential, ...] = (
        *[credential.RequestRenewal(at=at)] * 4,
        credential.ObjectToRenewal(at=at),
        credential.SwitchPolicy(at=at, policy=ref, mode=chance.choice(list(SwitchMode))),
        credential.Settle(at=at),
        credential.ChargeFee(at=at, receipt="receipt-2"),
        credential.SendExpiryNotice(at=at, lead="P30D"),
        credential.SendRenewalNotice(at=at, planned_at=at + 30 * DAY),
        credential.ConsentToRenewal(at=at, evidence=evidence(chance)),
    )
    return OnCredential(credential=issued(world, chance), command=chance.choice(commands))


def unlock_methods(world: World, chance: Random) -> Request:
    at, method = moment(world, chance), chance.choice([UnlockMethod.PIN, UnlockMethod.PIN, *UnlockMethod])
    commands = (
        credential.SetUnlockMethod(at=at, method=method, evidence=evidence(chance)),
        credential.SetUnlockMethod(at=at, method=method),
        credential.RemoveUnlockMethod(at=at, method=method),
        credential.ReportUnlockFailure(at=at, method=method),
        credential.UnlinkService(at=at, service=Service.PERSONAL_BANKING),
    )
    return OnCredential(credential=issued(world, chance), command=chance.choice(commands))


def link(world: World, chance: Random) -> Request:
    at, held, bank_id = moment(world, chance), issued(world, chance), chance.choice(("id-1", "id-2"))
    state = world.credential(held)
    own = [state.customer, *world.companies] if state is not None else world.companies
    owner = world.pick(chance, own, world.customers)
    company = None if chance.random() < 0.6 else chance.choice(world.companies)
    return chance.choice(
        (
            LinkId(at=at, credential=held, bank_id=bank_id, owner=owner, purpose="login", unlocked_at=at - MINUTE),
            LinkId(at=at, credential=held, bank_id=bank_id, owner=owner, purpose="login", unlocked_at=at),
            UnlinkId(at=at, credential=held, bank_id=bank_id),
            LinkService(at=at, credential=held, service=chance.choice(list(Service)), company=company),
        )
    )


def erase(world: World, chance: Random) -> Request:
    return EraseCredential(
        at=moment(world, chance), credential=world.pick(chance, world.held, world.persons), basis="act 5"
    )
