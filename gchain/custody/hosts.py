"""The steps of a rotation or ceremony that the member's hosts take, each a playbook that may be run again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gchain.custody.record import Purpose, RetiredKey
from gchain.errors import HostError
from gchain.hosts.playbook import run_playbook
from gchain.workspace import Workspace

__all__ = ["Hosts"]


class Hosts:
    """One member's hosts; nobody else's credentials are used."""

    def __init__(self, workspace: Workspace, member: str, progress: Callable[[str], None]) -> None:
        self._workspace, self._member, self._progress = workspace, member, progress

    def make(self, purpose: Purpose) -> dict[str, Any]:
        """Make the key that the record names next. Returns `{public_key, pop, attributes, certificate, address?}`."""
        return self._ask("rotate-make", {"gchain_purpose": purpose})

    def switch(self, first_height: int = 0) -> None:
        """Use the keys that the record names now; `first_height` for a new consensus key without one before it."""
        self._play("rotate-switch", {"gchain_first_height": first_height})

    def destroy(self, key: RetiredKey) -> dict[str, Any]:
        """Destroy a replaced key. Returns `{destroyed, label, public_key, remaining}`."""
        names = {"gchain_purpose": key.purpose, "gchain_object": key.object, "gchain_public_key": key.public_key}
        return self._ask("rotate-retire", names)

    def ceremony(self, step: str) -> dict[str, Any]:
        """Take a step of a key ceremony. Returns `{host, created, keys, labels}`."""
        return self._ask("ceremony", {"gchain_step": step})

    def _ask(self, playbook: str, variables: dict[str, Any]) -> dict[str, Any]:
        self._workspace.run.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="custody-", dir=self._workspace.run) as scratch:
            answer = Path(scratch, "answer.json")
            self._play(playbook, variables | {"gchain_answer": str(answer)})
            try:
                found: dict[str, Any] = json.loads(answer.read_text())
            except (OSError, ValueError) as error:
                raise HostError(f"playbook {playbook} of {self._member} gave no answer: {error}") from error
        return found

    def _play(self, playbook: str, variables: dict[str, Any]) -> None:
        run_playbook(self._workspace, self._member, playbook, variables, self._progress)
