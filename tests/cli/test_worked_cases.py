"""The worked cases of the renewal rules, through a what-if on a facts file."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import sealbook
from tests.cli.written import write
from tests.test_oracle import CASES, SAMPLE, Row, facts_of, moment, policy_of, rows

Asked = tuple[str, str]
"""A policy and a moment."""


def by_question(cases: Iterable[Row]) -> dict[Asked, list[Row]]:
    found: dict[Asked, list[Row]] = defaultdict(list)
    for row in cases:
        found[row["policy"], row["as_of"]].append(row)
    return found


QUESTIONS = by_question(CASES)


class CaseFiles:
    """The facts file of some cases and the policies that it names, each in a file of its own."""

    def __init__(self, folder: Path, policy: str) -> None:
        self._folder = folder
        self.policies = {policy: "P"}

    def lines(self, row: Row) -> Iterable[Mapping[str, Any]]:
        for fact in facts_of(row["issued_at"], row["facts"]):
            line = {**fact, "at": fact["at"].isoformat(), "credential": row["case_id"]}
            if "policy" in fact:
                line["policy"] = self.policies.setdefault(fact["policy"], f"O{len(self.policies)}")
            yield line

    def asked(self, cases: list[Row]) -> list[str]:
        facts = [json.dumps(line) for row in cases for line in self.lines(row)]
        write(self._folder / "facts.jsonl", "\n".join(facts) + "\n")
        options: list[str] = []
        for text, policy_id in self.policies.items():
            write(self._folder / f"{policy_id}.json", json.dumps({**policy_of(text), "policy_id": policy_id}))
            options += ["--policy", f"{policy_id}.json"]
        return ["whatif", "--facts", "facts.jsonl", *options, "--each", "--json", "--as-of", cases[0]["as_of"]]


def check(folder: Path, policy: str, cases: list[Row], *, expires_at: str) -> None:
    said = sealbook(*CaseFiles(folder, policy).asked(cases))

    assert said.code == 0, said.err
    found = {row["credential"]: row for row in said.rows if row["policy"] == "P"}
    assert list(found) == [row["case_id"] for row in cases]
    for row in cases:
        got = found[row["case_id"]]
        assert (got["state"], got["auto_renewal"]) == (row["state"], row["auto_renewal"]), row["case_id"]
        assert moment(got["expires_at"] or "") == moment(row[expires_at]), row["case_id"]
        assert moment(got["eligible_from"] or "") == moment(row["eligible_from"]), row["case_id"]
        renewed = [datetime.fromisoformat(each) for each in row["renewed_at"].split(";") if each]
        assert [datetime.fromisoformat(each) for each in got["renewed_at"]] == renewed, row["case_id"]


@pytest.mark.parametrize("asked", QUESTIONS, ids=[cases[0]["case_id"] for cases in QUESTIONS.values()])
def test_the_cases_of_one_policy_and_moment_come_out_as_reasoned(folder: Path, asked: Asked) -> None:
    check(folder, asked[0], QUESTIONS[asked], expires_at="expires_at")


@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared data folder is not beside the repository")
def test_the_sample_cases_come_out_as_reasoned(folder: Path) -> None:
    sample = [{**row, "facts": row["events"].replace("use@", "used@")} for row in rows(SAMPLE)]

    for (policy, _), cases in by_question(sample).items():
        check(folder, policy, cases, expires_at="expires_at_exclusive")
