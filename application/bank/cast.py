"""The cast: the first customers of a seed. Each lives a story of its own, and together they tell of every event."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sealbook.application.bank import companies, stories_of_applying, stories_of_endings, stories_of_use
from sealbook.application.bank.telling import Story

Told = Callable[[Story, Sequence[str]], None]


class Part(NamedTuple):
    """A story, and how many customers it takes."""

    story: Told
    customers: int = 1


CAST: tuple[Part, ...] = (
    Part(stories_of_use.settled),
    Part(stories_of_use.lost_and_found),
    Part(stories_of_applying.hard_application),
    Part(stories_of_use.one_time_codes),
    Part(stories_of_applying.fee_paid_late),
    Part(stories_of_endings.company_told, companies.CUSTOMERS),
    Part(stories_of_use.kept_in_the_cloud),
    Part(stories_of_use.kept_up_to_date),
    Part(stories_of_applying.given_up),
    Part(stories_of_applying.refunded),
    Part(stories_of_use.copied),
    Part(stories_of_endings.restricted),
    Part(stories_of_endings.objector),
    Part(stories_of_endings.deceased),
    Part(stories_of_endings.erased),
    Part(stories_of_endings.taken_over, 2),
    Part(stories_of_use.stolen),
    Part(stories_of_endings.phone_retired),
    Part(stories_of_endings.forgotten),
    Part(stories_of_applying.fee_left_open),
    Part(stories_of_use.back_in_the_grace),
)
CUSTOMERS_FOR_ALL = sum(part.customers for part in CAST)
"""With as many customers, and four years, every event of a live system occurs."""
