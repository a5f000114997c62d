"""The service for tests is the real one: what it is asked for is in the ledger."""

from uuid import UUID

from tests.adapters.http.served import Holding, Served


def test_what_is_asked_for_is_in_the_ledger(running: Served, alice: Holding) -> None:
    answer = running.post(f"/v1/credentials/{alice.credential}/suspend", {"reason": "lost sight of"}, by=alice.app)

    assert answer.status_code == 200, answer.text
    assert running.store.stream(UUID(alice.credential))[-1].event.stored.name == "credential.suspended"


def test_a_repetition_is_told_the_first_answer(running: Served, alice: Holding) -> None:
    key = UUID("a3d0b9f6-3f4b-4b0e-9c55-5b1c1d0f6f10")
    first, again = (
        running.post(f"/v1/credentials/{alice.credential}/suspend", {"reason": "r"}, by=alice.app, key=key)
        for _ in range(2)
    )

    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
