"""Lists of what nobody can make in the local cloud: they are empty, and say so in the words of the service.

moto has no call that creates these things, so an account of the local cloud never has one. Where moto does not answer
the list call either, a live sweep could not tell an empty account from a service that is out of order. Creating is
refused as before; a service that gains a create call here must lose its entry.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.directconnect.responses import DirectConnectResponse
from moto.dynamodb.responses import DynamoHandler
from moto.ecr.responses import ECRResponse
from moto.elasticache.responses import ElastiCacheResponse
from moto.events.responses import EventsHandler
from moto.logs.responses import LogsResponse
from moto.memorydb.responses import MemoryDBResponse
from moto.networkfirewall.responses import NetworkFirewallResponse

from gchain.sandbox.cloud.overriding import override
from gchain.sandbox.cloud.requests import describe

__all__ = ["EmptyServices", "install"]

_ACTIONS: tuple[tuple[type, str, str], ...] = (
    (CloudWatchResponse, "list_metric_streams", "Entries"),
    (DirectConnectResponse, "describe_direct_connect_gateways", "directConnectGateways"),
    (DynamoHandler, "list_global_tables", "GlobalTables"),
    (ECRResponse, "describe_pull_through_cache_rules", "pullThroughCacheRules"),
    (ElastiCacheResponse, "describe_global_replication_groups", "GlobalReplicationGroups"),
    (EventsHandler, "list_endpoints", "Endpoints"),
    (LogsResponse, "describe_account_policies", "accountPolicies"),
    (MemoryDBResponse, "describe_multi_region_clusters", "MultiRegionClusters"),
    (NetworkFirewallResponse, "list_firewall_policies", "FirewallPolicies"),
)
"""List calls of services that moto has: response class, action and the key of the list."""

_ROUTES: dict[tuple[str, str, str], dict[str, Any]] = {
    ("backup", "GET", "/global-settings"): {"GlobalSettings": {"isCrossAccountBackupEnabled": "false"}},
    ("bedrock", "GET", "/inference-profiles"): {"inferenceProfileSummaries": []},
    ("dlm", "GET", "/policies"): {"Policies": []},
    ("dsql", "GET", "/cluster"): {"clusters": []},
    ("elasticfilesystem", "GET", "/2015-02-01/file-systems/replication-configurations"): {"Replications": []},
    ("oam", "POST", "/ListLinks"): {"Items": []},
    ("securityhub", "GET", "/findingAggregator/list"): {"FindingAggregators": []},
}
"""List calls of services whose requests are told apart by their path."""


class EmptyServices:
    """WSGI middleware for the calls in `_ROUTES`; stands behind the credential check."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        call = describe(environ)
        document = _ROUTES.get((call.service, call.method, call.path.rstrip("/") or "/"))
        if document is None:
            answer: Iterable[bytes] = self._app(environ, start_response)
            return answer
        body = json.dumps(document).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def install() -> None:
    """Add the calls in `_ACTIONS`, where moto has none of its own."""
    for response, action, key in _ACTIONS:
        override(response, action, _unless_there(key))


def _unless_there(key: str) -> Callable[[Any], Any]:
    """moto's own call where it has one, else one that answers an empty list under `key`."""

    def answer(self: Any) -> ActionResult:
        return ActionResult({key: []})

    return lambda original: original or answer
