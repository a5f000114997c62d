"""Uses over HTTP: what a right proof is, what a wrong one costs, and what a repetition is answered."""

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyotp.totp import TOTP

from sealbook.adapters.http.rate_limits import Rate
from sealbook.adapters.proofs.challenges import message_to_sign, to_base64url
from sealbook.adapters.proofs.device_keys import device_key_name
from tests.adapters.http.served import APP_BODY, ATTESTATION, TELLER, Holding, Limited, Served, bearer

KEYS_OF_A_USE = {"credential", "id", "accepted", "position", "version", "events"}


def code(running: Served, held: Holding, *, steps: int = 0) -> str:
    """Return the code that the holder's phone shows, so many steps from now."""
    assert held.seed_uri is not None
    totp = pyotp.parse_uri(held.seed_uri)
    assert isinstance(totp, TOTP)
    return totp.at(running.clock.now + timedelta(seconds=totp.interval * steps))


def use(
    running: Served, held: Holding, said: str, *, by: str | None = None, key: UUID | None = None, **more: Any
) -> httpx.Response:
    body = {"proof": {"type": "totp", "code": said}, "device": held.device, **more}
    return running.post(f"/v1/credentials/{held.credential}/uses", body, by=by or held.app, key=key)


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


def wrong(right: str) -> str:
    return f"{(int(right) + 1) % 10 ** len(right):0{len(right)}}"


# --- Codes


def test_a_right_code_passes_once(running: Served, alice: Holding) -> None:
    shown = code(running, alice)
    answer = use(running, alice, shown, purpose="login")

    assert answer.status_code == 200
    assert answer.json().keys() == KEYS_OF_A_USE
    assert answer.json()["events"] == ["credential.used"]
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    assert refused(use(running, alice, shown)) == (403, "replay")


def test_a_repetition_gets_the_first_answer(running: Served, alice: Holding) -> None:
    shown, key = code(running, alice), uuid4()
    first = use(running, alice, shown, key=key)
    running.clock.advance(minutes=10)
    again = use(running, alice, shown, key=key)

    assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, first.headers["etag"])
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")


def test_a_refusal_is_repeated_as_well(running: Served, alice: Holding) -> None:
    said, key = wrong(code(running, alice)), uuid4()
    first, again = (use(running, alice, said, key=key) for _ in range(2))

    assert refused(first) == (403, "bad_proof")
    assert again.content == first.content


def test_an_id_is_of_one_request_alone(running: Served, alice: Holding) -> None:
    shown, key = code(running, alice), uuid4()
    assert use(running, alice, shown, key=key).status_code == 200

    assert refused(use(running, alice, shown, key=key, purpose="transfer")) == (422, "command_id_reused")
    assert refused(use(running, alice, shown, key=key, by=TELLER)) == (422, "command_id_reused")


def test_five_wrong_codes_lock(running: Served, alice: Holding) -> None:
    said = wrong(code(running, alice))
    assert [refused(use(running, alice, said))[1] for _ in range(5)] == ["bad_proof"] * 5

    assert refused(use(running, alice, code(running, alice))) == (403, "locked")


def test_a_code_of_the_next_step_passes_and_one_of_the_step_after_does_not(running: Served, alice: Holding) -> None:
    assert refused(use(running, alice, code(running, alice, steps=2))) == (403, "bad_proof")
    assert use(running, alice, code(running, alice, steps=1)).status_code == 200


def test_a_clock_that_is_off_is_put_right_by_two_codes(running: Served, alice: Holding) -> None:
    two = {"first_code": code(running, alice, steps=10), "second_code": code(running, alice, steps=11)}
    assert running.done(f"/v1/credentials/{alice.credential}/resynchronize", two, by=alice.app)["events"] == [
        "credential.resynchronized"
    ]

    running.clock.advance(minutes=2)
    assert use(running, alice, code(running, alice, steps=11)).status_code == 200


def test_two_codes_that_are_wrong_count_as_a_wrong_proof(running: Served, alice: Holding) -> None:
    two = {"first_code": code(running, alice), "second_code": wrong(code(running, alice, steps=1))}
    answer = running.post(f"/v1/credentials/{alice.credential}/resynchronize", two, by=alice.app)

    assert refused(answer) == (403, "bad_proof")
    assert answer.json()["position"] is not None


def test_the_old_seed_ends_when_the_next_is_set(running: Served, alice: Holding) -> None:
    assert use(running, alice, code(running, alice)).status_code == 200
    made = running.done(f"/v1/credentials/{alice.credential}/secrets", by=TELLER)
    running.clock.advance(minutes=2)

    assert refused(use(running, alice, code(running, alice))) == (403, "bad_proof")
    totp = pyotp.parse_uri(made["provisioning_uri"])
    assert isinstance(totp, TOTP)
    assert use(running, alice, totp.at(running.clock.now)).status_code == 200


def test_a_seed_is_shown_once(running: Served, alice: Holding) -> None:
    key, path = uuid4(), f"/v1/credentials/{alice.credential}/secrets"
    first, again = (running.post(path, by=TELLER, key=key) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert ("provisioning_uri" in first.json(), "provisioning_uri" in again.json()) == (True, False)


def test_a_seed_that_was_put_and_never_counted_does_no_harm(running: Served, alice: Holding) -> None:
    refused_for_its_version = running.call(
        "POST", f"/v1/credentials/{alice.credential}/secrets", {}, by=TELLER, headers={"if-match": '"1"'}
    )
    assert refused(refused_for_its_version) == (412, "precondition_failed")

    for _ in range(2):
        assert use(running, alice, code(running, alice)).status_code == 200
        running.clock.advance(minutes=2)


# --- Ways and limits


@pytest.mark.parametrize("channel", ["timer", "importer", "cli", "APP", ""])
def test_the_ledgers_own_ways_are_nobodys(running: Served, alice: Holding, channel: str) -> None:
    for by in (alice.app, TELLER):
        assert refused(use(running, alice, code(running, alice), channel=channel, by=by)) == (422, "invalid_request")


def test_an_app_comes_by_no_way_of_the_staff(running: Served, alice: Holding) -> None:
    assert refused(use(running, alice, code(running, alice), channel="branch")) == (403, "forbidden")


def test_who_comes_at_the_counter_comes_by_the_branch(running: Served, alice: Holding) -> None:
    assert use(running, alice, code(running, alice), by=TELLER).status_code == 200
    told = running.get(f"/v1/credentials/{alice.credential}/history", by=alice.app).json()

    assert told["entries"][-1]["channel"] == "branch"


class TestLimits:
    @pytest.fixture
    def limited(self) -> Limited:
        return Limited(credential=Rate(0.001, 2))

    def test_a_credential_is_tried_so_often_however_it_is_written(self, running: Served, alice: Holding) -> None:
        body = {"proof": {"type": "totp", "code": "000000"}}
        ways = (alice.credential, alice.credential.upper(), f"urn:uuid:{alice.credential}")
        answers = [running.post(f"/v1/credentials/{way}/uses", body, by=alice.app) for way in ways]

        assert [each.status_code for each in answers] == [403, 403, 429]
        assert int(answers[-1].headers["retry-after"]) > 0

    def test_nobody_uses_up_what_another_has(self, running: Served, alice: Holding, bob: Holding) -> None:
        for _ in range(4):
            use(running, alice, "000000", by=bob.app)

        assert use(running, alice, code(running, alice)).status_code == 200


# --- Signatures


class Phone:
    """A phone with a key of its own, and a certificate on it."""

    def __init__(self, running: Served, customer: str) -> None:
        self.key = Ed25519PrivateKey.generate()
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        phone = {"key": device_key_name(public), "model": "phone", "os_version": "15", "app": APP_BODY}
        self.running, self.id = running, running.done("/v1/devices", phone, by=TELLER)["id"]
        wish = {"customer": customer, "kind": "kb_mobile_certificate", "device": self.id, "policy_id": "D"}
        wish |= {"evidence": "proofing-1", "attestation": ATTESTATION}
        self.credential: str = running.done("/v1/credentials", wish, by=TELLER)["id"]

    def use(self, *, by: str, counter: int = 0, key: UUID | None = None, of: UUID | None = None) -> httpx.Response:
        """Sign a challenge that was made for the id `of`, and use it under the id `key`."""
        key = key or uuid4()
        path = f"/v1/credentials/{self.credential}"
        given = self.running.post(f"{path}/challenges", by=by, key=of or key).json()["challenge"]
        challenge = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
        signed = self.key.sign(message_to_sign(UUID(self.credential), challenge, counter=counter))
        proof = {"type": "signature", "challenge": given, "signature": to_base64url(signed), "counter": counter}
        return self.running.post(f"{path}/uses", {"proof": proof}, by=by, key=key)


@pytest.fixture
def carol(running: Served) -> tuple[str, str]:
    """A customer without a phone yet, and the token of its app."""
    wish = {"name": "carol", "subkind": "individual", "identity": "identity of carol"}
    customer: str = running.done("/v1/customers", wish, by=TELLER)["id"]
    return customer, bearer("app", customer=customer)


def test_a_signature_passes_for_its_own_command_alone(running: Served, carol: tuple[str, str]) -> None:
    phone = Phone(running, carol[0])

    assert phone.use(by=carol[1]).status_code == 200
    assert refused(phone.use(by=carol[1], of=uuid4())) == (403, "bad_proof")


def test_a_counter_that_goes_back_is_a_copy(running: Served, carol: tuple[str, str]) -> None:
    phone = Phone(running, carol[0])
    assert phone.use(by=carol[1], counter=7).status_code == 200

    assert refused(phone.use(by=carol[1], counter=7)) == (403, "replay")
    assert refused(phone.use(by=carol[1], counter=8)) == (403, "suspended")


def test_a_proof_of_a_form_that_the_kind_does_not_take_counts_for_nothing(
    running: Served, alice: Holding, carol: tuple[str, str]
) -> None:
    signature = {"type": "signature", "challenge": "AAAA", "signature": "AAAA"}
    path = f"/v1/credentials/{alice.credential}/uses"
    assert refused(running.post(path, {"proof": signature}, by=alice.app)) == (409, "proof_not_set_up")

    phone = Phone(running, carol[0])
    body = {"proof": {"type": "totp", "code": "123456"}}
    assert refused(running.post(f"/v1/credentials/{phone.credential}/uses", body, by=carol[1])) == (
        409,
        "proof_not_set_up",
    )


# --- Many at once


def test_of_many_each_is_answered_for_itself(running: Served, alice: Holding, bob: Holding) -> None:
    def one(held: Holding, said: str) -> dict[str, object]:
        proof = {"type": "totp", "code": said}
        return {"idempotency_key": str(uuid4()), "credential": held.credential, "use": {"proof": proof}}

    uses = [one(alice, code(running, alice)), one(bob, "000000"), one(alice, wrong(code(running, alice)))]
    answer = running.post("/v1/uses:batch", {"uses": uses}, by=TELLER)

    assert [(each["status"], each.get("code")) for each in answer.json()["results"]] == [
        (200, None),
        (403, "bad_proof"),
        (403, "bad_proof"),
    ]
    again = running.post("/v1/uses:batch", {"uses": uses}, by=TELLER)
    assert again.json() == answer.json()
