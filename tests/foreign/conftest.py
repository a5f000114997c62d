"""Programs around packages that others wrote; each takes questions and says what it refuses. See `install`."""

import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from tests.adapters.seal.made_log import MadeLog

HERE = Path(__file__).parent
GO_PATH = Path("/usr/share/gocode")
SIZE = 700

Question = dict[str, object]
Answers = list[dict[str, Any]]
Checker = Callable[[Sequence[Question]], Answers]


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Checker:
    if not shutil.which("go") or not (GO_PATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("Go and its package x/mod are not here: tests/foreign/install brings them")
    folder = tmp_path_factory.mktemp("go")
    # Built without the network: the packages are Debian's.
    building = {"GO111MODULE": "off", "GOPATH": str(GO_PATH), "GOFLAGS": "", "GOCACHE": str(folder / "cache")}
    command = ["go", "build", "-o", str(folder / "checker"), str(HERE / "checker.go")]
    subprocess.run(command, env={**os.environ, **building}, check=True)
    return lambda questions: answered([str(folder / "checker")], questions)


@pytest.fixture(scope="session")
def javascript() -> Checker:
    folder = os.environ.get("SEALBOOK_FOREIGN")
    if folder is None or not (Path(folder) / "node_modules/@sigstore/verify").is_dir() or not shutil.which("node"):
        pytest.skip("@sigstore/verify is not here: tests/foreign/install brings it to where SEALBOOK_FOREIGN says")
    return lambda questions: answered(["node", str(HERE / "checker.js"), folder], questions)


@pytest.fixture
def log(tmp_path: Path) -> MadeLog:
    made = MadeLog(tmp_path / "log")
    made.grown(SIZE)
    return made


def answered(command: Sequence[str], questions: Sequence[Question]) -> Answers:
    said = "".join(json.dumps(each, default=as_base64) + "\n" for each in questions)
    run = subprocess.run(command, input=said, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    answers = [cast("dict[str, Any]", json.loads(line)) for line in run.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers


def as_base64(value: object) -> str:
    assert isinstance(value, bytes)
    return b64encode(value).decode()
