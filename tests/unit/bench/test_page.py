"""The page of measurements and its charts are made of whatever parts have been measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import page
from bench.chart import Line, line_chart
from bench.parts import PARTS

LOAD = {"offered": 200.0, "committed": 199.0, "p50": 0.5, "p95": 0.8, "p99": 0.9}
SIDE = {
    "loads": [LOAD, LOAD | {"offered": 400.0, "committed": 310.0}],
    "best": 310.0,
    "cpu": {"app": 1000.0, "engine": 900.0, "load": 100.0},
    "catch_up": {"blocks": 40, "transactions": 4000, "seconds": 2.0},
}
ROW = {
    "keys": 1000, "commit_p50": 8.0, "commit_mean": 8.5, "commit_p95": 9.0, "commit_p99": 9.5, "plain_p50": 2.0,
    "plain_mean": 2.5, "proof_p50": 0.1,
    "proof_p99": 0.2, "start": 2.0, "disk": 5.0, "plain_disk": 4.0, "memory": 40.0,
}  # fmt: skip
CUTS = {"p50_ms": 0.5, "p99_ms": 1.5}
FIGURES: dict[str, dict[str, Any]] = {
    "ledger": {
        "seconds": 10.0,
        "size": 292,
        "signature": 80.0,
        "cores": 2,
        "ours": SIDE,
        "theirs": SIDE | {"best": 620.0},
        "mixed": SIDE,
    },
    "embedded": {"transactions": 10, "blocks": 2, "rate": 3000.0, "sqlite_rate": 9000.0, "p50": 1, "p95": 2, "p99": 3},
    "dev": {"first": [0.8, 0.9], "again": [0.7, 0.8], "built_in": [1.5, 2.0]},
    "state": {"rows": [ROW, ROW | {"keys": 1_000_000}]},
    "receipts": {"p50": 0.8, "p95": 0.9, "p99": 1.0, "bytes": 4000, "signature": 0.1},
    "signer": {
        "rounds": 10,
        "signatures": {"p256": {"bare": CUTS}, "ed25519": {"bare": CUTS, "journalled": CUTS, "file_signer": CUTS}},
        "slow": [{"delay_ms": 100, "blocks": 60, "missed": 0, "seconds": 55.0}],
    },
    "growth": {"minutes": 1, "transactions": 100, "readings": [[number, 60.0] for number in range(20)]},
    "gate": {
        "rules": [
            {"resources": size, "rules": 103, "seconds": size / 4000, "findings": 2 * size, "memory": 60.0}
            for size in (2500, 10_000)
        ],
        "sweep": {
            "resources": 500,
            "regions": 18,
            "calls": 2000,
            "services": {"s3": 900},
            "seconds": 30.0,
            "cpu": 9.0,
            "judged": 1.0,
        },
        "preview": {"resources": 116, "without": [10.0, 11.0], "with": [13.0, 12.0], "ratio": 1.19},
    },
    "sandbox": {
        "stages": {"toolchain": 0.2},
        "second": {"up, no changes": 5.0},
        "memory": [{"host": "validator-1", "programs": {"cometbft": 60.0}, "total": 60.0}],
        "loads": [[100.0, 99.0, 0.5, 0.8, 0.9]],
        "policy": {"resources": 10, "rules": 60, "seconds": 0.9},
    },
}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, path in (("PAGE", "page.md"), ("_FIGURES", "figures"), ("_IMAGES", ".")):
        monkeypatch.setattr(page, name, tmp_path / path)
    return tmp_path


def measured(*names: str) -> None:
    for name in names:
        about = {"date": "2026-11-26", "machine": "2 cores", "load_before": 0.1, "took": 1.0}
        page.save(name, json.loads(json.dumps(about | FIGURES[name])))
    page.write()


def test_each_part_has_a_section_with_the_command_that_makes_it(written: Path) -> None:
    measured(*FIGURES)
    text = (written / "page.md").read_text()
    assert FIGURES.keys() == PARTS.keys()
    for name in PARTS:
        assert f"`python -m bench {name}`, 2026-11-26" in text
    assert "**50 %**" in text
    for image in ("throughput.svg", "state.svg"):
        ElementTree.parse(written / image)  # noqa: S314 -- our own file
        assert f"images/{image}" in text


def test_a_part_that_was_not_measured_is_left_out(written: Path) -> None:
    measured("receipts")
    text = (written / "page.md").read_text()
    assert "Verifying a receipt" in text
    assert "embedded" not in text


def test_a_chart_names_its_lines_and_axes(written: Path) -> None:
    chart = line_chart("Speed & size", "keys", "ms", [Line("ours", [(1, 2), (1000, 4)])], log_x=True)
    texts = [element.text for element in ElementTree.fromstring(chart).iter() if element.text]  # noqa: S314 -- our own
    assert {"Speed & size", "keys", "ms", "ours", "1k"} <= set(texts)
