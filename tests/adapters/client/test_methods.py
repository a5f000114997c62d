"""What can be asked, and what comes back, from a real service."""

import asyncio
import base64
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealbook.adapters.client import calls
from sealbook.adapters.client.results import Done, Event, Used
from sealbook.client import AsyncClient, Client, NoAnswer, Patience, Problem
from tests.adapters.client.running import Fault, Faulty, Holder, Running


def test_an_app_uses_its_own_and_nobody_elses(service: Running, alice: Holder) -> None:
    credential = alice.secret.id or ""
    with service.client() as teller:
        other = teller.enroll(f"other than {alice.customer}")
    with service.client(service.token("app", customer=alice.customer)) as app:
        assert app.use_code(credential, alice.code, purpose="login").accepted
    with (
        service.client(service.token("app", customer=str(other.id))) as stranger,
        pytest.raises(Problem) as refused,
    ):
        stranger.credential(credential)
    assert (refused.value.code, refused.value.status) == ("not_found", 404)


def test_the_same_methods_can_be_awaited(service: Running, alice: Holder) -> None:
    async def asked() -> tuple[list[str], list[str]]:
        async with AsyncClient(service.address, token=service.teller) as client:
            credential = alice.secret.id or ""
            used = await client.use_code(credential, alice.code)
            history = [each.event async for each in client.credential_history(credential, reason="test", limit=1)]
            return list(used.events), history

    used, history = asyncio.run(asked())

    assert used == ["credential.used"]
    assert history == ["credential.issued", "credential.key_attested", "credential.secret_set", "credential.used"]


def test_a_phone_signs_with_its_key(service: Running, alice: Holder) -> None:
    key = generate_private_key(SECP256R1())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with service.client() as teller:
        customer = f"signs, not {alice.customer}"
        teller.enroll(customer, identity=customer)
        phone = teller.register_device(
            base64.b64encode(public).decode(),
            model="phone",
            os_version="16",
            app_version="6.2.0",
            app_store="google_play",
        )
        name = f"signed by {customer}"
        issued = teller.issue(
            name=name,
            customer=customer,
            kind="kb_mobile_certificate",
            device=phone.id or "",
            policy_id="D",
            evidence="proofing-1",
            attestation={"level": "secure_element", "digest": "a1"},
        )
        assert issued.id is not None

        def sign(message: bytes) -> bytes:
            return key.sign(message, ECDSA(SHA256()))

        async def sign_later(message: bytes) -> bytes:
            return sign(message)

        async def later() -> Used:
            async with AsyncClient(service.address, token=service.teller) as client:
                return await client.use_signed(name, sign_later, counter=2)

        for used in (
            teller.use_signed(name, sign, counter=1),
            asyncio.run(later()),
            teller.use_signed(issued.id, sign, counter=3),
        ):
            assert (used.id, used.events) == (issued.id, ("credential.used",))
        with pytest.raises(Problem) as refused:
            teller.use_signed(name, lambda _: bytes(64), counter=4)
    assert refused.value.code == "bad_proof"


def test_a_history_is_told_as_of_then_and_as_known_then(service: Running, alice: Holder) -> None:
    credential = alice.secret.id or ""
    with service.client() as teller:
        before = teller.credential(credential, reason="test").known_at
        teller.report_loss(credential=credential, lost_at=datetime.now(UTC) - timedelta(seconds=1))

        assert teller.credential(credential, reason="test").validity.state == "suspended"
        assert teller.credential(credential, known_at=before, reason="test").validity.state == "active"


def test_a_command_can_ask_for_a_version(service: Running, alice: Holder) -> None:
    credential = alice.secret.id or ""
    with service.client() as teller:
        version = teller.credential(credential, reason="test").version
        assert teller.suspend(credential, if_version=version).version == version + 1
        with pytest.raises(Problem) as stale:
            teller.resume(credential, if_version=version)
    assert (stale.value.code, stale.value.status) == ("precondition_failed", 412)


def test_two_administrators_erase(service: Running, alice: Holder) -> None:
    with (
        service.client(service.token("administrator", subject="admin-1")) as one,
        service.client(service.token("administrator", subject="admin-2")) as other,
        service.client() as teller,
    ):
        teller.close_customer(alice.customer)
        asked = one.ask_to_erase_customer(alice.customer, "request-7")
        with pytest.raises(Problem) as own:
            one.approve_erasure(asked.approval)
        with pytest.raises(Problem) as kept:
            other.approve_erasure(asked.approval)
    assert own.value.code == "forbidden"
    assert kept.value.code == "retention"
    assert asked.approval not in repr(asked)


def test_what_no_method_is_for_is_asked_by_its_address(service: Running, alice: Holder) -> None:
    with service.client() as teller:
        done = teller.command(f"/v1/customers/{alice.customer}/change-contact", {"contact": "contact-9"})
        assert done.events == ("customer.contact_changed",)
        assert "mobile_otp" in {each["kind"] for each in teller.read("/v1/kinds")["kinds"]}


def test_figures_and_lists(service: Running, alice: Holder) -> None:
    with service.client(service.token("auditor")) as auditor:
        assert auditor.counts().events["credential.issued"] >= 1
        slots = list(auditor.list_rows("slots", reason="test", narrowed={"customer": alice.customer}))
    assert len(slots) == 1


def test_an_analyst_asks_what_if(service: Running) -> None:
    with service.client(service.token("analyst")) as analyst:
        job = analyst.submit_what_if(["D", "N"])
        again = analyst.submit_what_if(["D", "N"], key=job.id)
        while analyst.what_if_job(job.id).state in ("queued", "running"):
            time.sleep(0.05)
        result = analyst.what_if_result(job.id)

        assert again.id == job.id
        assert {each.policy for each in result.policies} == {"D", "N"}
        assert job.id in {each.id for each in analyst.what_if_jobs()}
        assert analyst.cancel_what_if(job.id).state == "done"


@pytest.mark.parametrize("awaited", [False, True], ids=["waiting", "awaited"])
def test_the_tail_goes_on_over_broken_connections(service: Running, way: Faulty, alice: Holder, awaited: bool) -> None:
    auditor = service.token("auditor")
    with service.client() as teller:
        begin = teller.suspend(alice.secret.id or "").position or 0
        resumed = teller.resume(alice.secret.id or "", evidence="seen at the branch")
    way.plan(Fault.CUT_BEFORE, Fault.BUSY, Fault.CUT_AFTER_EVENT)

    def two() -> list[Event]:
        with Client(way.address, token=auditor) as client:
            return list(islice(client.events(after=begin - 1, types=["credential."], reason="test"), 2))

    async def two_later() -> list[Event]:
        heard = list[Event]()
        async with AsyncClient(way.address, token=auditor) as client:
            async for event in client.events(after=begin - 1, types=["credential."], reason="test"):
                heard.append(event)
                if len(heard) == 2:
                    break
        return heard

    heard = asyncio.run(two_later()) if awaited else two()

    assert [each.event for each in heard] == ["credential.suspended", "credential.resumed"]
    assert [each.position for each in heard] == [begin, resumed.position]
    assert len(way.keys) == 4


def test_a_token_is_asked_for_anew(service: Running, alice: Holder) -> None:
    asked = list[int]()

    def token() -> str:
        asked.append(1)
        return service.teller

    with Client(service.address, token=token) as client:
        client.suspend(alice.secret.id or "")
        client.resume(alice.secret.id or "", evidence="seen at the branch")
    assert len(asked) == 2


def test_a_client_is_for_many_threads(service: Running, alice: Holder) -> None:
    answers = list[Done]()
    with service.client() as client:
        work = [
            threading.Thread(target=lambda: answers.append(client.suspend(alice.secret.id or ""))) for _ in range(8)
        ]
        for each in work:
            each.start()
        for each in work:
            each.join()
    assert sum(len(each.events) for each in answers) == 1


# --- What is shown to nobody


def test_no_secret_is_in_what_is_shown(service: Running, alice: Holder) -> None:
    code, token = alice.code, service.teller
    with Client(service.address, token=token) as client:
        anew = client.set_secret(alice.secret.id or "")
        with pytest.raises(Problem) as refused:
            client.use_code(alice.secret.id or "", code)
        shown = [repr(client), repr(anew), repr(refused.value), str(refused.value), repr(vars(refused.value))]
    assert anew.provisioning_uri is not None
    for each in shown:
        assert code not in each
        assert token not in each
        assert "otpauth" not in each


def test_a_failure_carries_nothing_of_what_was_sent(service: Running, alice: Holder) -> None:
    """What went wrong beneath holds the request, and with it the token: it must not come along."""
    patience = Patience(deadline_seconds=0.5)
    # Port 9 of this computer: nobody answers.
    with (
        Client("http://127.0.0.1:9", token=service.teller, patience=patience) as client,
        pytest.raises(NoAnswer) as lost,
    ):
        client.use_code(alice.secret.id or "", alice.code)
    assert lost.value.__context__ is None
    assert lost.value.__cause__ is None


@pytest.mark.parametrize("token", ["two words", "a\nb", "é", ""])
def test_a_token_that_is_none_is_not_sent_and_not_shown(service: Running, token: str) -> None:
    with Client(service.address, token=token) as client, pytest.raises(ValueError, match="token") as refused:
        client.counts()
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize("address", ["sealbook.example", "ftp://sealbook.example", ""])
def test_an_address_says_how_to_call(address: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Client(address, token="t")


@pytest.mark.parametrize("name", [".", "..", "name:..", "a b", "50%", "?x=1", "#1", "고객-7"])
def test_any_name_is_an_address(service: Running, name: str) -> None:
    with service.client() as teller, pytest.raises(Problem) as refused:
        teller.close_customer(f"{name}" if name.startswith(".") else f"{name} that nobody has")
    assert refused.value.code == "not_found"


def test_a_loss_is_of_one_thing(service: Running) -> None:
    with service.client() as teller, pytest.raises(ValueError, match="what is lost"):
        teller.report_loss(customer="a", device="b")


def test_a_moment_has_an_offset_and_a_reason_is_ascii(service: Running) -> None:
    with service.client() as teller:
        with pytest.raises(ValueError, match="offset"):
            teller.credential("a", as_of=datetime(2026, 1, 1))  # noqa: DTZ001 (that is what is wrong)
        with pytest.raises(ValueError, match="ASCII"):
            teller.credential("a", reason="고객 문의")


def test_the_client_brings_nothing_of_the_server() -> None:
    """Who installs it for an app's backend needs no database driver and no web framework."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sealbook.client, sys; print(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    own = {each for each in loaded if each.startswith("sealbook")}
    allowed = ("sealbook.client", "sealbook.adapters.client", "sealbook.adapters.ids")
    assert {each for each in own if not each.startswith(allowed)} == {"sealbook", "sealbook.adapters"}
    assert not {"psycopg", "pydantic", "fastapi", "starlette", "eventsourcing"} & set(loaded)


@pytest.mark.parametrize("said", [{"idempotency_key": uuid4()}, {"if_match": 3}, {"asof": None}])
def test_a_word_that_means_nothing_is_refused(said: Any) -> None:
    with pytest.raises(TypeError, match="unexpected"):
        calls.command("/v1/customers", b"", said, read=str)
    with pytest.raises(TypeError, match="unexpected"):
        calls.look("/v1/customers", said, read=str)
