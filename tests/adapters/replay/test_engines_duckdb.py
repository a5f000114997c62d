"""A database, which knows nothing of this code, counts the same renewals and lock-outs where one use renews."""

import duckdb
import numpy as np
import pytest

from sealbook.adapters.replay.bitmap import BitmapEngine
from sealbook.adapters.replay.contract import Behavior, Engine, Mode, Question
from sealbook.adapters.replay.csr import CsrEngine
from sealbook.adapters.replay.moments import DAY_SECONDS
from sealbook.domain.policy_document import RenewalPolicy
from tests.adapters.replay.histories import Attempt, Chain, partition_of

COUNTED = """
WITH lived AS (
    SELECT chain, list_reduce(
        list_prepend(
            {{'start': issued, 'used': issued, 'renewals': 0, 'lockouts': 0}},
            list_transform(uses, lambda used: {{'start': used, 'used': used, 'renewals': 0, 'lockouts': 0}})
        ),
        lambda was, now: CASE
            WHEN now.used >= was.start + INTERVAL '{validity} months' + INTERVAL 1 DAY THEN
                {{'start': now.used, 'used': now.used, 'renewals': was.renewals, 'lockouts': was.lockouts + 1}}
            WHEN now.used >= was.start + INTERVAL '{opens} months' + INTERVAL 1 DAY THEN
                {{'start': now.used, 'used': now.used, 'renewals': was.renewals + 1, 'lockouts': was.lockouts}}
            ELSE {{'start': was.start, 'used': now.used, 'renewals': was.renewals, 'lockouts': was.lockouts}}
        END
    ) AS last FROM histories
)
SELECT last.renewals, last.lockouts FROM lived ORDER BY chain
"""
"""Days are dates here, so the day after a period of whole months is where it has ended."""


@pytest.mark.parametrize("engine", [CsrEngine(), BitmapEngine()])
@pytest.mark.parametrize(("validity", "opens"), [(24, 12), (12, 1), (1, 0), (6, 3)])
def test_a_database_counts_the_same(engine: Engine, validity: int, opens: int) -> None:
    random = np.random.default_rng(validity)
    issues = random.integers(7_000, 7_500, 200)
    # Rare and frequent users: a tenth of a use a month to ten.
    histories = [
        np.sort(issued + random.integers(0, 2_000, random.poisson(65 * 10 ** random.uniform(-1, 1)))).tolist()
        for issued in issues
    ]
    chains = [
        Chain(
            issued_at=int(issued) * DAY_SECONDS,
            then=tuple(Attempt(at=day * DAY_SECONDS + 3_600) for day in days),
        )
        for issued, days in zip(issues, histories, strict=True)
    ]
    policy = RenewalPolicy.model_validate(
        {
            "policy_id": "P",
            "validity": f"P{validity}M",
            "renew_on": "use",
            "eligible_after": f"P{opens}M",
        }
    )
    question = Question(
        policies=(),
        until=10_000 * DAY_SECONDS,
        exposed_after_days=90,
        behavior=Behavior(mode=Mode.RETURN),
        first_month=200,
        months=150,
    )
    [made] = engine.replay(partition_of(chains), [policy], question)
    with duckdb.connect() as database:
        database.execute("CREATE TABLE histories (chain INTEGER, issued DATE, uses DATE[])")
        for number, (issued, days) in enumerate(zip(issues.tolist(), histories, strict=True)):
            database.execute(
                "INSERT INTO histories SELECT ?, DATE '2000-01-01' + ?::INTEGER,"
                " list_transform(?::INTEGER[], lambda day: DATE '2000-01-01' + day)",
                [number, issued, days],
            )
        counted = database.execute(COUNTED.format(validity=validity, opens=opens)).fetchall()
    assert made.renewals.sum() > 0
    assert made.lockouts.sum() > 0
    assert list(zip(made.renewals.tolist(), made.lockouts.tolist(), strict=True)) == counted
