"""What every component shares: its token, and child options."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi

__all__ = ["Component", "as_json"]


class Component(pulumi.ComponentResource):
    """A component of token `gchain:infra:<Class>`."""

    def __init__(self, name: str, options: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"gchain:infra:{type(self).__name__}", name, {}, options)

    def child(
        self, *, protect: bool = False, depends_on: list[pulumi.Resource] | None = None
    ) -> pulumi.ResourceOptions:
        """Options of a resource inside this component."""
        return pulumi.ResourceOptions(parent=self, protect=protect or None, depends_on=depends_on)


def as_json(document: Mapping[str, object]) -> str:
    """A policy document as text, in one spelling: equal documents give equal text."""
    return json.dumps(document, sort_keys=True)
