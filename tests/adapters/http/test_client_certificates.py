"""Client certificates by a proxy: who may say so, and what counts as one."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.http.client_certificates import (
    HEADER_CHARACTERS_MAX,
    BadClientCertificate,
    BadProxyAddress,
    ClientCertificates,
    thumbprint,
)

CERTIFICATE = bytes(range(200))
SAID = f":{base64.b64encode(CERTIFICATE).decode()}:"
PROXY = "10.0.0.7"
TRUSTING = ClientCertificates(["10.0.0.0/28", "fd00::7", "unix"])


def test_the_thumbprint_is_that_of_rfc_8705() -> None:
    expected = base64.urlsafe_b64encode(hashlib.sha256(CERTIFICATE).digest()).decode().rstrip("=")
    assert TRUSTING.thumbprint(PROXY, [SAID]) == expected == thumbprint(CERTIFICATE)
    assert len(expected) == 43


@pytest.mark.parametrize("peer", [PROXY, "::ffff:10.0.0.7", "fd00::7", "fd00:0::0007", None])
def test_a_proxy_is_known_by_its_address_however_written(peer: str | None) -> None:
    assert TRUSTING.thumbprint(peer, [SAID]) == thumbprint(CERTIFICATE)


@pytest.mark.parametrize("peer", ["10.0.0.16", "11.0.0.7", "127.0.0.1", "::1", "fd00::8", "proxy", "10.0.0.7, 1.2.3.4"])
def test_from_anywhere_else_the_header_is_ignored(peer: str) -> None:
    assert TRUSTING.thumbprint(peer, [SAID]) is None
    assert TRUSTING.thumbprint(peer, ["nonsense", SAID]) is None


def test_nobody_is_trusted_unless_configured() -> None:
    for peer in (PROXY, "127.0.0.1", "::1", None, ""):
        assert ClientCertificates([]).thumbprint(peer, [SAID]) is None
    assert ClientCertificates([PROXY]).thumbprint(None, [SAID]) is None


@pytest.mark.parametrize("headers", [[], [""], ["  "]])
def test_a_proxy_may_say_that_there_is_no_certificate(headers: list[str]) -> None:
    assert TRUSTING.thumbprint(PROXY, headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        [SAID, SAID],
        [f"{SAID}, {SAID}"],
        [f"{SAID};a=1"],
        [SAID[1:]],
        [SAID[:-1]],
        [":"],
        ["::"],
        [":=:"],
        [":AAA:"],
        [":AA A:"],
        [":AA\n==:"],
        [":_-_-:"],
        [":\u00e9AAA:"],
        ["-----BEGIN CERTIFICATE-----"],
        [f":{'A' * HEADER_CHARACTERS_MAX}:"],
    ],
)
def test_what_is_not_one_byte_sequence_is_refused(headers: list[str]) -> None:
    with pytest.raises(BadClientCertificate) as refused:
        TRUSTING.thumbprint(PROXY, headers)
    assert all(len(each) < 5 or each not in str(refused.value) for each in headers)


@given(text=st.text(max_size=60))
def test_any_text_ends_in_an_answer(text: str) -> None:
    try:
        said = TRUSTING.thumbprint(PROXY, [text])
    except BadClientCertificate:
        return
    assert said is None or len(said) == 43


@pytest.mark.parametrize("address", ["proxy.example", "10.0.0.7/24", "10.0.0.256", "", "0.0.0.0/33"])
def test_what_is_no_address_cannot_be_configured(address: str) -> None:
    with pytest.raises(BadProxyAddress, match="no proxy's address"):
        ClientCertificates([address])
