"""One member's stack under the real engine: up, preview, refresh, destroy, outputs, export (Pulumi Automation API).

The engine runs as its own process with the member's credentials alone. The same stack file and environment serve plain
`pulumi` in infra/ (`gchain.stacks.hand`), so both show the same preview.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pulumi import automation
from pulumi.automation import errors as engine_errors

from gchain.environment import Environment
from gchain.errors import CloudError
from gchain.sandbox.provider.install import install as install_local_provider
from gchain.stacks import facts, locks, ssh_key, stack_file
from gchain.stacks.engine_events import Events
from gchain.stacks.site import FOUNDATION, Site, site
from gchain.toolchain.install import program_path
from gchain.workspace import Workspace

__all__ = ["Changes", "StackRun", "prepare"]

R = TypeVar("R")
_Progress = Callable[[str], None]
_Work = Callable[[automation.Stack, Events], R]
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

    def up(self, *, peers_open: bool | None = None) -> Changes:
        """Create or update; then write `outputs.json` for the inventory, and the signed public facts for the others.

        Args:
            peers_open: true is round 2: read the others' facts and make the own halves of the peerings; false takes
                them away. By default the stack stays in the round that it is in, and a new one begins with round 1.

        Raises:
            CloudError: a resource failed, the policy pack refused, or another run holds the stack.
            ConsortiumError: a fact file of another member does not verify.
        """
        result = self._operate(
            "up",
            lambda stack, events: stack.up(
                policy_packs=self._packs, on_event=events, on_output=_ignore, suppress_outputs=True
            ),
            peers_open,
        )
        if self._site.name != FOUNDATION:
            self._hand_out({name: output.value for name, output in result.outputs.items()})
        return _counted(result.summary.resource_changes)

    def preview(self, *, peers_open: bool | None = None) -> Changes:
        """What `up` would do.

        Raises:
            CloudError: as for `up`.
        """
        result = self._operate(
            "preview",
            lambda stack, events: stack.preview(policy_packs=self._packs, on_event=events, on_output=_ignore),
            peers_open,
        )
        return _counted(result.change_summary)

    def refresh(self) -> Changes:
        """Take into the state what was changed behind its back; the counts say what was found."""
        result = self._operate("refresh", lambda stack, events: stack.refresh(on_event=events, on_output=_ignore))
        return _counted(result.summary.resource_changes)

    def destroy(self) -> Changes:
        """Delete every resource of the stack, its record in the backend, and the facts that are no longer true."""
        result = self._operate("destroy", self._destroy)
        stack_file.path(self._site).unlink(missing_ok=True)
        if self._site.name != FOUNDATION:
            self._outputs_file.unlink(missing_ok=True)
            (self._site.workspace.facts / f"{self._site.name}.json").unlink(missing_ok=True)
        return _counted(result.summary.resource_changes)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs (docs/interfaces.md, "Pulumi")."""
        found = self._operate("outputs", lambda stack, _: stack.outputs())
        return {name: output.value for name, output in found.items()}

    def export(self) -> dict[str, Any]:
        """The stack's state as the engine exports it: secrets stay encrypted."""
        deployment = self._operate("export", lambda stack, _: stack.export_stack())
        return {"version": deployment.version, "deployment": deployment.deployment}

    def _destroy(self, stack: automation.Stack, events: Events) -> automation.DestroyResult:
        result = stack.destroy(on_event=events, on_output=_ignore)
        stack.workspace.remove_stack(self._site.stack)
        return result

    @property
    def _outputs_file(self) -> Path:
        return self._site.directory.root / "outputs.json"

    def _hand_out(self, outputs: dict[str, Any]) -> None:
        self._outputs_file.write_text(json.dumps(outputs, indent=2, sort_keys=True) + "\n")
        told = facts.PublicFacts.model_validate(outputs["public_facts"])
        facts.write(told, ssh_key.load(self._site.directory.ssh_key), self._site.workspace.facts)

    def _operate(self, operation: str, work: _Work[R], peers_open: bool | None = None) -> R:
        """Run `work` on the stack; a lock that a killed run on this machine left behind is taken away first.

        Args:
            peers_open: the round; `None` keeps the one that the stack's file says.
        """
        events = Events(self._progress)
        try:
            stack = self._selected(peers_open)
            try:
                return work(stack, events)
            except engine_errors.ConcurrentUpdateError as error:
                if not locks.all_stale(str(error)):
                    raise
                stack.cancel()
                return work(stack, events)
        except engine_errors.ConcurrentUpdateError as error:
            raise self._locked(operation, error) from error
        except engine_errors.CommandError as error:
            raise self._failed(operation, events, error) from error

    def _selected(self, peers_open: bool | None) -> automation.Stack:
        """The stack, made in the backend if need be."""
        here = self._site
        prepare(here, peers_open=peers_open)
        options = automation.LocalWorkspaceOptions(
            work_dir=str(stack_file.INFRA),
            pulumi_home=str(here.directory.pulumi_home),
            env_vars=here.variables(),
            secrets_provider=here.secrets_provider,
            pulumi_command=automation.PulumiCommand(
                root=str(program_path("pulumi").parent.parent),
                skip_version_check=True,  # the toolchain pins it; the check would write logs to the home directory
            ),
        )
        return automation.create_or_select_stack(here.stack, work_dir=str(stack_file.INFRA), opts=options)

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
