"""EC2 security group rules: moto forgets the description of a rule that names a prefix list or another group."""

from __future__ import annotations

import inspect
from typing import Any

from moto.ec2.models.security_groups import SecurityGroupRule

__all__ = ["install"]


def _description(self: Any) -> str | None:
    described = (self.ip_range, self.source_group, getattr(self, "_prefix_list", {}))
    return next((each["Description"] for each in described if each.get("Description")), None)


def install() -> None:
    made = SecurityGroupRule.__init__
    signature = inspect.signature(made)

    def remember(self: Any, *positional: Any, **given: Any) -> None:
        made(self, *positional, **given)
        self._prefix_list = signature.bind(self, *positional, **given).arguments.get("prefix_list_id") or {}

    SecurityGroupRule.__init__ = remember  # type: ignore[method-assign]
    SecurityGroupRule.description = property(_description)  # type: ignore[assignment, method-assign]
