"""The gate on a host holds waivers against the officers that its own node knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gchain_node.errors import ApiError
from gchain_node.keys.public import public_der
from policies import gate, waivers
from tests.unit.policies.test_gate import config


def test_a_waiver_counts_by_the_officers_that_the_node_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agreed: dict[str, Any], members: dict[str, Any]
) -> None:
    """`health`'s key stands for a new one of treasury's officer; without an answer those of genesis count."""
    old, new = members["treasury"].keys["officer"], members["health"].keys["officer"]
    words = {"reason": "the host is replaced in spring", "compensating_control": "nobody but two people logs in"}
    document = waivers.draft("treasury", "HRD-011", "account/User/ci", **words, days=30)
    entry = {"name": "treasury", "officers": [{"name": "officer", "public_key": public_der(new.public_key)}]}

    def counted(key: Any, answers: dict[str, Any] | None) -> int:
        class Node(gate.Client):
            def query(self, path: str, **_: Any) -> Any:
                if answers is None:
                    raise ApiError("away", status=503)
                return type("Answer", (), {"value": answers.get(path)})()

        monkeypatch.setattr(gate, "Client", Node)
        return len(gate._granted(config(tmp_path), [waivers.sign(document, key)], agreed)[0])

    assert counted(old, None) == counted(new, {"members/treasury": entry}) == 1
    assert counted(new, None) == counted(old, {"members/treasury": entry}) == 0
