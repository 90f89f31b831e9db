"""The tracked modules of the engine's messages are what the sources in `node/protos` give."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from gchain_node._proto import abci_pb2, privval_pb2, types_pb2

NODE = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def build() -> ModuleType:
    pytest.importorskip("grpc_tools", reason="grpcio-tools, which compiles the sources, is not installed")
    spec = importlib.util.spec_from_file_location("build_protos", NODE / "build_protos.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tracked_modules_are_what_the_sources_give(build: ModuleType) -> None:
    assert build.stale() == []


def test_a_changed_source_is_noticed(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "protos").mkdir()
    for source in (NODE / "protos").glob("*.proto"):
        changed = source.read_text().replace("int64 retain_height = 3;", "int64 retain_height = 4;")
        (tmp_path / "protos" / source.name).write_text(changed)
    tracked = tmp_path / build.PACKAGE
    tracked.mkdir(parents=True)
    for module in (NODE / build.PACKAGE).glob("*_pb2.py*"):
        (tracked / module.name).write_bytes(module.read_bytes())
    monkeypatch.setattr(build, "HERE", tmp_path)
    assert "abci_pb2.py" in build.stale()


def test_the_messages_are_in_a_namespace_of_their_own() -> None:
    """Another program in the process may register the engine's own files: names must not clash."""
    for module in (abci_pb2, privval_pb2, types_pb2):
        assert module.DESCRIPTOR.package.startswith("gchain"), module.DESCRIPTOR.package
        assert module.DESCRIPTOR.name.startswith("gchain_node/"), module.DESCRIPTOR.name
