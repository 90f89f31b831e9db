"""Finds the type that a token names; a service's file is imported when its first type is asked for."""

from __future__ import annotations

import difflib
import importlib
from functools import cache

from gchain.errors import CloudError
from gchain.sandbox.provider.schema import ResourceType

__all__ = ["known_tokens", "resource_type"]

_SERVICES = {
    "cfg": ("config",),
    "cloudhsmv2": ("cloudhsm",),
    "cloudtrail": ("cloudtrail",),
    "cloudwatch": ("logs",),
    "ebs": ("ebs",),
    "ec2": (
        "ec2_network",
        "ec2_security",
        "ec2_routing",
        "ec2_acl",
        "ec2_peering",
        "ec2_endpoint",
        "ec2_instance",
        "ebs",
    ),
    "guardduty": ("guardduty",),
    "iam": ("iam",),
    "inspector2": ("inspector",),
    "kms": ("kms",),
    "organizations": ("organizations",),
    "route53": ("route53", "dns_firewall"),
    "s3": ("s3", "s3_rules"),
    "secretsmanager": ("secretsmanager",),
    "securityhub": ("securityhub",),
    "vpc": ("ec2_security",),
}
"""Files under services/ that hold the types of a module of pulumi-aws (the part between `aws:` and `/`)."""


@cache
def _types(module: str) -> dict[str, ResourceType]:
    found: dict[str, ResourceType] = {}
    for name in _SERVICES.get(module, ()):
        source = importlib.import_module(f"gchain.sandbox.provider.services.{name}")
        found |= {kind.type_name: kind for kind in source.TYPES if kind.type_name.startswith(f"aws:{module}/")}
    return found


def resource_type(token: str) -> ResourceType:
    """The type of `token`, such as `aws:ec2/vpc:Vpc`.

    Raises:
        CloudError: the sandbox's provider does not know the type.
    """
    module = token.partition(":")[2].partition("/")[0]
    try:
        return _types(module)[token]
    except KeyError:
        near = difflib.get_close_matches(token, known_tokens(), n=1)
        hint = f" (near: {near[0]})" if near else ""
        raise CloudError(
            f"the sandbox's AWS provider does not know the resource type {token}{hint}",
            remedy="add it under gchain/sandbox/provider/services/",
        ) from None


def known_tokens() -> list[str]:
    """Every type that this provider knows, sorted."""
    return sorted(token for module in _SERVICES for token in _types(module))
