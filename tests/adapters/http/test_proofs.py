"""Proofs over HTTP are those of the command line: the independent verifier finds them good."""

from pathlib import Path
from uuid import UUID

import pytest

from sealbook.adapters.seal.desk import SealDesk
from sealbook.domain.customer import RecordViewed
from sealbook_verify.bundle import verify_bundle
from sealbook_verify.entry import verify_entry
from sealbook_verify.growth import verify_growth
from sealbook_verify.policy import Policy, read_policy
from tests.adapters.http.served import ADMINISTRATOR, ANALYST, AUDITOR, TELLER, Holding, Served
from tests.adapters.seal.sealing import desk_of, mapped, sealed

GONE = UUID(int=7)


@pytest.fixture
def desk(running: Served, alice: Holding, tmp_path: Path) -> SealDesk:
    """The sealer of the ledger that is served; nothing is sealed yet."""
    assert alice.credential
    return desk_of(running.store, tmp_path / "seal")


@pytest.fixture
def policy(running: Served, desk: SealDesk) -> Policy:
    """What the service itself says that a verifier is given, once all is sealed."""
    mapped(desk)
    return read_policy(running.get("/v1/checkpoints/log", by=ANALYST).json()["policy"].encode())


# --- Histories


@pytest.mark.parametrize("thing", ["credential", "customer"])
def test_the_verifier_finds_a_bundle_good(running: Served, alice: Holding, policy: Policy, thing: str) -> None:
    stream = UUID({"credential": alice.credential, "customer": alice.customer}[thing])
    known = len(running.store.stream(stream))

    answer = running.get(f"/v1/{thing}s/{stream}/bundle", by=AUDITOR, access_reason="audit 7")

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{stream}.proof"'
    assert f"{known} events" in verify_bundle(answer.content, policy, stream=stream).says
    looks = running.store.stream(UUID(alice.customer))
    assert isinstance(looks[-1].event, RecordViewed)
    assert looks[-1].event.what == f"{thing} bundle"


def test_what_the_ledger_learned_later_stays_closed(running: Served, alice: Holding, policy: Policy) -> None:
    answer = running.get(
        f"/v1/credentials/{alice.credential}/bundle?known_at=2020-01-01T00:00:00Z", by=AUDITOR, access_reason="r"
    )

    assert verify_bundle(answer.content, policy).facts
    opened = running.get(f"/v1/credentials/{alice.credential}/bundle", by=AUDITOR, access_reason="r")
    assert len(answer.content) < len(opened.content)


def test_an_event_is_proven_to_be_in_the_log(running: Served, alice: Holding, policy: Policy) -> None:
    for position in range(1, running.store.last_position()):
        answer = running.get(f"/v1/events/{position}/proof", by=AUDITOR, access_reason="audit 8")
        assert verify_entry(answer.text, policy).facts

    looks = [each.event for each in running.store.stream(UUID(alice.customer))]
    assert isinstance(looks[-1], RecordViewed)
    assert looks[-1].what == "event proof"


def test_a_bundle_is_given_under_the_checkpoint_that_a_witness_signed(
    running: Served, alice: Holding, desk: SealDesk, policy: Policy
) -> None:
    note = desk.folder.checkpoint()
    assert note is not None
    desk.folder.put_witnessed(note)
    running.done(f"/v1/credentials/{alice.credential}/suspend", {"reason": "r"}, by=alice.app)
    sealed(desk)

    answer = running.get(f"/v1/credentials/{alice.credential}/bundle?witnessed=true", by=AUDITOR, access_reason="r")

    assert verify_bundle(answer.content, policy).facts
    assert running.get("/v1/checkpoints/witnessed", by=AUDITOR).text == str(note)
    assert str(note).encode() in answer.content


# --- The log


def test_growth_is_proven_from_an_older_checkpoint(running: Served, desk: SealDesk, policy: Policy) -> None:
    old = running.get("/v1/checkpoints/latest", by=ADMINISTRATOR).text
    for name in ("carol", "dave"):
        person = {"name": name, "subkind": "individual", "identity": f"identity of {name}"}
        running.done("/v1/customers", person, by=TELLER)
    sealed(desk)
    size = int(old.splitlines()[1])

    new = running.get("/v1/checkpoints/latest", by=AUDITOR)
    growth = running.get(f"/v1/checkpoints/growth?from={size}", by=AUDITOR)

    assert new.headers["content-type"] == "text/plain; charset=utf-8"
    assert int(new.text.splitlines()[1]) > size
    assert verify_growth(old, new.text, growth.text, policy).facts


@pytest.mark.usefixtures("policy")
def test_tiles_are_served_as_they_are_and_may_be_kept(running: Served, desk: SealDesk) -> None:
    size = desk.sealed_to()

    answer = running.get(f"/v1/tiles/0/000.p/{size}", by=ANALYST)

    assert answer.content == (desk.folder.path / f"tile/0/000.p/{size}").read_bytes()
    assert len(answer.content) == 32 * size
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize(
    "path",
    [
        *("../checkpoint", "0/../../policy", "0/%2e%2e/%2e%2e/checkpoint", "..%2f..%2fseal-keys", "0/000.p/256"),
        *("0/000.p/0", "64/000", "0/0", "0/000%00", "/etc/passwd", "0", "0/x000/000/"),
    ],
)
def test_no_path_leads_out_of_the_tiles(running: Served, path: str) -> None:
    answer = running.get(f"/v1/tiles/{path}", by=ANALYST)

    assert answer.json()["code"] in ("invalid_request", "address_not_found")


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize("path", ["0/001", "0/000", "7/x001/234/567"])
def test_a_tile_that_is_not_there_is_not_sealed(running: Served, path: str) -> None:
    answer = running.get(f"/v1/tiles/{path}", by=ANALYST)

    assert answer.json()["code"] in ("not_sealed", "invalid_request")
    assert answer.status_code in (404, 422)


# --- What is not there


@pytest.mark.usefixtures("desk")
def test_before_anything_is_sealed_that_is_what_is_said(running: Served, alice: Holding) -> None:
    for path in (
        *("checkpoints/latest", "checkpoints/witnessed", "checkpoints/log", "checkpoints/growth?from=1", "tiles/0/000"),
        *(f"credentials/{alice.credential}/bundle", f"customers/{alice.customer}/bundle", "events/1/proof"),
    ):
        answer = running.get(f"/v1/{path}", by=AUDITOR, access_reason="r")
        assert (path, answer.status_code, answer.json()["code"]) == (path, 404, "not_sealed")


@pytest.mark.usefixtures("policy")
def test_what_the_seal_does_not_reach_is_said_to_be_so(running: Served, alice: Holding) -> None:
    newer = running.store.last_position() + 1
    for path in (
        *("checkpoints/witnessed", f"checkpoints/growth?from={newer}", f"events/{newer}/proof"),
        f"credentials/{alice.credential}/bundle?witnessed=true",
    ):
        answer = running.get(f"/v1/{path}", by=AUDITOR, access_reason="r")
        assert (path, answer.status_code, answer.json()["code"]) == (path, 404, "not_sealed")
        assert str(newer) not in answer.text.replace('"position"', "")


# --- Who may


@pytest.mark.usefixtures("policy")
def test_only_an_auditor_who_says_why_is_given_what_concerns_persons(running: Served, alice: Holding) -> None:
    for path in (f"credentials/{alice.credential}/bundle", f"customers/{alice.customer}/bundle", "events/1/proof"):
        assert running.get(f"/v1/{path}", by=AUDITOR).json()["code"] == "reason_required"
        for by in (TELLER, ANALYST, ADMINISTRATOR, alice.app):
            assert running.get(f"/v1/{path}", by=by, access_reason="r").status_code == 403


@pytest.mark.usefixtures("policy")
def test_a_bundle_of_nobody_is_not_found(running: Served) -> None:
    assert running.get(f"/v1/credentials/{GONE}/bundle", by=AUDITOR, access_reason="r").status_code == 404
