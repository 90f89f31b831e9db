"""What a sandbox cannot do and a cloud can: waivers that the members' officers sign at run time, each with its reason.

Made when they are needed and for exactly the resources that were found, so that nothing else is waived; a committed
waiver would expire. None of these rules is critical. `docs/sandbox.md` lists what a sandbox cannot prove.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gchain.environment import Environment
from gchain.workspace import Workspace
from policies import signing, waivers

__all__ = ["REASONS", "waive_limits"]

_DAYS = 7

REASONS = {
    "HRD-011": (
        "the local cloud has no identity centre: each account is opened with one IAM user and its access key",
        "the key lies in the member's own directory (0600), acts in one account and dies with the sandbox",
    ),
    "HRD-015": (
        "a sandbox comes and goes: protected volumes and keys could not be removed by its own clean-up",
        "environments other than the sandbox set deletion_protection",
    ),
    "HRD-020": (
        "the kernel's audit netlink is refused inside a container, so auditd cannot run on a sandbox host",
        "the audit rule files are installed and checked; the journal is kept",
    ),
    "LED-008": (
        "the local cloud signs no instance identity documents",
        "instance, availability zone and network are read from the cloud's API and compared with the zone record",
    ),
}
"""Rule -> why a sandbox cannot meet it, and what stands in its place."""


def waive_limits(
    environment: Environment,
    workspace: Workspace,
    member: str,
    report: dict[str, Any],
    progress: Callable[[str], None],
) -> int:
    """Sign a waiver for each finding of a rule in `REASONS` that is not waived yet; returns how many were signed."""
    found = {
        (row["rule"], row["resource"])
        for stage in report["stages"].values()
        for row in stage["findings"]
        if row["outcome"] in ("fail", "indeterminate") and row["rule"] in REASONS
    }
    drafts = []
    for rule, resource in sorted(found):
        reason, control = REASONS[rule]
        drafts.append(waivers.draft(member, rule, resource, reason=reason, compensating_control=control, days=_DAYS))
        progress(f"{member}: officer waives {rule} on {resource} for {_DAYS} days")
    signing.waive(environment, workspace, member, drafts)
    return len(found)
