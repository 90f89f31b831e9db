"""The stack's settings file, `infra/Pulumi.<stack>.yaml`: generated, git-ignored, read by plain `pulumi` too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from gchain.stacks import ssh_key
from gchain.stacks.site import FOUNDATION, Site
from gchain.workspace import REPOSITORY

__all__ = ["INFRA", "path", "peers_open", "write"]

INFRA = REPOSITORY / "infra"
_HEADER = "# Written by gchain from the environment's files; edits are lost. Change environments/ instead.\n"


def path(site: Site) -> Path:
    return INFRA / f"Pulumi.{site.stack}.yaml"


def peers_open(site: Site) -> bool:
    """Whether the stack is in round 2: by its file, else (another checkout made it) by the outputs of its last `up`."""
    target = path(site)
    if target.is_file():
        document = yaml.safe_load(target.read_text(encoding="utf-8")) or {}
        return bool((document.get("config") or {}).get("gchain:peers") == "open")
    outputs = site.directory.root / "outputs.json"
    return outputs.is_file() and bool(json.loads(outputs.read_text()).get("peers_open"))


def write(site: Site, *, peers_open: bool) -> Path:
    """Write the settings of a stack; the encrypted data key that the engine keeps in this file stays."""
    target = path(site)
    kept = yaml.safe_load(target.read_text(encoding="utf-8")) if target.is_file() else None
    document: dict[str, Any] = {
        name: value for name, value in (kept or {}).items() if name in ("encryptedkey", "secretsprovider")
    }
    document["secretsprovider"] = site.secrets_provider
    document["config"] = _config(site, peers_open)
    text = _HEADER + yaml.safe_dump(document, sort_keys=True)
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        draft = target.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    return target


def _config(site: Site, peers_open: bool) -> dict[str, Any]:
    settings = site.environment.stack_settings.model_dump(mode="json")
    config: dict[str, Any] = {f"gchain:{name}": value for name, value in settings.items()}
    config["gchain:environment"] = site.environment.name
    if site.name == FOUNDATION:
        config["gchain:foundation"] = True
    else:
        config["gchain:member"] = site.name
        config["gchain:peers"] = "open" if peers_open else "closed"
        config["gchain:facts"] = str(site.workspace.facts)
        config["gchain:ssh_public_key"] = ssh_key.public_text(ssh_key.load(site.directory.ssh_key).public_key())
    if site.endpoint:
        config["gchain:endpoint"] = site.endpoint
    # No resource may fall back on a provider that nobody configured.
    config["pulumi:disable-default-providers"] = ["*"]
    return config
