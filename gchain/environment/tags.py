"""The compliance tags that every taggable resource carries (catalogue rule HRD-014)."""

from __future__ import annotations

from gchain.environment.loading import Environment
from gchain.environment.models import Member, StackSettings

__all__ = ["compliance_tags"]


def compliance_tags(environment: Environment, settings: StackSettings, member: Member, owner: str) -> dict[str, str]:
    """Seven tags; `owner` is what the resource belongs to: the member's name, or `foundation`."""
    return {
        "gchain:consortium": environment.consortium.name,
        "gchain:member": owner,
        "gchain:zone": environment.zone.name,
        "gchain:environment": environment.name,
        "gchain:owner": member.owner,
        "gchain:data-classification": settings.data_classification,
        "gchain:control-baseline": settings.control_baseline,
    }
