"""Key containers: the figures of RFC 6030, files that another program wrote, and every bad file told in one line."""

import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from sealbook.adapters.proofs.pskc import FILE_BYTES_MAX, BadPskc, PskcKey, read_pskc
from sealbook.adapters.proofs.totp import Seed

SECRET = b"12345678901234567890"
PRE_SHARED_KEY = bytes.fromhex("12345678901234567890123456789012")
PASSWORD = "qwerty"
FILES = Path(__file__).parent / "pskc"
OF_OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("plain.xml", {}),
    ("aes256.xml", {"pre_shared_key": bytes(range(32))}),
    ("aes128-mac-sha512.xml", {"pre_shared_key": bytes(range(16))}),
    ("pbkdf2-sha256.xml", {"password": "비밀번호"}),
]
"""Written by python-pskc 1.4."""

SPACES = """
    xmlns="urn:ietf:params:xml:ns:keyprov:pskc"
    xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc"
    xmlns:ds="http://www.w3.org/2000/09/xmldsig#"
    xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"
    xmlns:xenc11="http://www.w3.org/2009/xmlenc11#"
    xmlns:pkcs5="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#"
"""
PLAIN_SECRET = "<Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>"
RESPONSE = '<AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL"/></AlgorithmParameters>'
HOTP = "urn:ietf:params:xml:ns:keyprov:pskc:hotp"
TOTP = "urn:ietf:params:xml:ns:keyprov:pskc:totp"


def encrypted(ciphertext: str, algorithm: str = "aes128-cbc") -> str:
    return f"""
        <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#{algorithm}"/>
        <xenc:CipherData><xenc:CipherValue>
            {ciphertext}
        </xenc:CipherValue></xenc:CipherData>
    """


def mac_method(mac_key: str, algorithm: str = "http://www.w3.org/2000/09/xmldsig#hmac-sha1") -> str:
    return f'<MACMethod Algorithm="{algorithm}"><MACKey>{encrypted(mac_key)}</MACKey></MACMethod>'


def secret(ciphertext: str, mac: str, algorithm: str = "aes128-cbc") -> str:
    value = f"<EncryptedValue>{encrypted(ciphertext, algorithm)}</EncryptedValue>"
    return f"<Secret>{value}<ValueMAC>{mac}\n</ValueMAC></Secret>"


def package(data: str = PLAIN_SECRET, *, key: str = f'Id="12345678" Algorithm="{HOTP}"', more: str = RESPONSE) -> str:
    return f"""
        <KeyPackage>
            <DeviceInfo><Manufacturer>Manufacturer</Manufacturer><SerialNo>987654321</SerialNo></DeviceInfo>
            <CryptoModuleInfo><Id>CM_ID_001</Id></CryptoModuleInfo>
            <Key {key}><Issuer>Issuer</Issuer>{more}<Data>{data}</Data></Key>
        </KeyPackage>
    """


def container(*parts: str, version: str = "1.0") -> bytes:
    head = f'<?xml version="1.0" encoding="UTF-8"?><KeyContainer Version="{version}" {SPACES}>'
    return (head + "".join(parts) + "</KeyContainer>").encode()


PRE_SHARED = "<EncryptionKey><ds:KeyName>Pre-shared-key</ds:KeyName></EncryptionKey>"
MAC_KEY = "ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX"
CIPHERTEXT = "AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv"
MAC = "Su+NvtQfmvfJzF6bmQiJqoLRExc="
COUNTER = "<Counter><PlainValue>0</PlainValue></Counter>"
FIGURE_5 = container(package(PLAIN_SECRET + COUNTER))
FIGURE_6 = container(PRE_SHARED, mac_method(MAC_KEY), package(secret(CIPHERTEXT, MAC) + COUNTER))


def derived(prf: str = "<PRF/>", *, iterations: str = "1000", length: str = "16", salt: str = "Ej7/PEpyEpw=") -> str:
    return f"""
        <pskc:EncryptionKey><xenc11:DerivedKey>
            <xenc11:KeyDerivationMethod
                Algorithm="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbkdf2">
                <pkcs5:PBKDF2-params>
                    <Salt><Specified>{salt}</Specified></Salt>
                    <IterationCount>{iterations}</IterationCount>
                    <KeyLength>{length}</KeyLength>
                    {prf}
                </pkcs5:PBKDF2-params>
            </xenc11:KeyDerivationMethod>
            <xenc:ReferenceList><xenc:DataReference URI="#ED"/></xenc:ReferenceList>
            <xenc11:MasterKeyName>My Password 1</xenc11:MasterKeyName>
        </xenc11:DerivedKey></pskc:EncryptionKey>
    """


OF_PASSWORD = (
    mac_method("2GTTnLwM3I4e5IO5FkufoOEiOhNj91fhKRQBtBJYluUDsPOLTfUvoU2dStyOwYZx"),
    package(secret("oTvo+S22nsmS2Z/RtcoF8Hfh+jzMe0RkiafpoDpnoZTjPYZu6V+A4aEn032yCr4f", "LP6xMvjtypbfT9PdkJhBZ+D6O4w=")),
)
FIGURE_7 = container(derived(), *OF_PASSWORD)


# --- What can be read


def test_a_plain_secret_is_read() -> None:
    (key,) = read_pskc(FIGURE_5)

    assert key == PskcKey(
        key_id="12345678",
        serial="987654321",
        manufacturer="Manufacturer",
        issuer="Issuer",
        profile="hotp",
        seed=Seed(SECRET, digits=8),
        counter=0,
    )


def test_a_secret_under_a_pre_shared_key_is_opened() -> None:
    (key,) = read_pskc(FIGURE_6, pre_shared_key=PRE_SHARED_KEY)

    assert key.seed == Seed(SECRET, digits=8)


def test_a_secret_under_a_password_is_opened() -> None:
    (key,) = read_pskc(FIGURE_7, password=PASSWORD)

    assert key.seed == Seed(SECRET, digits=8)


def test_a_secret_may_be_encrypted_as_pbes2_says_it() -> None:
    plain = 'Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>'
    method = 'Algorithm="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbes2">'
    inner = f"<pskc:EncryptionScheme {plain}</xenc:EncryptionMethod>"
    file = FIGURE_7.decode().replace(plain, method + inner).encode()

    assert read_pskc(file, password=PASSWORD) == read_pskc(FIGURE_7, password=PASSWORD)


def test_the_keys_of_a_bulk_file_come_in_its_order() -> None:
    keys = read_pskc(container(*(package(key=f'Id="{number}" Algorithm="{HOTP}"') for number in range(1, 5))))

    assert [key.key_id for key in keys] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("file", "opening"), OF_OTHERS)
def test_files_of_another_program_are_read(file: str, opening: dict[str, Any]) -> None:
    timed, counted = read_pskc((FILES / file).read_bytes(), **opening)

    assert timed == PskcKey(
        key_id="T1",
        serial="987",
        manufacturer="Acme",
        issuer="Bank",
        profile="totp",
        seed=Seed(SECRET, digits=8, step_seconds=60, algorithm="SHA256"),
        drift_steps=-3,
    )
    assert counted == PskcKey(
        key_id="T2", serial=None, manufacturer=None, issuer=None, profile="hotp", seed=Seed(b"x" * 32), counter=5
    )


def test_without_a_word_on_it_a_key_makes_codes_as_apps_do() -> None:
    (key,) = read_pskc(container(package(key=f'Id="1" Algorithm="{TOTP}"', more="")))

    assert (key.profile, key.seed) == ("totp", Seed(SECRET, digits=6, step_seconds=30, algorithm="SHA1"))


@pytest.mark.parametrize(
    ("suite", "algorithm"),
    [("HMAC-SHA1", "SHA1"), ("HMAC-SHA256", "SHA256"), ("hmac-sha-512", "SHA512"), ("SHA256", "SHA256")],
)
def test_a_suite_says_the_algorithm(suite: str, algorithm: str) -> None:
    more = f"<AlgorithmParameters><Suite>{suite}</Suite></AlgorithmParameters>"

    assert read_pskc(container(package(more=more)))[0].seed.algorithm == algorithm


def test_without_a_mac_key_the_macs_are_under_the_key_of_the_file() -> None:
    mac = base64.b64encode(hmac.digest(PRE_SHARED_KEY, base64.b64decode(CIPHERTEXT), hashlib.sha256)).decode()
    method = '<MACMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"/>'

    (key,) = read_pskc(container(method, package(secret(CIPHERTEXT, mac))), pre_shared_key=PRE_SHARED_KEY)

    assert key.seed.secret == SECRET


# --- What cannot


def resealed(plaintext: bytes) -> bytes:
    """A file whose secret is other bytes, under figure 6's keys: what is wrong with it is found after the MAC."""
    encryptor = Cipher(AES(PRE_SHARED_KEY), CBC(bytes(16))).encryptor()
    ciphertext = bytes(16) + encryptor.update(plaintext) + encryptor.finalize()
    mac = hmac.digest(bytes.fromhex("1122334455667788990011223344556677889900"), ciphertext, hashlib.sha1)
    data = secret(base64.b64encode(ciphertext).decode(), base64.b64encode(mac).decode())
    return container(PRE_SHARED, mac_method(MAC_KEY), package(data))


BAD: list[tuple[bytes, dict[str, Any], str]] = [
    (b"", {}, "the file is not well-formed XML: see line 1"),
    (b"<a>\n<b>12345</a>", {}, "the file is not well-formed XML: see line 2"),
    (b"\xff\xfe<\0", {}, "the file is not in UTF-8"),
    (b"<a>" * 100_000, {}, "the file is not well-formed XML: see line 1"),
    (b" " * (FILE_BYTES_MAX + 1), {}, f"the file is larger than {FILE_BYTES_MAX} bytes: split it"),
    (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', {}, "the file has a document type: a key container has none"),
    (b'<!DOCTYPE a SYSTEM "a.dtd"><a/>', {}, "the file has a document type: a key container has none"),
    (b"<a>&b;</a>", {}, "the file is not well-formed XML: see line 1"),
    (b"<KeyContainer Version='1.0'/>", {}, "the file is no key container as RFC 6030 has it"),
    (container(package(), version="2.0"), {}, "the key container is not of version 1.0"),
    (container(), {}, "the file holds no key package"),
    (container("<KeyPackage/>"), {}, "key package 1: there is not exactly one of what should be a key"),
    (container(package(), package(key=f'Algorithm="{HOTP}"')), {}, "key package 2: the key has no id"),
    (
        container(package(key='Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:pin"')),
        {},
        "key package 1: the key is neither for time-based nor for event-based codes",
    ),
    (container(package("")), {}, "key package 1: there is not exactly one of what should be a secret"),
    (container(package(PLAIN_SECRET * 2)), {}, "key package 1: there is not exactly one of what should be a secret"),
    (container(package("<Secret/>")), {}, "key package 1: there is not exactly one of what should be a value"),
    (
        container(package("<Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA</PlainValue></Secret>")),
        {},
        "key package 1: the secret is not in base64",
    ),
    (
        # Figure 2 of the RFC: a secret of 32 bits.
        container(package("<Secret><PlainValue>MTIzNA==</PlainValue></Secret>")),
        {},
        "key package 1: the secret of one-time codes has 112 to 512 bits",
    ),
    (
        container(package(more=RESPONSE.replace("DECIMAL", "ALPHANUMERIC"))),
        {},
        "key package 1: the codes are not made of digits",
    ),
    (
        container(package(more=RESPONSE.replace("/>", ' CheckDigits="true"/>', 1))),
        {},
        "key package 1: the codes have a check digit",
    ),
    (
        container(package(more=RESPONSE.replace('"8"', '"10"'))),
        {},
        "key package 1: a one-time code has 6 to 8 digits",
    ),
    (
        container(package(more=RESPONSE.replace('"8"', '"eight"'))),
        {},
        "key package 1: the length of codes is not a whole number",
    ),
    (
        container(package(more="<AlgorithmParameters><Suite>HMAC-MD5</Suite></AlgorithmParameters>")),
        {},
        "key package 1: the codes are made by another suite than HMAC-SHA1, HMAC-SHA256 and HMAC-SHA512",
    ),
    (
        container(package(PLAIN_SECRET + "<TimeInterval><PlainValue>0</PlainValue></TimeInterval>")),
        {},
        "key package 1: a one-time code lives for 1 to 120 seconds",
    ),
    (
        container(package(PLAIN_SECRET + "<Counter><PlainValue>" + "9" * 30 + "</PlainValue></Counter>")),
        {},
        "key package 1: Counter is not a whole number",
    ),
    (
        container(
            package(PLAIN_SECRET + f"<Counter><EncryptedValue>{encrypted(CIPHERTEXT)}</EncryptedValue></Counter>")
        ),
        {},
        "key package 1: Counter is encrypted: only secrets may be, for of other values no form is agreed on",
    ),
    (
        FIGURE_6,
        {},
        "key package 1: the secret is encrypted: it takes the file's key or password, and a MAC method in the file",
    ),
    (
        FIGURE_6,
        {"password": PASSWORD},
        "key package 1: the secret is encrypted: it takes the file's key or password, and a MAC method in the file",
    ),
    (
        container(PRE_SHARED, package(secret(CIPHERTEXT, MAC))),
        {"pre_shared_key": PRE_SHARED_KEY},
        "key package 1: the secret is encrypted: it takes the file's key or password, and a MAC method in the file",
    ),
    (
        container(
            PRE_SHARED,
            mac_method(MAC_KEY),
            package(f"<Secret><EncryptedValue>{encrypted(CIPHERTEXT)}</EncryptedValue></Secret>"),
        ),
        {"pre_shared_key": PRE_SHARED_KEY},
        "key package 1: there is not exactly one of what should be a MAC",
    ),
    (
        FIGURE_6.replace(b"AAECAwQF", b"AAECAwQG"),
        {"pre_shared_key": PRE_SHARED_KEY},
        "key package 1: the secret's MAC does not fit: the file was changed, or this is not its key or password",
    ),
    (
        FIGURE_6,
        {"pre_shared_key": bytes(16)},
        "an encrypted value does not open: this is not the file's key or password",
    ),
    (FIGURE_6, {"pre_shared_key": bytes(32)}, "the key of the file has 16 bytes, this one has 32"),
    (
        FIGURE_6.replace(b"aes128-cbc", b"tripledes-cbc"),
        {"pre_shared_key": PRE_SHARED_KEY},
        "a value is encrypted with something else than AES-CBC",
    ),
    (
        FIGURE_6.replace(b"#hmac-sha1", b"#hmac-md5"),
        {"pre_shared_key": PRE_SHARED_KEY},
        "the MACs are not HMACs with SHA-1 or SHA-2",
    ),
    (
        resealed(SECRET + bytes(12)),
        {"pre_shared_key": PRE_SHARED_KEY},
        "key package 1: an encrypted value does not open: this is not the file's key or password",
    ),
    (
        container(derived(iterations="2000001"), *OF_PASSWORD),
        {"password": PASSWORD},
        "the number of iterations is not from 1 to 2000000",
    ),
    (
        container(derived(length="17"), *OF_PASSWORD),
        {"password": PASSWORD},
        "the key is derived from the password in a way that is not known here",
    ),
    (
        container(derived('<PRF Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-md5"/>'), *OF_PASSWORD),
        {"password": PASSWORD},
        "the key is derived from the password in a way that is not known here",
    ),
    (
        FIGURE_7.replace(b"#pbkdf2", b"#scrypt"),
        {"password": PASSWORD},
        "the key is derived from the password by something else than PBKDF2",
    ),
]


@pytest.mark.parametrize(("file", "opening", "said"), BAD)
def test_a_bad_file_is_told_in_one_line(file: bytes, opening: dict[str, Any], said: str) -> None:
    with pytest.raises(BadPskc) as told:
        read_pskc(file, **opening)

    assert str(told.value) == said
    assert told.value.__cause__ is None
    shown = f"{told.value!r} {told.value}"
    assert not any(each in shown for each in ("MTIz", "1234567890", PASSWORD, CIPHERTEXT, MAC))


def test_a_secret_with_the_right_padding_opens() -> None:
    padding = bytes([12]) * 12

    assert read_pskc(resealed(SECRET + padding), pre_shared_key=PRE_SHARED_KEY)[0].seed.secret == SECRET


def test_a_key_shows_no_secret() -> None:
    (key,) = read_pskc(FIGURE_6, pre_shared_key=PRE_SHARED_KEY)

    assert SECRET.decode() not in f"{key!r} {key}"
    assert "seed=Seed(digits=8" in repr(key)
