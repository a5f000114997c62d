"""Seeds from a token maker's file: a second run adds nothing, and a key that cannot be used stops the first."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from sealbook.adapters.cli.session import Place
from sealbook.adapters.proofs.totp import decode_seed
from sealbook.application.ledger import execute
from sealbook.application.names import NameKind
from sealbook.domain.credential import Credential
from sealbook.domain.values import Kind
from sealbook.settings import Settings
from sealbook.wiring import Wiring
from tests.cli.terminal import sealbook
from tests.commands import Script, name

CUSTOMER, PHONE, HELD = UUID(int=1), UUID(int=2), UUID(int=3)
SECRET = b"12345678901234567890"
KEY = """<KeyPackage><DeviceInfo><Manufacturer>Acme</Manufacturer><SerialNo>{serial}</SerialNo></DeviceInfo>
<Key Id="{id}" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:{profile}"><AlgorithmParameters>
<ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters><Data><Secret><PlainValue>{secret}</PlainValue>
</Secret></Data></Key></KeyPackage>"""


def container(*, id: str = "T1", serial: str = "987", profile: str = "totp", times: int = 1) -> str:  # noqa: A002
    key = KEY.format(id=id, serial=serial, profile=profile, secret=base64.b64encode(SECRET).decode())
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
