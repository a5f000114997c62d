"""Snapshots of a real ledger: what stands in them, what goes on from an older one, and what is refused."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.replay import snapshot_events
from sealbook.adapters.replay.contract import Behavior, FactKind, Mode, Question
from sealbook.adapters.replay.from_ledger import write_from_ledger
from sealbook.adapters.replay.moments import seconds_of
from sealbook.adapters.replay.reference import ReferenceEngine
from sealbook.adapters.replay.snapshot import BadSnapshot, Snapshot, opened
from sealbook.application.adopting import AdoptAttempt, AdoptFact, AdoptIssued
from sealbook.application.commands import Command, Request
from sealbook.application.ledger import execute
from sealbook.application.names import Name, NameKind
from sealbook.application.requests import OnCredential, OnPolicy
from sealbook.domain import credential, policy
from sealbook.domain.credential import Fact
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.presets import preset_policies
from sealbook.domain.values import Kind, PolicyRef, RevocationReason, SwitchMode
from tests.adapters.replay.snapshots import Chain
from tests.adapters.replay.test_snapshot import with_column
from tests.commands import Script

BEGIN = datetime(2018, 3, 1, 9, tzinfo=UTC)
AS_OF = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = timedelta(days=366)
KIND = Kind.KB_MOBILE_CERTIFICATE
TWO_YEARS, OTHER = preset_policies()["D"], preset_policies()["X"]


class Bank:
    """A ledger that is told of histories. What it is told is on record when this returns."""

    def __init__(self, store: PostgresEventStore, *, seed: int = 0) -> None:
        self.store, self.script = store, Script(seed=seed)

    def told(self, *requests: Request, actor: str = "test", channel: str = "branch") -> None:
        commands = [
            Command(request=each, command_id=self.script.new_id(), actor=actor, channel=channel) for each in requests
        ]
        for outcome in execute(self.store, commands):
            # What is refused is on record all the same, or it was told wrongly.
            assert outcome.accepted or "recorded" in outcome.message, outcome

    def policies(self) -> None:
        for document in (TWO_YEARS, OTHER):
            adopt = policy.Adopt(at=BEGIN - YEAR, document=document)
            self.told(OnPolicy(policy_id=document.policy_id, stream=self.script.new_id(), command=adopt))

    def issued(self, name: str, at: datetime, *, customer: str | None = None, under: RenewalPolicy = TWO_YEARS) -> UUID:
        stream = self.script.new_id()
        self.told(
            AdoptIssued(
                at=at,
                credential=stream,
                name=Name(NameKind.CREDENTIAL, name),
                customer=Name(NameKind.CUSTOMER, customer or name),
                customer_stream=self.script.new_id(),
                kind=KIND,
                policy=under.ref,
                provenance="test",
            )
        )
        return stream

    def facts(self, stream: UUID, *facts: Fact) -> None:
        for fact in facts:
            self.told(AdoptFact(credential=stream, fact=fact))

    def attempts(self, customer: str, *moments: datetime) -> None:
        for at in moments:
            self.told(
                AdoptAttempt(
                    at=at,
                    customer=Name(NameKind.CUSTOMER, customer),
                    customer_stream=self.script.new_id(),
                    stream=self.script.new_id(),
                    kind=KIND,
                    policy=TWO_YEARS.ref,
                    provenance="test",
                    reissue=True,
                )
            )


@pytest.fixture
def bank(postgres_store: PostgresEventStore) -> Bank:
    bank = Bank(postgres_store)
    bank.policies()
    return bank


def used(at: datetime, *, channel: str = "app", purpose: str | None = None) -> credential.Use:
    return credential.Use(at=at, channel=channel, purpose=purpose)


def snapshot_of(bank: Bank, folder: Path, name: str = "new", **how: object) -> Snapshot:
    return write_from_ledger(folder / f"{name}.parquet", bank.store, **{"as_of": AS_OF, **how})  # type: ignore[arg-type]


def test_uses_renewals_and_refusals_by_the_policy_are_in_their_columns(bank: Bank, tmp_path: Path) -> None:
    stream = bank.issued("C", BEGIN)
    renewing = BEGIN + YEAR + 9 * DAY
    lapsed = renewing + 3 * YEAR
    bank.facts(stream, used(BEGIN + DAY), used(renewing), used(lapsed), credential.RecordRefusal(at=lapsed + DAY))
    chain = Chain(snapshot_of(bank, tmp_path), str(stream))
    assert chain.issued_at == seconds_of(BEGIN)
    assert chain.accepted == [seconds_of(BEGIN + DAY), seconds_of(renewing)]
    assert chain.refused == [seconds_of(lapsed)]
    assert chain.renewals == [seconds_of(renewing)]
    assert len(chain.lapses) == 1
    assert chain.policy.digest == TWO_YEARS.digest
    assert chain.facts == []


def test_a_refusal_of_the_use_itself_is_no_attempt(bank: Bank, tmp_path: Path) -> None:
    stream = bank.issued("C", BEGIN)
    other_device = credential.Use(at=BEGIN + DAY, device=UUID(int=9))
    bank.told(OnCredential(credential=stream, command=other_device))
    chain = Chain(snapshot_of(bank, tmp_path), str(stream))
    assert (chain.accepted, chain.refused) == ([], [])


def test_facts_stand_before_and_after_attempts_of_their_own_second(bank: Bank, tmp_path: Path) -> None:
    stream = bank.issued("C", BEGIN)
    at = BEGIN + DAY
    bank.facts(stream, used(at), credential.Suspend(at=at), used(at), credential.Resume(at=at), used(at))
    chain = Chain(snapshot_of(bank, tmp_path), str(stream))
    second = seconds_of(at)
    assert (chain.accepted, chain.refused) == ([second, second], [second])
    assert chain.facts == [(FactKind.SUSPENDED, second, 1), (FactKind.RESUMED, second, 2)]


def test_all_kinds_of_facts(bank: Bank, tmp_path: Path) -> None:
    stream = bank.issued("C", BEGIN)
    switch = credential.SwitchPolicy(at=BEGIN + 3 * DAY, policy=OTHER.ref, mode=SwitchMode.RECOMPUTE)
    bank.facts(
        stream,
        credential.RequestRenewal(at=BEGIN + DAY),
        credential.ObjectToRenewal(at=BEGIN + 2 * DAY),
        switch,
        credential.Revoke(at=BEGIN + 4 * DAY),
    )
    snapshot = snapshot_of(bank, tmp_path)
    chain = Chain(snapshot, str(stream))
    assert [kind for kind, _, _ in chain.facts] == [
        FactKind.REQUESTED,
        FactKind.OBJECTED,
        FactKind.SWITCHED,
        FactKind.REVOKED,
    ]
    assert snapshot.policies[chain.details[2] // 4].ref == OTHER.ref
    assert chain.details[2] % 4 == 2


def test_a_switch_that_the_policy_made_is_told_only_of_what_was(bank: Bank, tmp_path: Path) -> None:
    stream = bank.issued("C", BEGIN)
    after = BEGIN + 30 * DAY
    changed = {"version": 2, "announced_at": BEGIN - 20 * DAY, "effective_from": after, "applies_to": "keep"}
    next_version = RenewalPolicy.model_validate(TWO_YEARS.model_dump() | changed)
    announce = policy.Announce(at=BEGIN - 20 * DAY, document=next_version)
    bank.told(OnPolicy(policy_id=TWO_YEARS.policy_id, stream=bank.script.new_id(), command=announce))
    bank.facts(stream, used(after + DAY), credential.Suspend(at=after + 2 * DAY))
    snapshot = snapshot_of(bank, tmp_path)
    asked, was = Chain(snapshot, str(stream)), Chain(snapshot, str(stream), in_fact=True)
    assert asked.facts == [(FactKind.SUSPENDED, seconds_of(after + 2 * DAY), 1)]
    assert [kind for kind, _, _ in was.facts] == [FactKind.SWITCHED, FactKind.SUSPENDED]
    assert snapshot.policies[was.details[0] // 4].ref == PolicyRef(TWO_YEARS.policy_id, 2)


def test_a_reissue_after_a_lapse_is_told_from_any_other(bank: Bank, tmp_path: Path) -> None:
    blocked = BEGIN + 4 * YEAR
    bank.attempts("lapsed", BEGIN, BEGIN + DAY, blocked, blocked + DAY)
    snapshot = snapshot_of(bank, tmp_path)
    (name,) = snapshot.names(0)
    chain = Chain(snapshot, name)
    second = seconds_of(blocked)
    assert chain.refused == [second]
    # The use that follows the reissue is a second later: at one second, the accepted would be before the refused.
    assert chain.accepted[-2:] == [second + 1, seconds_of(blocked + DAY)]
    assert chain.facts == [(FactKind.REISSUED_AFTER_LAPSE, second, 3)]
    assert snapshot.chains == 1


def test_what_is_superseded_has_no_part_in_the_chain_any_more(bank: Bank, tmp_path: Path) -> None:
    """By the ordinary way: the old one is revoked when the new one is issued."""
    script = bank.script
    customer, device = script.new_id(), script.new_id()
    old, new = script.new_id(), script.new_id()
    commands = [
        script.enroll(customer),
        script.register(device),
        script.issue(old, customer=customer, device=device),
        script.use(old, device=device),
        script.issue(new, customer=customer, device=device, replaces=old, at=BEGIN + 7 * YEAR),
        script.use(old, device=device, at=BEGIN + 7 * YEAR + DAY),
        script.use(new, device=device, at=BEGIN + 7 * YEAR + 2 * DAY),
    ]
    outcomes = execute(bank.store, commands)
    assert [each.refusal for each in outcomes if not each.accepted] == [outcomes[5].refusal]
    snapshot = snapshot_of(bank, tmp_path, as_of=BEGIN + 9 * YEAR)
    chain = Chain(snapshot, str(old))
    assert snapshot.chains == 1
    assert [kind for kind, _, _ in chain.facts] == [FactKind.REISSUED]
    assert (len(chain.accepted), chain.refused) == (2, [])
    assert not chain.truncated


def test_a_reissue_that_is_recorded_late_ends_what_is_known_already(bank: Bank, tmp_path: Path) -> None:
    script = bank.script
    old, new, device = bank.issued("C", BEGIN), script.new_id(), script.new_id()
    bank.facts(old, used(BEGIN + DAY), used(BEGIN + 20 * DAY), credential.Suspend(at=BEGIN + 21 * DAY))
    older = snapshot_of(bank, tmp_path, "older")
    execute(bank.store, [script.register(device, at=BEGIN)])
    holder = Name(NameKind.CUSTOMER, "C")
    reissue = script.issue(new, customer=holder, device=device, replaces=old, at=BEGIN + 10 * DAY)
    assert [each.accepted for each in execute(bank.store, [reissue])] == [True]
    anew, gone_on = snapshot_of(bank, tmp_path), snapshot_of(bank, tmp_path, "on", older=older)
    chain = Chain(gone_on, str(old))
    assert chain.accepted == [seconds_of(BEGIN + DAY)]
    assert chain.facts == [(FactKind.REISSUED, seconds_of(BEGIN + 10 * DAY), 1)]
    assert gone_on.digest == anew.digest


def test_a_lapse_that_a_use_in_the_grace_mended_is_none_of_the_reissue(bank: Bank, tmp_path: Path) -> None:
    script = bank.script
    lenient = RenewalPolicy.model_validate(TWO_YEARS.model_dump() | {"policy_id": "lenient", "grace": "P90D"})
    adopt = policy.Adopt(at=BEGIN - YEAR, document=lenient)
    bank.told(OnPolicy(policy_id="lenient", stream=script.new_id(), command=adopt))
    old, new, device = bank.issued("C", BEGIN, under=lenient), script.new_id(), script.new_id()
    bank.facts(old, used(BEGIN + 2 * YEAR))
    reissue = script.issue(
        new, customer=Name(NameKind.CUSTOMER, "C"), device=device, replaces=old, at=BEGIN + 2 * YEAR + DAY
    )
    assert all(each.accepted for each in execute(bank.store, [script.register(device, at=BEGIN), reissue]))
    chain = Chain(snapshot_of(bank, tmp_path), str(old))
    assert (len(chain.lapses), len(chain.renewals)) == (1, 1)
    assert [kind for kind, _, _ in chain.facts] == [FactKind.REISSUED]


def bank_with_lives(store: PostgresEventStore) -> list[int]:
    """Tell a bank of lives in several parts; return the position after each."""
    bank, ends = Bank(store, seed=7), list[int]()
    bank.policies()
    ends.append(store.last_position())
    streams = [bank.issued(f"S{n}", BEGIN + n * DAY, customer=f"P{n // 2}") for n in range(6)]
    for n, stream in enumerate(streams):
        bank.facts(stream, used(BEGIN + (10 + n) * DAY), credential.Suspend(at=BEGIN + (12 + n) * DAY))
    bank.attempts("A", BEGIN, BEGIN + DAY, BEGIN + 4 * YEAR)
    bank.attempts("B", BEGIN, BEGIN + DAY)
    ends.append(store.last_position())
    for stream in streams[::2]:
        # Back in time, and at the second of what is known already.
        bank.facts(stream, used(BEGIN + 12 * DAY, channel="web", purpose="login"), used(BEGIN + 5 * DAY))
        bank.facts(stream, credential.Resume(at=BEGIN + 40 * DAY), used(BEGIN + 2 * YEAR))
    bank.attempts("B", BEGIN + 4 * YEAR, BEGIN + 4 * YEAR + DAY)
    bank.attempts("C", BEGIN + YEAR)
    ends.append(store.last_position())
    bank.facts(streams[0], credential.Revoke(at=BEGIN + 5 * YEAR, reason=RevocationReason.KEY_COMPROMISE))
    bank.attempts("A", BEGIN + 8 * YEAR)
    return [*ends, store.last_position()]


@pytest.mark.parametrize("a_share", [snapshot_events.EVENTS_A_SHARE, 5])
def test_going_on_from_an_older_snapshot_comes_to_the_same(
    postgres_store: PostgresEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, a_share: int
) -> None:
    ends = bank_with_lives(postgres_store)
    anew = write_from_ledger(tmp_path / "anew", postgres_store, as_of=BEGIN + 9 * YEAR)
    monkeypatch.setattr(snapshot_events, "EVENTS_A_SHARE", a_share)
    older: Snapshot | None = None
    for number, end in enumerate(ends):
        older = write_from_ledger(
            tmp_path / f"{number}", postgres_store, as_of=BEGIN + 9 * YEAR, position=end, older=older
        )
        again = write_from_ledger(tmp_path / "again", postgres_store, as_of=BEGIN + 9 * YEAR, position=end)
        assert older.digest == again.digest
    assert older is not None
    assert older.said == anew.said
    assert older.chains == 9


def test_every_cut_of_the_log_can_be_gone_on_from(postgres_store: PostgresEventStore, tmp_path: Path) -> None:
    """Also one within what was appended together."""
    bank_with_lives(postgres_store)
    as_of = BEGIN + 9 * YEAR
    anew = write_from_ledger(tmp_path / "anew", postgres_store, as_of=as_of)
    assert anew.position is not None
    for position in range(1, anew.position, 3):
        older = write_from_ledger(tmp_path / "older", postgres_store, as_of=as_of, position=position)
        gone_on = write_from_ledger(tmp_path / "on", postgres_store, as_of=as_of, older=older)
        assert gone_on.digest == anew.digest, position


def test_short_ranges_come_to_the_same(
    postgres_store: PostgresEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank_with_lives(postgres_store)
    anew = write_from_ledger(tmp_path / "anew", postgres_store, as_of=AS_OF)
    told = list[int]()
    monkeypatch.setattr("sealbook.adapters.replay.from_ledger.POSITIONS_A_READ", 7)
    short = write_from_ledger(tmp_path / "short", postgres_store, as_of=AS_OF, advanced=told.append)
    assert short.digest == anew.digest
    assert told[-1] == postgres_store.last_position()


def test_what_lies_after_the_moment_is_left_out(bank: Bank, tmp_path: Path) -> None:
    stream = bank.issued("C", BEGIN)
    bank.issued("later", BEGIN + 10 * DAY)
    bank.facts(stream, used(BEGIN + DAY), used(BEGIN + 5 * DAY))
    snapshot = snapshot_of(bank, tmp_path, as_of=BEGIN + DAY)
    assert (snapshot.chains, snapshot.attempts) == (1, 1)
    left_out = "cannot be gone on with, for it left out 2 events after 2018-03-02T18:00:00+09:00"
    with pytest.raises(BadSnapshot, match=re.escape(left_out)):
        snapshot_of(bank, tmp_path, "next", older=snapshot)


def test_a_spoilt_snapshot_is_not_gone_on_with(bank: Bank, tmp_path: Path) -> None:
    bank.issued("C", BEGIN)
    older = snapshot_of(bank, tmp_path)
    spoilt = with_column(older.path, "issued_at", of="channel")
    with pytest.raises(BadSnapshot, match="a damaged snapshot: partition 0 is not what its digest is of"):
        snapshot_of(bank, tmp_path, "next", older=spoilt)
    assert not (tmp_path / "next.parquet").exists()


def test_what_an_older_snapshot_has_to_be(bank: Bank, tmp_path: Path, postgres_store: PostgresEventStore) -> None:
    older = snapshot_of(bank, tmp_path)
    for how, why in (
        (
            {"as_of": AS_OF - DAY, "older": older},
            "cannot be gone on with, for it is as of 2024-01-01T09:00:00.09:00, late",
        ),
        ({"position": 1, "older": older}, "beyond 1"),
        ({"position": 10_000}, "ends at position"),
        ({"as_of": datetime(2090, 1, 1, tzinfo=UTC)}, "outside the years"),
    ):
        with pytest.raises(BadSnapshot, match=why):
            snapshot_of(bank, tmp_path, "next", **how)
    postgres_store.connection.execute("RESET ROLE")
    postgres_store.connection.execute("UPDATE sealbook.ledger SET id = gen_random_uuid()")
    with pytest.raises(BadSnapshot, match="not of ledger"):
        snapshot_of(bank, tmp_path, "next", older=older)
    assert not (tmp_path / "next.parquet").exists()


def test_an_empty_ledger_has_an_empty_snapshot(postgres_store: PostgresEventStore, tmp_path: Path) -> None:
    snapshot = write_from_ledger(tmp_path / "empty", postgres_store, as_of=AS_OF)
    assert (snapshot.chains, snapshot.partitions) == (0, 0)
    assert opened(tmp_path / "empty").digest == snapshot.digest


def test_who_was_issued_long_before_the_first_use_is_known_is_marked(bank: Bank, tmp_path: Path) -> None:
    early, late = bank.issued("early", BEGIN), bank.issued("late", BEGIN + 10 * DAY)
    bank.facts(early, used(BEGIN + 10 * DAY))
    snapshot = snapshot_of(bank, tmp_path)
    assert Chain(snapshot, str(early)).truncated
    assert not Chain(snapshot, str(late)).truncated
    assert snapshot.truncated == 1


def test_the_policy_in_force_replayed_comes_to_what_was_recorded(
    postgres_store: PostgresEventStore, tmp_path: Path
) -> None:
    bank_with_lives(postgres_store)
    snapshot = write_from_ledger(tmp_path / "s", postgres_store, as_of=BEGIN + 8 * YEAR)
    part, recorded = snapshot.read(0, attempts=True, days=False, in_fact=True), snapshot.recorded(0)
    question = Question(
        policies=snapshot.policies,
        until=seconds_of(BEGIN + 8 * YEAR),
        exposed_after_days=90,
        behavior=Behavior(mode=Mode.LEAVE),
        first_month=216,
        months=120,
    )
    (outcomes,) = ReferenceEngine(classes=snapshot.use_classes).replay(part, [TWO_YEARS], question)
    renewals = np.diff(recorded.renewals.begin)
    assert outcomes.renewals.tolist() == renewals.tolist()
    assert renewals.sum() == 2
    # What time alone has decided may not be on record yet.
    assert (outcomes.lapses >= np.diff(recorded.lapses.begin)).all()
    # Twice the one who came back after years each time, the one who did so once, and one who came too late by days.
    assert outcomes.lockouts.sum() == 4
