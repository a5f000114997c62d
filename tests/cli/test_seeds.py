"""Seeds from a token maker's file: a second run adds nothing, and a key that cannot be used stops the first."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from sealbook.adapters.cli.session import Place
from sealbook.adapters.proofs.seeds import seed_field
from sealbook.adapters.proofs.totp import Seed, decode_seed, encode_seed
from sealbook.application.ledger import execute
from sealbook.application.names import NameKind
from sealbook.domain.credential import Credential, Revoke
from sealbook.domain.values import Kind
from sealbook.settings import Settings
from sealbook.wiring import Wiring
from tests.cli.terminal import sealbook
from tests.commands import Script, name

CUSTOMER, PHONE, HELD = UUID(int=1), UUID(int=2), UUID(int=3)
SECRET = b"12345678901234567890"
KEY = """<KeyPackage><DeviceInfo><Manufacturer>Acme</Manufacturer><SerialNo>{serial}</SerialNo></DeviceInfo>
<Key Id="{id}" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:{profile}"><AlgorithmParameters>
<ResponseFormat Length="{digits}" Encoding="DECIMAL"/></AlgorithmParameters><Data><Secret><PlainValue>{secret}
</PlainValue></Secret><TimeInterval><PlainValue>{step_seconds}</PlainValue></TimeInterval></Data></Key></KeyPackage>"""


def container(
    *,
    id: str = "T1",  # noqa: A002 (as the file has it)
    serial: str = "987",
    profile: str = "totp",
    digits: int = 6,
    step_seconds: int = 60,
    times: int = 1,
) -> str:
    secret = base64.b64encode(SECRET).decode()
    key = KEY.format(id=id, serial=serial, profile=profile, digits=digits, step_seconds=step_seconds, secret=secret)
    return f'<KeyContainer xmlns="urn:ietf:params:xml:ns:keyprov:pskc" Version="1.0">{key * times}</KeyContainer>'


@pytest.fixture
def file(folder: Path, ledger: str) -> Path:
    """A file of one key, whose credential is in the ledger."""
    assert ledger
    script = Script()
    with Wiring(Settings()).open(Place()) as opened:
        commands = (
            script.adopt_policy(),
            script.enroll(CUSTOMER),
            script.register(PHONE),
            script.issue(
                HELD,
                customer=CUSTOMER,
                device=PHONE,
                kind=Kind.MOBILE_OTP,
                named=name("T1", NameKind.CREDENTIAL),
                at=datetime.now(UTC),
            ),
        )
        assert all(each.accepted for each in execute(opened.store, commands))
    path = folder / "tokens.xml"
    path.write_text(container())
    return path


def held() -> tuple[int, bytes | None]:
    """Return the generation that counts, and the secret that the vault has of it."""
    with Wiring(Settings()).open(Place()) as opened:
        state = opened.store.load(streams=[HELD], names=(), commands=()).heads[HELD].state
        assert isinstance(state, Credential)
        stored = opened.vault.get(subject=HELD, field=f"otp_seed:{state.secret_generation}")
    return state.secret_generation, None if stored is None else decode_seed(stored).secret


def test_a_seed_is_set_once(file: Path) -> None:
    assert sealbook("seeds", "import", file, "--json").answer == {"file": str(file), "set": 1, "there": 0}
    assert held() == (1, SECRET)

    assert sealbook("seeds", "import", file, "--json").answer == {"file": str(file), "set": 0, "there": 1}
    assert held() == (1, SECRET)


def test_a_key_may_be_known_by_its_serial_number(file: Path) -> None:
    file.write_text(container(id="unknown", serial="T1"))

    assert sealbook("seeds", "import", file, "--by", "serial", "--json").answer["set"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (container(id="T2"), "key 1 is of no credential in the ledger"),
        (container(profile="hotp"), "key 1 makes no codes by the time"),
        (container(digits=8), "key 1 makes codes of another form than its kind takes: 6 digits every 60 seconds"),
        (container(step_seconds=30), "key 1 makes codes of another form than its kind takes: 6 digits every 60"),
        (container(times=2), "key 2 is of a credential that an earlier key is of"),
        ("<KeyContainer/>", "tokens.xml: "),
        (container()[:-1], "tokens.xml: "),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing(file: Path, content: str, said: str) -> None:
    file.write_text(content)

    answer = sealbook("seeds", "import", file)

    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert "123456" not in answer.err
    assert len(answer.err.splitlines()) == 1
    assert held() == (0, None)


OTHER_SEED = Seed(b"another secret of 24 byte", step_seconds=60)


def there(seed: Seed) -> None:
    """Put a seed for the first generation, as a request under way does before the ledger hears of it."""
    with Wiring(Settings()).open(Place()) as opened:
        opened.vault.put(encode_seed(seed), subject=HELD, field=seed_field(1), owner=CUSTOMER, data_class="secret")


def stored() -> bytes | None:
    with Wiring(Settings()).open(Place()) as opened:
        return opened.vault.get(subject=HELD, field=seed_field(1))


def test_a_seed_that_somebody_else_sets_now_is_left_alone(file: Path) -> None:
    there(OTHER_SEED)

    answer = sealbook("seeds", "import", file)

    assert (answer.code, answer.out) == (2, "")
    assert "key 1 is of a credential whose seed is being set now: try again" in answer.err
    assert stored() == encode_seed(OTHER_SEED)
    assert held() == (0, None)


def test_a_run_that_was_cut_off_is_gone_on_with(file: Path) -> None:
    there(Seed(SECRET, step_seconds=60))

    assert sealbook("seeds", "import", file, "--json").answer["set"] == 1
    assert held() == (1, SECRET)


@pytest.mark.parametrize("before", [None, Seed(SECRET, step_seconds=60)])
def test_a_refusal_takes_away_no_more_than_it_brought(file: Path, before: Seed | None) -> None:
    if before is not None:
        there(before)
    with Wiring(Settings()).open(Place()) as opened:
        (revoked,) = execute(opened.store, [Script(2).on(HELD, Revoke(at=datetime.now(UTC)))])
    assert revoked.accepted

    assert sealbook("seeds", "import", file).code == 1
    assert stored() == (None if before is None else encode_seed(before))


@pytest.mark.parametrize(
    "options",
    [
        ("--key-file", "tokens.xml"),
        ("--password-file", "nowhere"),
        ("--key-file", "tokens.xml", "--password-file", "tokens.xml"),
    ],
)
def test_what_opens_the_file_must_be_given_well(file: Path, options: tuple[str, ...]) -> None:
    answer = sealbook("seeds", "import", file, *options)

    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
