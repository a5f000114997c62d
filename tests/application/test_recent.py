"""What was asked for last is kept, the rest goes."""

from sealbook.application.recent import Recent


def test_the_last_ones_are_kept_and_no_more_than_twice_as_many() -> None:
    recent = Recent[int, str](10)

    for number in range(1_000):
        recent.put(number, str(number))

    kept = [number for number in range(1_000) if recent.get(number) is not None]
    assert set(range(990, 1_000)) <= set(kept)
    assert len(kept) <= 20


def test_what_is_asked_for_stays() -> None:
    recent = Recent[int, str](10)
    recent.put(-1, "wanted")

    for number in range(1_000):
        recent.put(number, str(number))
        assert recent.get(-1) == "wanted"
