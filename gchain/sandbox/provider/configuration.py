"""The provider's own configuration, as the Pulumi program gives it to `aws.Provider`."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gchain.errors import CloudError, ConfigurationError
from gchain.sandbox.provider.cloud import Cloud, Credentials
from gchain.sandbox.provider.wire import Properties, contains_unknown

__all__ = ["KNOWN", "Configuration", "check", "connect"]

KNOWN = frozenset(
    {
        "accessKey",
        "allowedAccountIds",
        "defaultTags",
        "endpoints",
        "forbiddenAccountIds",
        "maxRetries",
        "profile",
        "region",
        "s3UsePathStyle",
        "secretKey",
        "sharedCredentialsFiles",
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "stsRegion",
        "token",
        "useFipsEndpoint",
        "version",
    }
)
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Configuration:
    """What an operation needs besides the resource: the cloud, the region, and the tags that every resource gets."""

    cloud: Cloud
    region: str
    default_tags: Mapping[str, str] = field(default_factory=dict)


def check(given: Properties) -> dict[str, str]:
    """Refusals by property name; unknown values pass, they are checked when known."""
    failures = {name: _unknown_key(name) for name in given if name not in KNOWN}
    if not given.get("region") and not os.environ.get("AWS_REGION"):
        failures["region"] = "a region is required: set it on the provider"
    return failures


def _unknown_key(name: str) -> str:
    near = difflib.get_close_matches(name, KNOWN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"the provider has no configuration {name!r} that the sandbox knows{hint}"


def connect(given: Properties) -> Configuration | None:
    """The configuration with its account verified, or `None` while a part of it is still unknown (previews).

    Raises:
        ConfigurationError: no endpoint, or one that is not on loopback.
        CloudError: the caller's account is not among `allowedAccountIds`, or is among `forbiddenAccountIds`.
    """
    if contains_unknown(given):
        return None
    values = {name: _parsed(name, value) for name, value in given.items()}
    region = values.get("region") or os.environ["AWS_REGION"]
    cloud = Cloud(_credentials(values), _endpoints(values), region)
    _verify_account(cloud, values)
    return Configuration(cloud, region, (values.get("defaultTags") or {}).get("tags") or {})


_TEXT = {"accessKey", "secretKey", "token", "region", "profile", "version", "stsRegion"}


def _parsed(name: str, value: Any) -> Any:
    """Configuration other than strings travels as JSON text."""
    if name in _TEXT or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _credentials(values: Properties) -> Credentials:
    files = values.get("sharedCredentialsFiles") or []
    return Credentials(
        access_key=values.get("accessKey"),
        secret_key=values.get("secretKey"),
        token=values.get("token"),
        profile=values.get("profile"),
        shared_file=files[0] if files else None,
    )


def _endpoints(values: Properties) -> dict[str, str]:
    """Endpoint URLs by service, `*` for every other service."""
    listed = values.get("endpoints") or []
    groups = listed if isinstance(listed, list) else [listed]
    endpoints = {_SERVICE_NAMES.get(service, service): url for group in groups for service, url in group.items() if url}
    if fallback := os.environ.get("AWS_ENDPOINT_URL"):
        endpoints["*"] = fallback
    if not endpoints:
        raise ConfigurationError(
            "the sandbox's AWS provider has no endpoint", remedy="set AWS_ENDPOINT_URL or the provider's endpoints"
        )
    for service, url in endpoints.items():
        if urlsplit(url).hostname not in _LOOPBACK:
            raise ConfigurationError(
                f"endpoint of {service} is {url!r}: the sandbox's AWS provider speaks to loopback only",
                remedy="use the real AWS plugin with a real environment",
            )
    return endpoints


# Services whose name among the provider's endpoints is not botocore's.
_SERVICE_NAMES = {"cloudwatchlogs": "logs", "configservice": "config", "secretsmanager": "secretsmanager"}


def _verify_account(cloud: Cloud, values: Properties) -> None:
    allowed = [str(account) for account in values.get("allowedAccountIds") or []]
    forbidden = [str(account) for account in values.get("forbiddenAccountIds") or []]
    if allowed and cloud.account not in allowed:
        raise CloudError(
            f"the credentials belong to account {cloud.account}, allowedAccountIds has {', '.join(allowed)}",
            remedy="use the credentials of the account that the stack is for",
        )
    if cloud.account in forbidden:
        raise CloudError(f"the credentials belong to account {cloud.account}, which forbiddenAccountIds names")
