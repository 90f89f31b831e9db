"""One member's stack under the real engine: up, preview, refresh, destroy, outputs, export (Pulumi Automation API).

The engine runs as its own process with the member's credentials alone. The same stack file and environment serve plain
`pulumi` in infra/ (`gchain.stacks.hand`), so both show the same preview.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pulumi import automation
from pulumi.automation import errors as engine_errors

from gchain.environment import Environment
from gchain.errors import CloudError
from gchain.sandbox.provider.install import install as install_local_provider
from gchain.stacks import facts, ssh_key, stack_file
from gchain.stacks.engine_events import Events
from gchain.stacks.site import FOUNDATION, Site, site
from gchain.toolchain.install import program_path
from gchain.workspace import Workspace

__all__ = ["Changes", "StackRun", "prepare"]

_Progress = Callable[[str], None]
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Changes:
    """How many resources an operation touched (or would), by kind: create, update, delete, replace, same."""

    by_kind: dict[str, int]

    @property
    def none(self) -> bool:
        """Whether everything stayed as it was."""
        return not any(count for kind, count in self.by_kind.items() if kind != "same")

    def __str__(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.by_kind.items())) or "nothing"


class StackRun:
    """The operations on one stack. `policy_pack` is the executable that judges every preview and update."""

    def __init__(
        self,
        environment: Environment,
        workspace: Workspace,
        name: str,
        *,
        policy_pack: Path | None = None,
        progress: _Progress = lambda _: None,
    ) -> None:
        self._site = site(environment, workspace, name)
        self._packs = [str(policy_pack)] if policy_pack else None
        self._progress = progress

    @property
    def site(self) -> Site:
        return self._site

    def up(self, *, peers_open: bool = False) -> Changes:
        """Create or update; then write `outputs.json` for the inventory, and the signed public facts for the others.

        Args:
            peers_open: round 2: read the others' facts and make the own halves of the peerings.

        Raises:
            CloudError: a resource failed, the policy pack refused, or another run holds the stack.
            ConsortiumError: a fact file of another member does not verify.
        """
        stack = self._selected(peers_open)
        with self._explained("up") as events:
            result = stack.up(policy_packs=self._packs, on_event=events, on_output=_ignore, suppress_outputs=True)
        if self._site.name != FOUNDATION:
            self._hand_out({name: output.value for name, output in result.outputs.items()})
        return _counted(result.summary.resource_changes)

    def preview(self, *, peers_open: bool = False) -> Changes:
        """What `up` would do.

        Raises:
            CloudError: as for `up`.
        """
        stack = self._selected(peers_open)
        with self._explained("preview") as events:
            result = stack.preview(policy_packs=self._packs, on_event=events, on_output=_ignore)
        return _counted(result.change_summary)

    def refresh(self) -> Changes:
        """Take into the state what was changed behind its back; the counts say what was found."""
        stack = self._selected(None)
        with self._explained("refresh") as events:
            result = stack.refresh(on_event=events, on_output=_ignore)
        return _counted(result.summary.resource_changes)

    def destroy(self) -> Changes:
        """Delete every resource of the stack, and the stack's record in the backend."""
        stack = self._selected(None)
        with self._explained("destroy") as events:
            result = stack.destroy(on_event=events, on_output=_ignore)
            stack.workspace.remove_stack(self._site.stack)
        stack_file.path(self._site).unlink(missing_ok=True)
        return _counted(result.summary.resource_changes)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs (docs/interfaces.md, "Pulumi")."""
        stack = self._selected(None)
        with self._explained("outputs"):
            return {name: output.value for name, output in stack.outputs().items()}

    def export(self) -> dict[str, Any]:
        """The stack's state as the engine exports it: secrets stay encrypted."""
        stack = self._selected(None)
        with self._explained("export"):
            deployment = stack.export_stack()
            return {"version": deployment.version, "deployment": deployment.deployment}

    def _hand_out(self, outputs: dict[str, Any]) -> None:
        path = self._site.directory.root / "outputs.json"
        path.write_text(json.dumps(outputs, indent=2, sort_keys=True) + "\n")
        told = facts.PublicFacts.model_validate(outputs["public_facts"])
        facts.write(told, ssh_key.load(self._site.directory.ssh_key), self._site.workspace.facts)

    def _selected(self, peers_open: bool | None) -> automation.Stack:
        """The stack, made in the backend if need be; `None` keeps the round that its file says."""
        here = self._site
        prepare(here, peers_open=peers_open)
        options = automation.LocalWorkspaceOptions(
            work_dir=str(stack_file.INFRA),
            pulumi_home=str(here.directory.pulumi_home),
            env_vars=here.variables(),
            secrets_provider=here.secrets_provider,
            pulumi_command=automation.PulumiCommand(root=str(program_path("pulumi").parent.parent)),
        )
        with self._explained("select"):
            return automation.create_or_select_stack(here.stack, work_dir=str(stack_file.INFRA), opts=options)

    @contextmanager
    def _explained(self, operation: str) -> Iterator[Events]:
        """Turn the engine's failure into one sentence: which resource, which message, what to do."""
        events = Events(self._progress)
        try:
            yield events
        except engine_errors.ConcurrentUpdateError as error:
            raise self._locked(operation, error) from error
        except (engine_errors.CommandError, engine_errors.StackAlreadyExistsError) as error:
            raise self._failed(operation, events, error) from error

    def _failed(self, operation: str, events: Events, error: Exception) -> CloudError:
        found = [f"{failure.resource}: {failure.message}" for failure in events.failures]
        reasons = "\n  ".join(dict.fromkeys(found)) or _last_lines(str(error))
        return CloudError(
            f"{operation} of stack {self._site.stack} failed:\n  {reasons}",
            remedy="correct the cause and run it again: what was made is recorded and stays",
        )

    def _locked(self, operation: str, error: Exception) -> CloudError:
        return CloudError(
            f"{operation} of stack {self._site.stack}: another run holds the stack's lock\n  {_last_lines(str(error))}",
            remedy="wait for it; if it is dead, run `pulumi cancel` in infra/ (after `gchain env use`)",
        )


def prepare(site: Site, *, peers_open: bool | None) -> None:
    """Make ready what the engine reads: its home with the provider for a local cloud, the stack's file, verified facts.

    Args:
        peers_open: whether the stack is in round 2; `None` keeps what its file says.
    """
    home = site.directory.pulumi_home
    home.mkdir(parents=True, exist_ok=True)
    if site.endpoint and urlsplit(site.endpoint).hostname in _LOOPBACK:
        install_local_provider(home)
    open_now = stack_file.peers_open(site) if peers_open is None else peers_open
    if open_now:
        facts.read_all(site.workspace.facts, site.environment, site.directory.root / "known-members.json")
    stack_file.write(site, peers_open=open_now)


def _counted(changes: Mapping[automation.OpType, int] | None) -> Changes:
    return Changes({automation.OpType(kind).value: count for kind, count in (changes or {}).items()})


def _ignore(_: str) -> None:
    """The engine's display is not shown: events say the same, one line a resource."""


def _last_lines(text: str, count: int = 6) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n  ".join(lines[-count:])
