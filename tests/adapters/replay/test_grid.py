"""Sweeps: what a grid may say, what is refused in one line, and the frontier."""

import pytest

from sealbook.adapters.replay.grid import BadGrid, frontier, grid_of, swept
from tests.adapters.replay.bank import D


def test_a_range_goes_in_steps_and_ends_with_the_last_that_fits() -> None:
    grid = grid_of("validity=P1Y:P3Y:P6M,grace=P0D:P20D:P1W,min_uses=1:5:2")

    assert grid == {
        "validity": ["P1Y", "P1Y6M", "P2Y", "P2Y6M", "P3Y"],
        "grace": ["P0D", "P7D", "P14D"],
        "min_uses": [1, 3, 5],
    }


def test_values_may_be_listed() -> None:
    grid = grid_of("renew_on=use|expiry,usage_since=eligible|P6M,max_renewals=1|3,validity=P18M")

    assert grid == {
        "renew_on": ["use", "expiry"],
        "usage_since": ["eligible", "P6M"],
        "max_renewals": [1, 3],
        "validity": ["P1Y6M"],
    }


def test_a_sweep_is_the_cross_product_over_the_base() -> None:
    policies = swept(D, grid_of("validity=P2Y:P3Y:P1Y,eligible_after=P6M|P1Y"))

    assert list(policies) == [
        "validity=P2Y,eligible_after=P6M",
        "validity=P2Y,eligible_after=P1Y",
        "validity=P3Y,eligible_after=P6M",
        "validity=P3Y,eligible_after=P1Y",
    ]
    assert policies["validity=P2Y,eligible_after=P1Y"] == D
    assert {str(each.validity) for each in policies.values()} == {"P2Y", "P3Y"}


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("validity", "not a field and its values"),
        ("validity=", "not a field and its values"),
        ("", "not a field and its values"),
        ("colour=P1Y", "no field 'colour' to sweep"),
        ("policy_id=A|B", "no field 'policy_id'"),
        ("validity=P1Y,validity=P2Y", "validity stands twice"),
        ("validity=P1Y|P1Y", "holds a value twice"),
        ("validity=P1Y:P5Y", "is not FIRST:LAST:STEP"),
        ("calendar=a:b:c", "is not FIRST:LAST:STEP"),
        ("validity=P5Y:P1Y:P6M", "from the smaller to the larger"),
        ("validity=P1Y:P5Y:P0D", "in steps above nothing"),
        ("validity=P1Y|P12M", "holds a value twice"),
        ("grace=P1D:P9D:P0D", "in steps above nothing"),
        ("grace=P1D:P1M:P1D", "mixes months with days"),
        ("validity=soon:P5Y:P1Y", "'soon' is not a period"),
        ("validity=soon", "'soon' is not a period"),
        ("min_uses=one:2:1", "'one' is not a whole number"),
        ("min_uses=-1|2", "'-1' is not a whole number"),
        (f"min_uses={'9' * 5000}", "9999' is not a whole number of up to nine digits"),
        ("min_uses=1:99999999:1", "alone has more than 10,000 values"),
        ("validity=P1M:P120M:P1M,eligible_after=P1M:P120M:P1M", "14,400 policies are more than 10,000"),
    ],
)
def test_a_bad_grid_is_refused_in_one_line(text: str, needle: str) -> None:
    with pytest.raises(BadGrid) as refused:
        grid_of(text)

    assert needle in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("calendar=lunar", "calendar=lunar over D@1: calendar"),
        ("renew_on=request", "renew_on 'request' needs a request_window"),
        ("validity=P0D", "a validity of no time"),
        ("usage_since=P6M,min_uses=16|17", "min_uses is at most 16"),
    ],
)
def test_an_impossible_combination_is_named(text: str, needle: str) -> None:
    with pytest.raises(BadGrid) as refused:
        swept(D, grid_of(text))

    assert needle in str(refused.value)


def test_the_frontier_keeps_what_nothing_beats() -> None:
    points = [
        ("beaten", 5, 5),
        ("least x", 1, 9),
        ("same", 3, 4),
        ("same again", 3, 4),
        ("worse y", 3, 6),
        ("same y", 4, 4),
        ("y", 8, 1),
    ]

    assert frontier(points) == ["least x", "same", "same again", "y"]
    assert frontier([]) == []
