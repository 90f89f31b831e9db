"""The one mechanism of compliance tags: every resource inside a component whose type takes tags gets them.

The provider's default tags would miss what is not a resource of its own (an instance's volumes) and would not show in a
resource's own inputs, where plan rules read them. `Name` is the resource's logical name, so consoles are readable.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pulumi

__all__ = ["tagging"]


def tagging(tags: Mapping[str, str]) -> pulumi.ResourceTransformation:
    """A transformation that merges `tags` and a `Name` under what a resource says itself; its own values win."""

    def transform(given: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not _takes_tags(type(given.resource)):
            return None
        own: Any = given.props.get("tags") or {}
        props = {**given.props, "tags": {"Name": given.name, **tags, **own}}
        return pulumi.ResourceTransformationResult(props, given.opts)

    return transform


def _takes_tags(kind: type[pulumi.Resource]) -> bool:
    """Generated resource classes list their input properties in `_internal_init`."""
    declared = getattr(kind, "_internal_init", None)
    return declared is not None and "tags" in inspect.signature(declared).parameters
