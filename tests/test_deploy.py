"""What is deployed: units that systemd takes and that expose little, an image whose recipe has no finding."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sealbook.settings import Settings
from tests.cli.terminal import sealbook

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
UNITS = sorted(path.name for path in DEPLOY.glob("*.service"))
EXPOSURE_MAX = 1.5
INSTALLED = "/opt/sealbook/bin/sealbook"


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd is not installed")
    return found


def ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"},
    )


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_the_unit(unit: str, systemd_analyze: str, tmp_path: Path) -> None:
    """Nothing is installed here, so another program stands for the one that the unit starts."""
    text = (DEPLOY / unit).read_text(encoding="utf-8")
    assert INSTALLED in text
    (tmp_path / unit).write_text(text.replace(INSTALLED, sys.executable), encoding="utf-8")

    done = ran(systemd_analyze, "verify", tmp_path / unit)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_exposes_little(unit: str, systemd_analyze: str) -> None:
    done = ran(systemd_analyze, "security", "--offline=yes", f"--threshold={EXPOSURE_MAX * 10:.0f}", DEPLOY / unit)

    assert done.returncode == 0, done.stdout
    told = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert told is not None
    assert float(told[1]) <= EXPOSURE_MAX


def test_both_listen_where_the_service_does() -> None:
    said = re.search(r"--port .*?default: (\d+)", sealbook("serve", "--help").out, re.DOTALL)
    assert said is not None

    recipe, unit = ((DEPLOY / name).read_text(encoding="utf-8") for name in ("Dockerfile", "sealbook.service"))
    named = re.findall(r"^EXPOSE (\d+)$|127\.0\.0\.1:(\d+)/livez", recipe, re.MULTILINE)
    ports = {port for each in named for port in each if port} | set(
        re.findall(r"^SocketBindAllow=tcp:(\d+)$", unit, re.MULTILINE)
    )
    assert ports == {said[1]}


def test_the_images_recipe_has_no_finding() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    hadolint = str(beside) if beside.exists() else shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")

    done = ran(hadolint, "--failure-threshold", "style", DEPLOY / "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_runs_as_nobody_special_and_is_asked_whether_it_lives() -> None:
    last = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")[-1]

    assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK (?:.*\\\n)*.*/livez", last, re.MULTILINE)


def test_the_image_gets_every_layer_and_nothing_else() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)

    assert {name for line in copied for name in line.split()} == allowed
    assert {"domain", "projections", "application", "adapters", "sealbook"} <= allowed
    assert all((DEPLOY.parent / name).exists() for name in allowed)


def test_the_example_names_settings_that_there_are() -> None:
    text = (DEPLOY / "sealbook.env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?SEALBOOK_([A-Z0-9_]+)=", text, re.MULTILINE))

    assert named
    assert named <= {name.upper() for name in Settings.model_fields}
    assert "password=" not in text
