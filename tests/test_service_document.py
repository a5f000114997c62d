"""docs/service.md knows every setting."""

from pathlib import Path

import pytest

from sealbook.settings import Settings
from tests.test_docs import rows

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "service.md"


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_has_its_row(setting: str) -> None:
    told = {
        name
        for row in rows(DOCUMENT.read_text(encoding="utf-8"), "variable", "default")
        for name in row.words("variable")
    }

    assert f"SEALBOOK_{setting.upper()}" in told
