"""Webhooks as an administrator sees them."""

from datetime import timedelta
from uuid import UUID

import pytest

from sealbook.adapters.webhooks import endpoints
from sealbook.adapters.webhooks.addresses import NotReachable
from sealbook.adapters.webhooks.endpoints import BadWebhook, UnknownWebhook, WebhookThere
from tests.adapters.webhooks.hooked import HOOK, Hooked

OTHER = UUID(int=9)


def test_a_webhook_is_listed_as_it_was_registered(ledger: Hooked) -> None:
    secret = ledger.register("device.", "credential.revoked", "device.")
    assert secret.startswith("whsec_")
    (hook,) = ledger.hooks.registered()
    assert hook == ledger.hooks.get(HOOK)
    assert (hook.id, hook.url, hook.events) == (HOOK, ledger.receiver.url, ("credential.revoked", "device."))
    assert (hook.created_at, hook.created_by, hook.paused) == (ledger.now, "admin", False)
    assert hook.position == ledger.store.last_position()
    assert secret not in repr(hook)


def test_no_two_webhooks_share_an_id_or_a_secret(ledger: Hooked) -> None:
    assert ledger.register() != ledger.register(hook=OTHER)
    with pytest.raises(WebhookThere):
        ledger.register()
    assert [hook.id for hook in ledger.hooks.registered()] == [OTHER, HOOK]


def test_a_beginning_beyond_the_log_is_its_end(ledger: Hooked) -> None:
    ledger.register(after=10**9)
    assert ledger.hook.position == ledger.store.last_position()


@pytest.mark.parametrize("wishes", [["credential.gone"], ["credential"], ["*"], [""], ["device."] * 101])
def test_what_no_event_is_called_is_refused(ledger: Hooked, wishes: list[str]) -> None:
    with pytest.raises(BadWebhook):
        ledger.register(*wishes)
    assert ledger.hooks.registered() == []


def test_a_webhook_without_a_wish_or_with_a_forbidden_address_is_refused(ledger: Hooked) -> None:
    with pytest.raises(BadWebhook, match="name from 1 to"):
        ledger.hooks.register(HOOK, url=ledger.receiver.url, events=[], at=ledger.now, by="admin")
    with pytest.raises(NotReachable):
        ledger.hooks.register(HOOK, url="https://inside:22/", events=["device."], at=ledger.now, by="admin")


def test_there_are_so_many_webhooks_and_no_more(ledger: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "WEBHOOKS_MAX", 1)
    ledger.register()
    with pytest.raises(BadWebhook, match="remove one first"):
        ledger.register(hook=OTHER)
    ledger.hooks.remove(HOOK)
    ledger.register(hook=OTHER)


def test_pausing_and_resuming_twice_is_once(ledger: Hooked) -> None:
    ledger.register()
    for _ in range(2):
        ledger.hooks.pause(HOOK)
        assert (ledger.hook.paused, ledger.hook.paused_because) == (True, "an administrator paused it")
    for _ in range(2):
        ledger.hooks.resume(HOOK, at=ledger.now)
        assert (ledger.hook.paused, ledger.hook.paused_because) == (False, None)


def test_a_rotation_says_until_when_the_old_secret_counts(ledger: Hooked) -> None:
    first = ledger.register()
    assert ledger.hook.old_secret_until is None
    assert ledger.hooks.rotate_secret(HOOK, at=ledger.now) != first
    assert ledger.hook.old_secret_until == ledger.now + timedelta(hours=24)


def test_a_rotation_within_the_overlap_moves_its_end_only_to_an_earlier_time(ledger: Hooked) -> None:
    ledger.register()
    ledger.hooks.rotate_secret(HOOK, at=ledger.now)
    end = ledger.hook.old_secret_until
    ledger.wait(hours=1)

    ledger.hooks.rotate_secret(HOOK, at=ledger.now)
    assert ledger.hook.old_secret_until == end
    ledger.hooks.rotate_secret(HOOK, at=ledger.now, overlap=timedelta(0))
    assert ledger.hook.old_secret_until == ledger.now


def test_nothing_can_be_done_to_a_webhook_that_is_not_there(ledger: Hooked) -> None:
    hooks, at = ledger.hooks, ledger.now
    for deed in (
        lambda: hooks.get(HOOK),
        lambda: hooks.rotate_secret(HOOK, at=at),
        lambda: hooks.pause(HOOK),
        lambda: hooks.resume(HOOK, at=at),
        lambda: hooks.remove(HOOK),
        lambda: hooks.dead_letters(HOOK),
        lambda: hooks.replay(HOOK, at=at),
        lambda: hooks.discard(HOOK),
    ):
        with pytest.raises(UnknownWebhook):
            deed()
