"""Key containers (PSKC, RFC 6030): the files in which makers of tokens deliver seeds. No error shows a secret.

Read are plain secrets and secrets encrypted with AES-CBC under a key that was agreed on before, or under one that
PBKDF2 derives from a password. An encrypted secret is opened only after its MAC was found to fit. A signature of
the file is not looked at.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1, SHA224, SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.padding import PKCS7

from sealbook.adapters.proofs.totp import ALGORITHMS, Algorithm, Seed

FILE_BYTES_MAX = 8 * 1024 * 1024
ITERATIONS_MAX = 2_000_000
"""About a second of work. OWASP asks for 1,300,000 with SHA-1."""
_SPACES = {
    "p": "urn:ietf:params:xml:ns:keyprov:pskc",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
    "xenc11": "http://www.w3.org/2009/xmlenc11#",
}
_PROFILES: dict[str, Literal["hotp", "totp"]] = {
    "urn:ietf:params:xml:ns:keyprov:pskc:hotp": "hotp",
    "urn:ietf:params:xml:ns:keyprov:pskc:totp": "totp",
    "urn:ietf:params:xml:ns:keyprov:pskc#hotp": "hotp",
    "urn:ietf:params:xml:ns:keyprov:pskc#totp": "totp",
}
_AES_KEY_BYTES = {f"http://www.w3.org/2001/04/xmlenc#aes{bits}-cbc": bits // 8 for bits in (128, 192, 256)}
_HASHES: dict[str, HashAlgorithm] = {
    "hmac-sha1": SHA1(),  # noqa: S303 (what RFC 6030 asks for; an HMAC of it holds)
    "hmac-sha224": SHA224(),
    "hmac-sha256": SHA256(),
    "hmac-sha384": SHA384(),
    "hmac-sha512": SHA512(),
}
_SUITES: dict[str, Algorithm] = {algorithm: algorithm for algorithm in ALGORITHMS}
_STEP_SECONDS = 30
_DIGITS = 6
_BLOCK_BYTES = 16
_INTEGER = re.compile(r"\s*-?[0-9]{1,18}\s*", re.ASCII)


class BadPskc(Exception):
    """A file that is no key container, or not one that can be read: one line, which shows nothing of a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PskcKey:
    """A key of a container. `seed` makes codes by the time only if the profile is "totp": a "hotp" counts events.

    `counter` is the next event of a "hotp"; `drift_steps` is how far the token's clock is ahead, where it is said.
    """

    key_id: str
    serial: str | None
    manufacturer: str | None
    issuer: str | None
    profile: Literal["hotp", "totp"]
    seed: Seed
    counter: int | None = None
    drift_steps: int | None = None


@dataclass(frozen=True, slots=True)
class _Opening:
    """What opens the encrypted values of a container."""

    key: bytes = field(repr=False)
    mac_key: bytes = field(repr=False)
    mac_hash: str


class _Encrypted(NamedTuple):
    algorithm: str
    iv_and_ciphertext: bytes


def read_pskc(file: bytes, *, pre_shared_key: bytes | None = None, password: str | None = None) -> tuple[PskcKey, ...]:
    """Return the keys of a container, in the order of the file. Raises BadPskc.

    Give the key or the password that the maker of the file gave, where there is one.
    """
    container = _parsed(file)
    opening = _opening(container, pre_shared_key, password)
    packages = container.findall("p:KeyPackage", _SPACES)
    if not packages:
        raise BadPskc("the file holds no key package")
    return tuple(_numbered(number, package, opening) for number, package in enumerate(packages, 1))


def _parsed(file: bytes) -> Element:
    if len(file) > FILE_BYTES_MAX:
        raise BadPskc(f"the file is larger than {FILE_BYTES_MAX} bytes: split it")
    try:
        text = file.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadPskc("the file is not in UTF-8") from None
    # Nothing else declares an entity. What is looked at here is what is parsed: a string has one encoding.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise BadPskc("the file has a document type: a key container has none")
    try:
        container = ET.fromstring(text)  # noqa: S314 (bounded, and without a document type)
    except ET.ParseError as error:
        raise BadPskc(f"the file is not well-formed XML: see line {error.position[0]}") from None
    if container.tag != f"{{{_SPACES['p']}}}KeyContainer":
        raise BadPskc("the file is no key container as RFC 6030 has it")
    if container.get("Version") != "1.0":
        raise BadPskc("the key container is not of version 1.0")
    return container


def _numbered(number: int, package: Element, opening: _Opening | None) -> PskcKey:
    try:
        return _key(package, opening)
    except BadPskc as error:
        raise BadPskc(f"key package {number}: {error}") from None


def _key(package: Element, opening: _Opening | None) -> PskcKey:
    key = _one(package, "p:Key", "a key")
    key_id = key.get("Id", "").strip()
    if not key_id:
        raise BadPskc("the key has no id")
    profile = _PROFILES.get(key.get("Algorithm", ""))
    if profile is None:
        raise BadPskc("the key is neither for time-based nor for event-based codes")
    return PskcKey(
        key_id=key_id,
        serial=_text(package, "p:DeviceInfo/p:SerialNo"),
        manufacturer=_text(package, "p:DeviceInfo/p:Manufacturer"),
        issuer=_text(key, "p:Issuer"),
        profile=profile,
        seed=_seed(key, opening),
        counter=_number(key, "p:Data/p:Counter"),
        drift_steps=_number(key, "p:Data/p:TimeDrift"),
    )


def _seed(key: Element, opening: _Opening | None) -> Seed:
    response = key.find("p:AlgorithmParameters/p:ResponseFormat", _SPACES)
    if response is not None and response.get("Encoding") != "DECIMAL":
        raise BadPskc("the codes are not made of digits")
    if response is not None and response.get("CheckDigits", "false") not in ("false", "0"):
        raise BadPskc("the codes have a check digit")
    digits = _DIGITS if response is None else _integer(response.get("Length", ""), "the length of codes")
    interval = _number(key, "p:Data/p:TimeInterval")
    step_seconds = _STEP_SECONDS if interval is None else interval
    secret = _secret(_one(key, "p:Data/p:Secret", "a secret"), opening)
    try:
        return Seed(secret, digits=digits, step_seconds=step_seconds, algorithm=_suite(key))
    except ValueError as error:
        raise BadPskc(str(error)) from None


def _suite(key: Element) -> Algorithm:
    said = _text(key, "p:AlgorithmParameters/p:Suite")
    if said is None:
        return "SHA1"
    plain = said.upper().replace("-", "").replace("_", "").removeprefix("HMAC")
    if plain not in _SUITES:
        raise BadPskc("the codes are made by another suite than HMAC-SHA1, HMAC-SHA256 and HMAC-SHA512")
    return _SUITES[plain]


# --- What is encrypted


def _secret(element: Element, opening: _Opening | None) -> bytes:
    plain = element.find("p:PlainValue", _SPACES)
    if plain is not None:
        return _bytes(plain, "the secret")
    encrypted = _encrypted(_one(element, "p:EncryptedValue", "a value"))
    if opening is None:
        raise BadPskc("the secret is encrypted: it takes the file's key or password, and a MAC method in the file")
    mac = _bytes(_one(element, "p:ValueMAC", "a MAC"), "the MAC")
    # Before anything is decrypted: what is not the maker's shows nothing by how it fails.
    if not hmac.compare_digest(mac, hmac.digest(opening.mac_key, encrypted.iv_and_ciphertext, opening.mac_hash)):
        raise BadPskc("the secret's MAC does not fit: the file was changed, or this is not its key or password")
    return _decrypted(encrypted, opening.key)


def _opening(container: Element, pre_shared_key: bytes | None, password: str | None) -> _Opening | None:
    key = pre_shared_key
    derivation = container.find("p:EncryptionKey/xenc11:DerivedKey/xenc11:KeyDerivationMethod", _SPACES)
    if derivation is not None and password is not None:
        key = _derived(derivation, password)
    method = container.find("p:MACMethod", _SPACES)
    if key is None or method is None:
        return None
    _, _, mac_hash = method.get("Algorithm", "").rpartition("#")
    if mac_hash not in _HASHES:
        raise BadPskc("the MACs are not HMACs with SHA-1 or SHA-2")
    mac_key = method.find("p:MACKey", _SPACES)
    opened = key if mac_key is None else _decrypted(_encrypted(mac_key), key)
    return _Opening(key, opened, _HASHES[mac_hash].name)


def _derived(derivation: Element, password: str) -> bytes:
    # The parameters stand under several names of namespaces, by the maker.
    parameters = derivation.find("{*}PBKDF2-params")
    if parameters is None or not derivation.get("Algorithm", "").endswith("#pbkdf2"):
        raise BadPskc("the key is derived from the password by something else than PBKDF2")
    prf = parameters.find("{*}PRF")
    said = "" if prf is None else prf.get("Algorithm") or (prf.text or "").strip()
    hashed = _HASHES.get(said.rpartition("#")[2] or "hmac-sha1")
    salt = parameters.find("{*}Salt/{*}Specified")
    iterations = _integer(parameters.findtext("{*}IterationCount", ""), "the number of iterations")
    length = _integer(parameters.findtext("{*}KeyLength", ""), "the length of the derived key")
    if hashed is None or salt is None or length not in _AES_KEY_BYTES.values():
        raise BadPskc("the key is derived from the password in a way that is not known here")
    if not 1 <= iterations <= ITERATIONS_MAX:
        raise BadPskc(f"the number of iterations is not from 1 to {ITERATIONS_MAX}")
    kdf = PBKDF2HMAC(algorithm=hashed, length=length, salt=_bytes(salt, "the salt"), iterations=iterations)
    return kdf.derive(password.encode())


def _encrypted(element: Element) -> _Encrypted:
    method = _one(element, "xenc:EncryptionMethod", "an encryption method")
    # PBES2 says the cipher within.
    scheme = method.find("{*}EncryptionScheme")
    algorithm = (method if scheme is None else scheme).get("Algorithm", "")
    value = _one(element, "xenc:CipherData/xenc:CipherValue", "a cipher value")
    return _Encrypted(algorithm, _bytes(value, "the cipher value"))


def _decrypted(encrypted: _Encrypted, key: bytes) -> bytes:
    if encrypted.algorithm not in _AES_KEY_BYTES:
        raise BadPskc("a value is encrypted with something else than AES-CBC")
    if len(key) != _AES_KEY_BYTES[encrypted.algorithm]:
        raise BadPskc(f"the key of the file has {_AES_KEY_BYTES[encrypted.algorithm]} bytes, this one has {len(key)}")
    iv, ciphertext = encrypted.iv_and_ciphertext[:_BLOCK_BYTES], encrypted.iv_and_ciphertext[_BLOCK_BYTES:]
    try:
        decryptor = Cipher(AES(key), CBC(iv)).decryptor()
        unpadder = PKCS7(8 * _BLOCK_BYTES).unpadder()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise BadPskc("an encrypted value does not open: this is not the file's key or password") from None


# --- Parts


def _one(element: Element, path: str, what: str) -> Element:
    found = element.findall(path, _SPACES)
    if len(found) != 1:
        raise BadPskc(f"there is not exactly one of what should be {what}")
    return found[0]


def _text(element: Element, path: str) -> str | None:
    return (element.findtext(path, "", _SPACES)).strip() or None


def _number(key: Element, path: str) -> int | None:
    element = key.find(path, _SPACES)
    name = path.rpartition(":")[2]
    if element is None:
        return None
    if element.find("p:EncryptedValue", _SPACES) is not None:
        raise BadPskc(f"{name} is encrypted: only secrets may be, for of other values no form is agreed on")
    return _integer(element.findtext("p:PlainValue", "", _SPACES), name)


def _integer(text: str, what: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise BadPskc(f"{what} is not a whole number")
    return int(text)


def _bytes(element: Element, what: str) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadPskc(f"{what} is not in base64") from None
