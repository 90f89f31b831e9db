#!/usr/bin/env python3
"""Compile `protos/*.proto` to `gchain_node/_proto/*_pb2.py` and `.pyi` (needs grpcio-tools; the result is tracked).

`build_protos.py --check` changes nothing and ends with status 1 if the tracked files are not what the sources give.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = Path("gchain_node") / "_proto"
# protoc writes constructors that take a bare Mapping
STUB_HEADER = '# mypy: disable-error-code="type-arg"\n'


def compile_protos(destination: Path) -> list[Path]:
    """Write the modules of every proto file under `destination / PACKAGE`; their paths.

    The sources are mapped to the import path of the package, so that generated modules import each other by it.
    """
    from grpc_tools import protoc

    sources = sorted(path.name for path in (HERE / "protos").glob("*.proto"))
    well_known = Path(protoc.__file__).parent / "_proto"
    destination.mkdir(parents=True, exist_ok=True)
    status = protoc.main(
        [
            "protoc",
            f"-I{PACKAGE.as_posix()}={HERE / 'protos'}",
            f"-I{well_known}",
            f"--python_out={destination}",
            f"--pyi_out={destination}",
            *((PACKAGE / name).as_posix() for name in sources),
        ]
    )
    if status != 0:
        raise SystemExit(f"protoc ended with status {status}")
    for stub in (destination / PACKAGE).glob("*_pb2.pyi"):
        stub.write_text(STUB_HEADER + stub.read_text())
    return sorted((destination / PACKAGE).glob("*_pb2.py*"))


def stale() -> list[str]:
    """Names of generated modules that differ from what the sources give now."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = {path.name: path.read_bytes() for path in compile_protos(Path(scratch))}
    tracked = {path.name: path.read_bytes() for path in (HERE / PACKAGE).glob("*_pb2.py*")}
    return sorted(name for name in fresh.keys() | tracked.keys() if fresh.get(name) != tracked.get(name))


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        names = stale()
        for name in names:
            print(f"{PACKAGE / name} is not what protos/ gives: run build_protos.py", file=sys.stderr)
        return 1 if names else 0
    for path in compile_protos(HERE):
        print(path.relative_to(HERE))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
