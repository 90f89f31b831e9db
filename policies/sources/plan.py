"""Plan: what the engine tells a policy pack about a preview or update, as a graph.

Values come as protobuf structs in which the engine marks unknowns, secrets, outputs and assets by signature keys
(pulumi/sdk, go/common/resource/plugin/rpc.go). Secrets are unwrapped for the rules and remembered, so that no message
shows one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from policies.graph import PROVIDER, UNKNOWN, Resource
from policies.sources.spellings import plain_properties, plain_type

__all__ = ["SECRET_SIGNATURE", "SIGNATURE_KEY", "decode", "is_default_provider", "provider_properties", "resource"]

SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (a marker, not a secret)
_OUTPUT_SIGNATURE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_RESOURCE_SIGNATURE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
_UNKNOWN_STRINGS: Final = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    }
)
"""The engine's sentinels for unknown values, by type."""


def decode(value: Any, secrets: set[str]) -> Any:
    """A decoded protobuf value with unknowns replaced and secrets unwrapped; plain texts of secrets go to `secrets`."""
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWN_STRINGS else value
    if isinstance(value, list):
        return [decode(item, secrets) for item in value]
    if not isinstance(value, Mapping):
        return int(value) if isinstance(value, float) and value.is_integer() else value
    signature = value.get(SIGNATURE_KEY)
    if signature is None:
        return {key: decode(item, secrets) for key, item in value.items() if not key.startswith("__")}
    if signature == SECRET_SIGNATURE:
        plain = decode(value.get("value", UNKNOWN), secrets)
        _remember(plain, secrets)
        return plain
    if signature == _OUTPUT_SIGNATURE:
        return decode(value.get("value", UNKNOWN), secrets)
    if signature == _RESOURCE_SIGNATURE:
        return decode(value.get("id", UNKNOWN), secrets)
    return UNKNOWN


def _remember(plain: Any, secrets: set[str]) -> None:
    if isinstance(plain, str):
        secrets.add(plain)
    elif isinstance(plain, Mapping):
        for item in plain.values():
            _remember(item, secrets)
    elif isinstance(plain, list):
        for item in plain:
            _remember(item, secrets)


def provider_properties(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Provider configuration with its nested values parsed: the engine hands them over as JSON text."""
    return {key: _parsed(value) for key, value in raw.items()}


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return UNKNOWN
    return value


def is_default_provider(name: str) -> bool:
    """Whether a provider's name is one that the engine makes when a program names none."""
    return name.startswith("default") and (name == "default" or name.startswith(("default_", "default::")))


def resource(
    urn: str,
    resource_type: str,
    name: str,
    raw: Mapping[str, Any],
    provider: Resource | None,
    *,
    protect: bool | None = None,
    retain_on_delete: bool | None = None,
) -> Resource:
    """One resource of the plan from its decoded struct."""
    secrets: set[str] = set()
    properties = plain_properties(resource_type, decode(dict(raw), secrets))
    if resource_type == PROVIDER:
        properties = provider_properties(properties)
    identifier = properties.get("id")
    return Resource(
        urn,
        plain_type(resource_type),
        name,
        properties,
        provider,
        None if provider is None else is_default_provider(provider.name),
        protect,
        retain_on_delete,
        identifier if isinstance(identifier, str) else None,
        frozenset(secrets),
    )
