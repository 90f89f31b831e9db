"""Preflight: backend, stack settings, process environment and tool calls, before the engine starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from policies.graph import UNKNOWN, Graph

__all__ = ["VARIABLES", "graph", "tool_arguments"]

VARIABLES = ("PULUMI_BACKEND_URL", "PULUMI_SKIP_UPDATE_CHECK")
_PATH_STYLE = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3})


def graph(
    *,
    backend_url: str | None,
    settings_file: Path | None,
    environment: Mapping[str, str],
    session: boto3.Session,
    endpoint: str | None = None,
    pipeline_files: tuple[Path, ...] = (),
) -> Graph:
    """The facts of the preflight stage.

    Args:
        backend_url: the backend that the stack's commands log in to; None is left unknown.
        settings_file: `Pulumi.<stack>.yaml`, which names the secrets provider.
        session: the member's own credentials, with which bucket and key are looked at.
    """
    facts: dict[str, Any] = {
        "env": {name: environment.get(name) for name in VARIABLES},
        "stack": {
            "backend": _backend(backend_url, session, endpoint),
            "settings": _settings(settings_file, session, endpoint),
        },
        "project": {"backend": {"url": backend_url if backend_url else UNKNOWN}},
        "pipeline": {tool: {"arguments": tool_arguments(tool, pipeline_files)} for tool in ("prowler", "checkov")},
    }
    return Graph([], facts)


def _backend(url: str | None, session: boto3.Session, endpoint: str | None) -> dict[str, Any]:
    if not url:
        return {"url": UNKNOWN, "bucket": UNKNOWN}
    if not url.startswith("s3://"):
        return {"url": url, "bucket": None}
    name = urlsplit(url).netloc
    return {"url": f"s3://{name}", "bucket": _bucket(name, url, session, endpoint)}


def _bucket(name: str, url: str, session: boto3.Session, endpoint: str | None) -> Any:
    query = parse_qs(urlsplit(url).query)
    s3 = session.client("s3", endpoint_url=endpoint, config=_PATH_STYLE)
    try:
        head = s3.head_bucket(Bucket=name)
        versioning = s3.get_bucket_versioning(Bucket=name).get("Status")
    except (BotoCoreError, ClientError):
        return UNKNOWN
    headers = head["ResponseMetadata"]["HTTPHeaders"]
    region = headers.get("x-amz-bucket-region")
    named = query.get("region", [region])[0]
    return {
        # The region in the URL is what the engine dials: where the two differ, neither can be trusted.
        "region": region if region == named else UNKNOWN,
        "versioning": versioning,
        "object_lock": _object_lock(s3, name),
    }


def _object_lock(s3: Any, name: str) -> Any:
    try:
        found = s3.get_object_lock_configuration(Bucket=name)
    except ClientError as error:
        missing = error.response["Error"]["Code"] == "ObjectLockConfigurationNotFoundError"
        return False if missing else UNKNOWN
    except BotoCoreError:
        return UNKNOWN
    return found["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"


def _settings(path: Path | None, session: boto3.Session, endpoint: str | None) -> dict[str, Any]:
    if path is None or not path.is_file():
        return {"secretsprovider": UNKNOWN, "encryptedkey": UNKNOWN, "key": UNKNOWN}
    settings = _mapping(path)
    if settings is None or not isinstance(settings.get("secretsprovider") or "", str):
        return {"secretsprovider": UNKNOWN, "encryptedkey": UNKNOWN, "key": UNKNOWN}
    # An empty secretsprovider is the engine's default: a passphrase.
    provider = settings.get("secretsprovider") or ("passphrase" if settings.get("encryptionsalt") else None)
    return {
        "secretsprovider": provider or UNKNOWN,
        "encryptedkey": settings.get("encryptedkey"),
        "key": _key(str(provider), session, endpoint) if provider else UNKNOWN,
    }


def _mapping(path: Path) -> dict[str, Any] | None:
    try:
        found = yaml.safe_load(path.read_text()) or {}
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None


def _key(provider: str, session: boto3.Session, endpoint: str | None) -> Any:
    parts = urlsplit(provider)
    if parts.scheme != "awskms":
        return None
    identifier = (parts.netloc + parts.path).strip("/")
    region = parse_qs(parts.query).get("region", [session.region_name])[0]
    try:
        found = session.client("kms", region_name=region, endpoint_url=endpoint).describe_key(KeyId=identifier)[
            "KeyMetadata"
        ]
    except (BotoCoreError, ClientError):
        return UNKNOWN
    return {"arn": found["Arn"], "multi_region": bool(found.get("MultiRegion"))}


def tool_arguments(tool: str, files: tuple[Path, ...]) -> list[str] | None:
    """The arguments that the pipeline's files start a tool with; None where they never do."""
    call = re.compile(rf"^[^#\n]*?\b{tool}\b[ \t]+(.*)$", re.MULTILINE)
    calls = [match for path in files if path.is_file() for match in call.findall(path.read_text())]
    return [word for line in calls for word in line.split()] if calls else None
