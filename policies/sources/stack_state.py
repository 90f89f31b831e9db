"""State: a stack export as a graph (`pulumi stack export`, deployment version 3).

Each resource is recorded twice, as inputs and as outputs; a property missing from one is taken from the other, so that
a truncated record cannot clear it. Secrets are ciphertext and stay unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.errors import SourceError
from policies.graph import PROVIDER, UNKNOWN, BucketLookup, Graph, Resource
from policies.sources import plan
from policies.sources.spellings import plain_properties, plain_type

__all__ = ["graph", "plaintext_secrets"]

_SECRET_NAMES = re.compile(
    r"(?i)(password|passwd|passphrase|secret_?(key|value|string)|private_?key|auth_?token|api_?key)$"
)
_SECRET_VALUES = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b|\bAWS4-HMAC")


def graph(export: Mapping[str, Any], stack: str, *, bucket_lookup: BucketLookup | None = None) -> Graph:
    """The graph of one stack's export.

    Raises:
        SourceError: the export is truncated, of another version, of another stack, or empty.
    """
    entries = _resources(export, stack)
    providers: dict[str, Resource] = {}
    found: list[Resource] = []
    for entry in entries:
        if entry["type"] in ("pulumi:pulumi:Stack",) or entry.get("delete") is True:
            continue
        resource = _resource(entry, providers)
        found.append(resource)
        if resource.type.startswith("pulumi:providers:"):
            providers[resource.id] = resource
    facts = {"stack": {"export": {"plaintext_secrets": sorted(plaintext_secrets(entries))}}}
    aws = [resource for resource in found if resource.type.startswith("aws:") or resource.type == PROVIDER]
    if not aws:
        raise SourceError(f"the export of {stack} holds no cloud resource", remedy=f"run `gchain up` for {stack} first")
    return Graph(aws, facts, bucket_lookup=bucket_lookup)


def _resources(export: Mapping[str, Any], stack: str) -> list[dict[str, Any]]:
    remedy = f"export it again: `pulumi stack export --stack {stack}`"
    if export.get("version") != 3 or not isinstance(export.get("deployment"), Mapping):
        raise SourceError(f"the export of {stack} is not a deployment of version 3", remedy=remedy)
    entries = export["deployment"].get("resources")
    if not isinstance(entries, list) or not all(_is_whole(entry) for entry in entries):
        raise SourceError(f"the export of {stack} is truncated or garbled: a resource is not whole", remedy=remedy)
    for entry in entries:
        if not entry["urn"].startswith(f"urn:pulumi:{stack}::"):
            raise SourceError(f"the export holds {entry['urn']}, which is not of stack {stack}", remedy=remedy)
    return entries


def _is_whole(entry: Any) -> bool:
    """URN and type are there and agree, and what else is read is of its kind."""
    return (
        isinstance(entry, Mapping)
        and all(isinstance(entry.get(key), str) for key in ("urn", "type"))
        and _type_in(entry["urn"]) == entry["type"]
        and all(isinstance(entry.get(key) or {}, Mapping) for key in ("inputs", "outputs"))
        and isinstance(entry.get("provider") or "", str)
    )


def _type_in(urn: str) -> str:
    """The type in `urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>`; the name may hold anything."""
    parts = urn.split("::", 3)
    return parts[2].rpartition("$")[2] if len(parts) == 4 else ""


def _resource(entry: Mapping[str, Any], providers: Mapping[str, Resource]) -> Resource:
    raw = _completed(entry.get("outputs") or {}, entry.get("inputs") or {})
    secrets: set[str] = set()
    stated = {key: _value(value, secrets) for key, value in raw.items() if not key.startswith("__")}
    properties = plain_properties(entry["type"], stated)
    if entry["type"].startswith("pulumi:providers:"):
        properties = plan.provider_properties(properties)
    reference = entry.get("provider") or ""
    provider = providers.get(reference.rpartition("::")[0])
    identifier = entry.get("id")
    return Resource(
        entry["urn"],
        plain_type(entry["type"]),
        entry["urn"].rpartition("::")[2],
        properties,
        provider,
        None if provider is None else plan.is_default_provider(provider.name),
        bool(entry.get("protect")),
        bool(entry.get("retainOnDelete")),
        identifier if isinstance(identifier, str) else None,
        frozenset(secrets),
    )


def _completed(outputs: Any, inputs: Any) -> Any:
    """Outputs, with what they leave out taken from the inputs, however deep."""
    if isinstance(outputs, Mapping) and isinstance(inputs, Mapping):
        shared = {key: _completed(outputs[key], inputs[key]) for key in outputs.keys() & inputs.keys()}
        return {**inputs, **outputs, **shared}
    if isinstance(outputs, list) and isinstance(inputs, list) and len(outputs) == len(inputs):
        return [_completed(*pair) for pair in zip(outputs, inputs, strict=True)]
    return outputs


def _value(value: Any, secrets: set[str]) -> Any:
    if isinstance(value, Mapping) and value.get(plan.SIGNATURE_KEY) == plan.SECRET_SIGNATURE:
        if "plaintext" not in value:
            return UNKNOWN
        plain = json.loads(value["plaintext"])
        if isinstance(plain, str):
            secrets.add(plain)
        return plain
    if isinstance(value, Mapping):
        return {key: _value(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item, secrets) for item in value]
    return value


def plaintext_secrets(entries: list[dict[str, Any]]) -> Iterator[str]:
    """Where an export holds what looks like a secret outside the engine's encryption: `<resource name>.<property>`."""
    for entry in entries:
        name = entry["urn"].rpartition("::")[2]
        for part in ("inputs", "outputs"):
            for path in _plaintext(entry.get(part) or {}, ""):
                yield f"{name}.{path}"


def _plaintext(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        if value.get(plan.SIGNATURE_KEY) == plan.SECRET_SIGNATURE:
            return
        for key, item in value.items():
            yield from _plaintext(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _plaintext(item, f"{path}[{index}]")
    elif isinstance(value, str) and value:
        named = _SECRET_NAMES.search(path.rpartition(".")[2]) and value != plan.SECRET_SIGNATURE
        if named or _SECRET_VALUES.search(value):
            yield path
