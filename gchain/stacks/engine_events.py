"""What the engine says while it works: one line a resource for the reader, and the reason when it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pulumi.automation import EngineEvent, OpType

__all__ = ["Events", "Failure"]

_QUIET = {OpType.SAME, OpType.READ}


@dataclass(frozen=True)
class Failure:
    """A resource that failed, or the program (`resource` is then the stack), and the engine's message."""

    resource: str
    message: str


@dataclass
class Events:
    """Listens to one operation. `progress` gets a line for each finished step; `failures` collects error messages."""

    progress: Callable[[str], None]
    failures: list[Failure] = field(default_factory=list)
    steps: int = 0

    def __call__(self, event: EngineEvent) -> None:
        if event.res_outputs_event and event.res_outputs_event.metadata.op not in _QUIET:
            self.steps += 1
            step = event.res_outputs_event.metadata
            self.progress(f"{OpType(step.op).value} {_shown(step.urn)}")
        if event.diagnostic_event and event.diagnostic_event.severity == "error":
            message = event.diagnostic_event.message.strip()
            self.failures.append(Failure(_shown(event.diagnostic_event.urn or ""), _plain(message)))
        if event.policy_event and event.policy_event.enforcement_level == "mandatory":
            violation = event.policy_event
            text = f"policy {violation.policy_name}: {_plain(violation.message)}"
            self.failures.append(Failure(_shown(violation.resource_urn or ""), text))


def _shown(urn: str) -> str:
    """`aws:ec2/vpc:Vpc treasury` of a URN (`urn:pulumi:<stack>::<project>::<types>::<name>`)."""
    if not urn:
        return "the program"
    parts = urn.split("::")
    return f"{parts[-2].split('$')[-1]} {parts[-1]}"


def _plain(message: str) -> str:
    """Without the engine's colour markers."""
    for marker in ("{%reset%}", "{%fg 1%}", "<{%reset%}>", "<{%fg 1%}>"):
        message = message.replace(f"<{marker}>", "").replace(marker, "")
    return message.strip()
