"""The officers' own keys: made on the officer's machine, one store a member, never on a ledger host."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from gchain.environment import Environment, Member
from gchain.workspace import Workspace
from gchain_node.keys import Key
from gchain_node.officer import init_officer, open_officer

__all__ = ["label", "make_officers", "officer_key"]


def label(name: str) -> str:
    """An officer's name as the ledger writes it: lower-case ASCII, dashes, at most 24 characters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:24].rstrip("-")


def make_officers(environment: Environment, workspace: Workspace, member: Member) -> list[str]:
    """Make each officer's token and key, or use what is there; `officers.json` holds their public files.

    Returns the officers' labels. Raises `gchain_node.errors.KeyAccessError` when a token cannot be used.
    """
    store = workspace.member(member.name).officer
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    labels = [label(officer.name) for officer in member.officers]
    consortium = environment.consortium.name
    public = [init_officer(store, name, member=member.name, consortium=consortium) for name in labels]
    text = json.dumps(public, indent=2, sort_keys=True) + "\n"
    path = store / "officers.json"
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)
    return labels


@contextmanager
def officer_key(workspace: Workspace, member: Member, officer: str = "") -> Iterator[tuple[str, Key]]:
    """The signer name (`<member>/<officer>`) and the key of the named officer, else of the member's first one."""
    name = officer or label(member.officers[0].name)
    key = open_officer(workspace.member(member.name).officer, name)
    try:
        yield f"{member.name}/{name}", key
    finally:
        key.close()
