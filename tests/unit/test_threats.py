"""The threat model names tests; those tests exist."""

from __future__ import annotations

import re

from gchain.workspace import REPOSITORY


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (REPOSITORY / "docs" / "threats.md").read_text()))
    sources = [path for root in ("tests", "node/tests") for path in (REPOSITORY / root).rglob("test_*.py")]
    defined = {name for path in sources for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    assert len(named) > 20
    assert named - defined == set()
