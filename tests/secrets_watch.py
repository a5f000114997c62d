"""A plugin of pytest: the run fails where a log line, an error, a problem or a metric of any test holds a secret.

The test in which it was seen fails when it has ended, in one line that names the kind of the secret, never itself.
What is written after the last test fails the run. Under `-s`, what the tests' own process prints is not seen.
"""

import re
from collections.abc import Generator, Iterable, Mapping
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter

from tests import secrets_sources
from tests.secrets_heard import Heard, Text
from tests.secrets_known import Kind, Known

PLUGIN = "secrets"
OF_A_CLIENT = re.compile(r"(?m)^.* httpx:.*$")
"""What the tests' own client says of its requests: some tests send secrets where none belongs."""
CAPTURED = "Captured "
"""How the sections of a report begin in which the captured output of a test is."""
AT_THE_END = "the end of the run"


class Watch:
    """Listens while tests run, and looks for what is secret when each has ended."""

    def __init__(self) -> None:
        self._known, self._heard = Known(), Heard()
        self._patches = pytest.MonkeyPatch()
        self._late = list[str]()

    def begin(self, secrets: Mapping[str | bytes, Kind]) -> None:
        for value, kind in secrets.items():
            self._known.learn(kind, value)
        secrets_sources.listen(self._known, self._heard, self._patches.setattr)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: "pytest.CallInfo[Any]"
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "teardown":
            for heading, content in report.sections:
                if heading.startswith(CAPTURED):
                    self._heard.add(heading.removeprefix(CAPTURED), OF_A_CLIENT.sub("", content))
            found = list(self._found(item.nodeid, self._heard.take()))
            self._known.end_test()
            if found:
                # Not the sections: the secret is in them.
                report.outcome, report.longrepr, report.sections = "failed", "\n".join(found), []
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._late += self._found(AT_THE_END, self._heard.take())
        if self._late:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        for line in self._late:
            terminalreporter.write_line(line, red=True)

    def pytest_unconfigure(self) -> None:
        self._patches.undo()

    def _found(self, test: str, texts: Iterable[Text]) -> Iterable[str]:
        for place, content in texts:
            for kind, line, before in self._known.find(content):
                yield f"{test}: a secret ({kind}) stands in {place}, line {line}, after {before!r}"


def begin(config: pytest.Config, *, secrets: Mapping[str | bytes, Kind]) -> None:
    """Have the run watched, unless it is already. `secrets` are those that were made before."""
    if not config.pluginmanager.has_plugin(PLUGIN):
        watch = Watch()
        watch.begin(secrets)
        config.pluginmanager.register(watch, PLUGIN)
