"""Whom a webhook may call: nobody inside, however the address is written."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealbook.adapters.webhooks.addresses import NotReachable, Reach

REFUSED = (
    *("127.0.0.1", "127.255.255.254", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "0.1.2.3"),
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "203.0.113.9"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    *("fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1", "5f00::1"),
)
PUBLIC = ("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1")


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused_even_beside_what_is(address: str) -> None:
    for found in ([address], ["8.8.8.8", address], [address, "2606:4700::1111"]):
        with pytest.raises(NotReachable, match="may not be called"):
            Reach().check_addresses(found)


def test_what_is_public_is_allowed() -> None:
    Reach().check_addresses(PUBLIC)
    with pytest.raises(NotReachable, match="no address"):
        Reach().check_addresses([])


def test_networks_are_allowed_by_name_and_no_others() -> None:
    reach = Reach(networks=(ip_network("10.20.0.0/16"), ip_network("fd12::/64")))
    reach.check_addresses(["10.20.3.4", "fd12::7", "8.8.8.8"])
    for address in ("10.21.0.1", "fd12:0:0:1::7", "::ffff:10.20.3.4"):
        with pytest.raises(NotReachable):
            reach.check_addresses([address])


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_whatever_is_allowed_is_global_to_the_library_too(address: IPv4Address | IPv6Address) -> None:
    try:
        Reach().check_addresses([str(address)])
    except NotReachable:
        return
    assert ip_address(str(address)).is_global
    assert not address.is_multicast


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.bank.example/in", "begin with https://"),
        ("ftp://hooks.bank.example/in", "begin with https://"),
        ("hooks.bank.example", "begin with https://"),
        ("", "must be a URL"),
        ("https://user@hooks.bank.example/", "no user"),
        ("https://user:secret@hooks.bank.example/", "no user"),
        ("https://hooks.bank.example/#part", "no fragment"),
        ("https://", "name a host"),
        ("https:///path", "name a host"),
        ("https://hooks%2ebank.example/", "name a host"),
        ("https://hooks.bank.example./", "name a host"),
        ("https://hooks.bank.example:8443/", "port that is allowed: 443"),
        ("https://hooks.bank.example:22/", "port that is allowed: 443"),
        ("https://hooks.bank.example:0/", "port that is allowed: 443"),
        ("https://hooks.bank.example:99999999/", "port that is allowed: 443"),
        ("https://hooks.bank.example\\@inside/", "must be a URL"),
        ("https://hooks.bank.example/a b", "must be a URL"),
        ("https://hooks.bank.example/\r\nX-Evil: 1", "must be a URL"),
        ("https://hooks.bank.example/\u00e9", "must be a URL"),
        ("https://hooks.bank.example/" + "a" * 2_048, "must be a URL"),
        ("https://[::1", "is no URL"),
        ("https://xn--a.example/", "is no URL"),
        ("https://xn--.bank.example/", "is no URL"),
    ],
)
def test_a_url_is_refused_with_a_reason_that_repeats_nothing_of_it(url: str, why: str) -> None:
    with pytest.raises(NotReachable, match=why) as raised:
        Reach().check_url(url)
    assert "bank" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_url_may_have_what_is_allowed() -> None:
    assert Reach().check_url("https://hooks.bank.example/in?who=ledger").host == "hooks.bank.example"
    assert Reach(ports=frozenset({8443})).check_url("https://[2606:4700::1111]:8443/").host == "2606:4700::1111"
    plain = Reach(plain_http=True, ports=frozenset({80}))
    assert plain.check_url("http://hooks.bank.example/").scheme == "http"
    with pytest.raises(NotReachable, match="port"):
        plain.check_url("https://hooks.bank.example/")


@given(st.text(max_size=60) | st.text(max_size=40).map("https://".__add__))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    try:
        assert Reach().check_url(text).scheme == "https"
    except NotReachable as refused:
        assert str(refused)  # noqa: PT017 (either is right)
