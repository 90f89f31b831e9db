"""Answers to queries: one committed value, and the evidence that it is there or is not."""

from __future__ import annotations

from gchain_node.codes import Code
from gchain_node.messages import QueryResult
from gchain_node.proof.state import StateProof
from gchain_node.store import Store
from gchain_node.tree import Tree

__all__ = ["ROOTS", "answer"]

ROOTS = ("consortium", "rules", "members", "records", "governance", "compliance", "keys", "nonces", "log")


def answer(store: Store, tree: Tree, key: bytes, height: int, prove: bool) -> QueryResult:
    """The value at `key` in the latest committed state. Never raises for what a client asks."""
    if height > store.height:
        return _no(
            Code.HEIGHT_AHEAD, key, store.height, f"height {height} is not committed; the latest is {store.height}"
        )
    if height not in (0, store.height):
        return _no(
            Code.HEIGHT_PRUNED, key, store.height, f"the state of height {height} is not kept; ask without a height"
        )
    if key.split(b"/")[0].decode(errors="replace") not in ROOTS:
        return _no(Code.UNKNOWN_QUERY, key, store.height, f"queries start with one of {', '.join(ROOTS)}")
    value = store.get(key)
    proof = b""
    if prove:
        path = tree.path(key)
        proof = StateProof(key, value, path.siblings, path.end).encode()
    if value is None:
        text = f"there is no {key.decode(errors='replace')}"
        return QueryResult(Code.NOT_FOUND, key, b"", store.height, proof, text)
    return QueryResult(Code.OK, key, value, store.height, proof)


def _no(code: Code, key: bytes, height: int, log: str) -> QueryResult:
    return QueryResult(code, key, b"", height, log=log)
