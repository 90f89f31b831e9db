"""What the node tells the signer of the chain, in a file that it replaces before the engine learns of a commit.

    {"chain_id": "c", "height": 9, "signer": {"id": ..., "epoch": ..., "height": ...} | null, "signed": {ADDRESS: 7}}

`height`: the latest height that the node committed; `signer`: who signs for the member after it (`modules/signers.py`);
`signed`: by validator address (upper-case hex), the highest height whose commit holds that validator's signature.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gchain_node.errors import SigningRefused

__all__ = ["ChainView", "Registration", "read_view", "write_view"]


@dataclass(frozen=True)
class Registration:
    """The signer that the ledger names for a member; nobody (`id` empty, epoch 0) before the first registration."""

    id: str = ""
    epoch: int = 0
    height: int = 0


@dataclass(frozen=True)
class ChainView:
    chain_id: str
    height: int
    signer: Registration = Registration()
    signed: Mapping[str, int] = field(default_factory=dict)


def write_view(path: Path, view: ChainView) -> None:
    """Replace the file in one step, durable on return; readable for the owner's group. Raises `OSError`."""
    content = asdict(view) | {"signer": asdict(view.signer) if view.signer.epoch else None}
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o640)  # whatever the unit's umask: the signer is another user, of the same group
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def read_view(path: Path) -> ChainView:
    """Raises `SigningRefused` (`no_chain_view`) if there is no whole file."""
    try:
        document = json.loads(path.read_bytes())
        signer = Registration(**document["signer"]) if document["signer"] else Registration()
        signed = {str(address): int(height) for address, height in document["signed"].items()}
        return ChainView(str(document["chain_id"]), int(document["height"]), signer, signed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SigningRefused(
            f"no_chain_view: {path}: {getattr(error, 'strerror', None) or 'not a whole file'}",
            remedy="start the node: it writes the file that [signer] view in node.toml names",
        ) from error
