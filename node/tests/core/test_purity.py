"""The state machine's sources: nothing in them can know the clock, chance, the machine or the order of a set."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gchain_node

PACKAGE = Path(gchain_node.__file__).parent
BEGIN = ("gchain_node.app",)
# What the state machine uses, but is not part of: the database under it, the memory of good signatures (a lock), and
# readers of keys and certificates, which have parts for making them, too.
OUTSIDE = {"gchain_node.store", "gchain_node.verified", "gchain_node.snapshots", "gchain_node.tls"}
FORBIDDEN_MODULES = {
    "asyncio", "datetime", "fractions", "httpx", "locale", "multiprocessing", "os", "pathlib", "platform", "queue",
    "random", "secrets", "select", "socket", "sqlite3", "statistics", "subprocess", "sys", "tempfile", "time", "uuid",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "float", "hash", "id", "input", "open", "print", "round", "urandom"}


def path_of(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def closure() -> dict[str, ast.Module]:
    """The state machine's modules, found by following imports from `app.py`."""
    found: dict[str, ast.Module] = {}
    waiting = list(BEGIN)
    while waiting:
        module = waiting.pop()
        path = path_of(module)
        if path is None or module in found or module in OUTSIDE or not module.startswith("gchain_node"):
            continue
        if module.startswith("gchain_node.keys") and module not in (
            "gchain_node.keys.public",
            "gchain_node.keys.possession",
        ):
            continue
        found[module] = ast.parse(path.read_text())
        waiting += imports(found[module])
    return found


CLOSURE = closure()


def test_the_closure_is_the_state_machine() -> None:
    for name in ("app", "tx", "cbor", "state", "delivery", "replay", "tree", "verdict", "validators", "modules.golive"):
        assert f"gchain_node.{name}" in CLOSURE
    assert not [name for name in CLOSURE if name.startswith(("gchain_node.api", "gchain_node.engine"))]


@pytest.mark.parametrize("module", sorted(CLOSURE))
def test_no_module_of_the_state_machine_reaches_outside(module: str) -> None:
    found = {name.split(".")[0] for name in imports(CLOSURE[module])} & FORBIDDEN_MODULES
    assert not found, f"{module} imports {sorted(found)}"


@pytest.mark.parametrize("module", sorted(CLOSURE))
def test_no_module_of_the_state_machine_computes_with_floats_or_asks_the_machine(module: str) -> None:
    problems = []
    for node in ast.walk(CLOSURE[module]):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            problems.append(f"line {node.lineno}: the float {node.value}")
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            problems.append(f"line {node.lineno}: a division that gives a float")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            problems.append(f"line {node.lineno}: {node.func.id}()")
    assert not problems, f"{module}: {problems}"


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("set", "frozenset")
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor | ast.Sub)
        and (_is_set(node.left) or _is_set(node.right))
    )


@pytest.mark.parametrize("module", sorted(CLOSURE))
def test_no_module_of_the_state_machine_goes_through_a_set_in_its_own_order(module: str) -> None:
    """`for x in set` differs by PYTHONHASHSEED; `sorted(set)` does not. Sets kept in variables are for the run with
    several seeds in `test_determinism.py` to find.
    """
    loops = [n for n in ast.walk(CLOSURE[module]) if isinstance(n, ast.For | ast.comprehension)]
    assert not [n for n in loops if _is_set(n.iter)], module


def test_the_checks_find_what_they_look_for() -> None:
    bad = ast.parse("import time\nx = 1 / 2\nfor y in set(z):\n    pass\n")
    assert "time" in set(imports(bad)) & FORBIDDEN_MODULES
    assert any(isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) for n in ast.walk(bad))
    assert any(_is_set(n.iter) for n in ast.walk(bad) if isinstance(n, ast.For))
