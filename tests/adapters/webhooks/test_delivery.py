"""What a receiver gets: all that it wished for, at least once, and in order of each credential."""

from dataclasses import replace
from datetime import timedelta

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from sealbook.adapters.webhooks import outbox
from sealbook.adapters.webhooks.retrying import Patience
from sealbook.adapters.webhooks.sending import CONNECTIONS_MAX
from sealbook.application.ports import LedgerDamaged
from tests.adapters.webhooks.hooked import ALL, HOOK, PATIENCE, Hooked
from tests.adapters.webhooks.receiving import Answering, Message, Receiver, Reply
from tests.commands import MARCH
from tests.conftest import LEDGER_ID
from tests.system.writing import PEOPLE, credential_of, device_of

ANNA, BORAM, CHUL = 0, 1, 2


def refusing(*people: int, status: int = 500, **headers: str) -> Answering:
    """Refuse what is told of these people's credentials, and nothing else."""
    refused = {str(credential_of(each)) for each in people}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda message: Reply(status, named) if message.stream in refused else Reply()


def welcoming(_: Message) -> Reply:
    return Reply()


# --- What is sent


def test_a_message_says_what_was_recorded_and_is_signed(ledger: Hooked, receiver: Receiver) -> None:
    secret = ledger.register()
    (position,) = ledger.suspend(ANNA)
    assert ledger.send().delivered == 1

    (message,) = receiver.came
    event = ledger.store.read(after=position - 1, limit=1)[0]
    assert message.verified(secret) == {
        "specversion": "1.0",
        "id": f"{credential_of(ANNA)}/{event.version}",
        "source": f"urn:uuid:{LEDGER_ID}",
        "type": "sealbook.credential.suspended.v1",
        "subject": str(credential_of(ANNA)),
        "time": "2024-03-10T09:00:00Z",
        "datacontenttype": "application/json",
        "sealbookposition": str(position),
        "data": {
            "recorded_at": event.recorded_at.isoformat().replace("+00:00", "Z"),
            "version": event.version,
            "actor": "test",
            "channel": "branch",
            "fields": {"reason": message.said["data"]["fields"]["reason"]},
        },
    }
    assert message.id == message.said["id"]
    assert message.headers["content-type"] == "application/cloudevents+json; charset=UTF-8"
    with pytest.raises(WebhookVerificationError):
        message.verified("whsec_" + "A" * 43 + "=")


def test_a_webhook_is_told_of_what_follows_its_registration_unless_asked_for_more(
    ledger: Hooked, receiver: Receiver
) -> None:
    ledger.suspend(ANNA)
    ledger.register(*ALL)
    assert ledger.send() == (0, 0, 0)

    ledger.hooks.remove(HOOK)
    ledger.register(*ALL, after=0)
    ledger.send(rounds=3)
    assert sorted(receiver.positions) == list(range(1, ledger.store.last_position() + 1))


def test_uses_are_told_only_to_who_names_them(ledger: Hooked, receiver: Receiver) -> None:
    use = ledger.script.use(credential_of(ANNA), device=device_of(ANNA))
    ledger.register("credential.")
    names = {event.event.stored.name for event in ledger.store.read(after=ledger.do(use)[0] - 1, limit=9)}
    ledger.send()
    assert {message.said["type"] for message in receiver.came} == {
        f"sealbook.{name}.v1" for name in names - {"credential.used"}
    }

    ledger.hooks.remove(HOOK)
    ledger.register("credential.used", after=0)
    ledger.send()
    assert receiver.came[-1].said["type"] == "sealbook.credential.used.v1"


def test_while_a_secret_is_rotated_both_verify_and_then_the_new_one_alone(ledger: Hooked, receiver: Receiver) -> None:
    old = ledger.register()
    new = ledger.hooks.rotate_secret(HOOK, at=ledger.now, overlap=timedelta(minutes=2))
    ledger.suspend(ANNA)
    ledger.send()
    assert receiver.came[0].verified(old) == receiver.came[0].verified(new)

    ledger.wait(minutes=2)
    ledger.suspend(BORAM)
    ledger.send()
    assert receiver.came[1].verified(new)
    with pytest.raises(WebhookVerificationError):
        receiver.came[1].verified(old)


def test_a_rotation_that_came_twice_leaves_the_secret_that_is_deployed(ledger: Hooked, receiver: Receiver) -> None:
    deployed = ledger.register()
    lost, new = (ledger.hooks.rotate_secret(HOOK, at=ledger.now, overlap=timedelta(minutes=2)) for _ in range(2))
    ledger.suspend(ANNA)
    ledger.send()
    assert receiver.came[0].verified(deployed) == receiver.came[0].verified(new)
    with pytest.raises(WebhookVerificationError):
        receiver.came[0].verified(lost)

    ledger.wait(minutes=2)
    newest = ledger.hooks.rotate_secret(HOOK, at=ledger.now)
    ledger.suspend(BORAM)
    ledger.send()
    assert receiver.came[1].verified(new) == receiver.came[1].verified(newest)
    with pytest.raises(WebhookVerificationError):
        receiver.came[1].verified(deployed)


def test_a_secret_opens_for_its_own_webhook_alone(ledger: Hooked) -> None:
    secret = ledger.register()
    connection = ledger.store.connection
    ((stored,),) = connection.execute("SELECT secret FROM sealbook.webhooks").fetchall()
    assert secret.encode() not in stored

    connection.execute("UPDATE sealbook.webhooks SET id = gen_random_uuid()")
    ledger.suspend(ANNA)
    with pytest.raises(LedgerDamaged, match="does not open") as raised:
        ledger.send()
    assert secret not in str(raised.value)


# --- Order, and what is held back


def test_a_failure_holds_back_its_own_stream_and_no_other(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    receiver.answering = refusing(ANNA)
    (first,), (other,) = ledger.suspend(ANNA), ledger.suspend(BORAM)
    ledger.send()
    (held,), (another,) = ledger.resume(ANNA), ledger.resume(BORAM)
    ledger.send()
    assert sorted(receiver.positions[:2]) == [first, other]
    assert receiver.positions[2:] == [another]
    assert (ledger.hook.outstanding, ledger.hook.position) == (2, another)

    receiver.came.clear()
    receiver.answering = welcoming
    ledger.send()
    assert receiver.came == []
    ledger.wait(seconds=10)
    assert ledger.send().delivered == 2
    assert receiver.positions == [first, held]
    assert (ledger.hook.outstanding, ledger.hook.position) == (0, another)


def test_events_of_one_stream_in_one_round_keep_their_order(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    done = [ledger.suspend(ANNA), ledger.suspend(BORAM), ledger.resume(ANNA), ledger.suspend(ANNA), ledger.resume(ANNA)]
    receiver.answering = refusing(BORAM)
    ledger.send()
    assert [each for each in receiver.positions if each not in done[1]] == [*done[0], *done[2], *done[3], *done[4]]


def test_a_repetition_has_the_id_of_the_first(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    receiver.answering = refusing(ANNA)
    ledger.suspend(ANNA)
    ledger.send()
    ledger.wait(seconds=10)
    ledger.send()
    first, second = receiver.came
    assert (first.id, first.body) == (second.id, second.body)


def test_beyond_a_bound_of_what_is_outstanding_nothing_more_is_read(
    ledger: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "OUTSTANDING_MAX", 3)
    ledger.register()
    receiver.answering = refusing(*range(12))
    positions = ledger.suspend(*range(6))
    ledger.send(rounds=3)
    assert (ledger.hook.outstanding, ledger.hook.position) == (3, positions[2])

    receiver.answering = welcoming
    ledger.wait(seconds=10)
    ledger.send(rounds=3)
    assert (ledger.hook.outstanding, ledger.hook.position) == (0, positions[-1])
    assert set(receiver.positions) == set(positions)


def test_a_long_log_is_told_in_rounds(ledger: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "EVENTS_A_READ", 5)
    monkeypatch.setattr(outbox, "LETTERS_A_ROUND", 2)
    ledger.register()
    positions = [*ledger.suspend(*range(9)), *ledger.resume(*range(9))]
    ledger.send(rounds=2)
    assert sorted(receiver.positions) == positions[:4]
    ledger.send(rounds=20)
    assert sorted(receiver.positions) == positions


def test_an_event_that_left_the_log_is_waited_for_no_longer(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    receiver.answering = refusing(ANNA)
    ledger.suspend(ANNA)
    ledger.send()
    with ledger.store.connection.transaction():
        ledger.store.connection.execute("RESET ROLE")
        ledger.store.connection.execute("SET LOCAL session_replication_role = replica")
        ledger.store.connection.execute("DELETE FROM sealbook.events WHERE stream = %s", [credential_of(ANNA)])
    ledger.wait(seconds=10)
    assert ledger.send() == (0, 0, 0)
    assert ledger.hook.outstanding == 0


# --- Retries, and the end of patience


def test_waits_double_up_to_the_longest_and_are_spread_over_their_second_half() -> None:
    patience = Patience(first_wait_seconds=10, longest_wait_seconds=60, asked_wait_max_seconds=300)

    def wait(attempts: int, chance: float = 1.0, asked_seconds: float = 0.0) -> float:
        next_at = patience.next_at(MARCH, attempts=attempts, asked_seconds=asked_seconds, chance=chance)
        return (next_at - MARCH).total_seconds()

    assert [wait(attempts) for attempts in (1, 2, 3, 4, 5, 5_000)] == [10, 20, 40, 60, 60, 60]
    assert [wait(2, chance=chance) for chance in (0.0, 0.5, 1.0)] == [10, 15, 20]
    assert [wait(1, asked_seconds=asked) for asked in (5, 200, 10_000)] == [10, 200, 300]


@pytest.mark.parametrize("given", ["seconds", "date", "nonsense", "long ago"])
def test_a_receiver_may_ask_for_time(ledger: Hooked, receiver: Receiver, given: str) -> None:
    later = ledger.now.replace(microsecond=0) + timedelta(seconds=60)
    asked = {
        "seconds": "60",
        "date": later.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "nonsense": "a while, \u00b2",
        "long ago": "Sun, 06 Nov 1994 08:49:37 GMT",
    }[given]
    ledger.register()
    receiver.answering = refusing(ANNA, status=503, Retry_After=asked)
    ledger.suspend(ANNA)
    ledger.send()
    ledger.wait(seconds=30)
    ledger.send()
    assert len(receiver.came) == (1 if given in ("seconds", "date") else 2)
    ledger.wait(seconds=31)
    ledger.send()
    assert len(receiver.came) == (2 if given in ("seconds", "date") else 3)


def test_after_enough_attempts_a_delivery_is_given_up_and_its_stream_goes_on(
    ledger: Hooked, receiver: Receiver
) -> None:
    ledger.register()
    receiver.answering = refusing(ANNA)
    (first,), (second,) = ledger.suspend(ANNA), ledger.resume(ANNA)
    for attempt in range(PATIENCE.attempts_max):
        assert ledger.hook.dead_letters == 0, attempt
        ledger.send()
        ledger.wait(seconds=80)
    (dead,) = ledger.hooks.dead_letters(HOOK)
    assert (dead.position, dead.stream, dead.event) == (first, credential_of(ANNA), "credential.suspended")
    assert (dead.attempts, dead.why) == (4, "the receiver answered 500")
    assert receiver.positions == [first] * 4 + [second]


def test_after_enough_hours_a_delivery_is_given_up(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    receiver.answering = refusing(ANNA)
    ledger.suspend(ANNA)
    ledger.send()
    ledger.wait(minutes=59)
    assert ledger.send().dead == 0
    ledger.wait(minutes=1)
    assert ledger.send() == (0, 1, 1)


def dead_lettered(ledger: Hooked, receiver: Receiver) -> list[int]:
    """Two dead letters of one credential, one of another."""
    ledger.patience = replace(PATIENCE, attempts_max=1)
    ledger.register()
    receiver.answering = refusing(ANNA, BORAM)
    positions = [*ledger.suspend(ANNA), *ledger.resume(ANNA), *ledger.suspend(BORAM)]
    ledger.send()
    assert [letter.position for letter in ledger.hooks.dead_letters(HOOK)] == positions
    receiver.came.clear()
    return positions


def test_dead_letters_are_replayed_one_or_all_in_order(ledger: Hooked, receiver: Receiver) -> None:
    first, second, third = dead_lettered(ledger, receiver)
    receiver.answering = welcoming
    assert ledger.hooks.replay(HOOK, at=ledger.now, position=second) == 1
    assert ledger.hooks.replay(HOOK, at=ledger.now, position=second) == 0
    ledger.send()
    assert receiver.positions == [second]

    ledger.hooks.replay(HOOK, at=ledger.now)
    ledger.send()
    assert sorted(receiver.positions[1:]) == [first, third]
    assert (ledger.hook.outstanding, ledger.hook.dead_letters) == (0, 0)


def test_what_is_new_waits_behind_a_replay_that_fails(ledger: Hooked, receiver: Receiver) -> None:
    first, second, _ = dead_lettered(ledger, receiver)
    ledger.patience = PATIENCE
    ledger.hooks.replay(HOOK, at=ledger.now)
    ledger.send()
    (new,) = ledger.suspend(ANNA)
    receiver.answering = welcoming
    ledger.send()
    ledger.wait(seconds=10)
    ledger.send()
    assert [each for each in receiver.positions if each in (first, second, new)] == [first, first, second, new]


def test_dead_letters_are_discarded_one_or_all(ledger: Hooked, receiver: Receiver) -> None:
    first, *others = dead_lettered(ledger, receiver)
    assert ledger.hooks.discard(HOOK, position=first) == 1
    assert [letter.position for letter in ledger.hooks.dead_letters(HOOK)] == others
    assert [letter.position for letter in ledger.hooks.dead_letters(HOOK, after=others[0], limit=1)] == others[1:]
    assert ledger.hooks.discard(HOOK) == 2
    assert ledger.send() == (0, 0, 0)


# --- Paused, resumed, removed


def test_a_receiver_that_is_gone_is_paused_and_nothing_is_lost(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    receiver.answering = refusing(ANNA, status=410)
    done = [*ledger.suspend(ANNA), *ledger.resume(ANNA)]
    ledger.send(rounds=2)
    assert (len(receiver.came), ledger.hook.paused) == (1, True)
    assert "410" in (ledger.hook.paused_because or "")

    done += ledger.suspend(BORAM)
    receiver.answering = welcoming
    receiver.came.clear()
    ledger.hooks.resume(HOOK, at=ledger.now)
    ledger.send()
    assert sorted(receiver.positions) == done


def test_a_receiver_that_is_gone_is_told_nothing_more_of_anybody(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    receiver.answering = refusing(*range(PEOPLE), status=410)
    ledger.suspend(*range(PEOPLE))
    ledger.send()
    # Those on their way at once had left already.
    assert len(receiver.came) <= CONNECTIONS_MAX < PEOPLE
    assert ledger.hook.outstanding == PEOPLE


def test_who_was_paused_for_long_is_given_its_time_anew(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    receiver.answering = refusing(ANNA)
    ledger.suspend(ANNA)
    ledger.send()
    ledger.hooks.pause(HOOK)
    ledger.wait(hours=9)
    assert ledger.send() == (0, 0, 0)

    ledger.hooks.resume(HOOK, at=ledger.now)
    assert ledger.send() == (0, 1, 0)


def test_who_was_removed_while_it_was_told_stays_removed(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()

    def removing(_: Message) -> Reply:
        ledger.hooks.remove(HOOK)
        return Reply(500)

    receiver.answering = removing
    ledger.suspend(ANNA)
    ledger.send(rounds=2)
    assert ledger.hooks.registered() == []
    assert ledger.store.connection.execute("SELECT count(*) FROM sealbook.webhook_deliveries").fetchone() == (0,)


def test_how_old_is_what_is_waited_for(ledger: Hooked, receiver: Receiver) -> None:
    ledger.register()
    assert ledger.hooks.age_seconds() == 0
    receiver.answering = refusing(ANNA)
    ledger.suspend(ANNA)
    assert ledger.hooks.age_seconds() > 0
    ledger.send()
    ledger.suspend(BORAM)
    ledger.send()
    age_seconds = ledger.hooks.age_seconds()
    assert age_seconds > 0
    ledger.hooks.pause(HOOK)
    assert ledger.hooks.age_seconds() == 0
