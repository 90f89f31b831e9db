"""Node: facts that Ansible collected on hosts, and the ledger's own word, as a graph (docs/node-facts.md).

Registers come from the signed contributions in genesis. A fact that is missing stays missing: rules that need it are
indeterminate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gchain_node.keys import cometbft_address, load_public_key
from policies import validity
from policies.errors import SourceError
from policies.graph import Graph
from policies.zone import ZonePolicy

__all__ = ["MAXIMUM_AGE", "graph", "ledger", "load", "registers"]

MAXIMUM_AGE = timedelta(hours=24)
_SCHEMA = Path(__file__).with_name("node-facts.schema.json")


def load(path: Path, member: str, *, now: datetime | None = None) -> dict[str, Any]:
    """The facts file of one member.

    Raises:
        SourceError: it is missing, not of this shape, of another member, stale, or from the future.
    """
    import jsonschema  # a host's own gate judges without it

    remedy = f"run `gchain host facts` for {member}"
    try:
        facts: dict[str, Any] = json.loads(path.read_text())
        jsonschema.validate(facts, json.loads(_SCHEMA.read_text()))
    except FileNotFoundError:
        raise SourceError(f"{path.name} is missing", remedy=remedy) from None
    except ValueError:
        raise SourceError(f"{path.name} is not JSON", remedy=remedy) from None
    except jsonschema.ValidationError as error:
        raise SourceError(f"{path.name}: {error.json_path}: {error.message}", remedy=remedy) from None
    if facts["member"] != member:
        raise SourceError(f"{path.name} holds the facts of {facts['member']}, not of {member}", remedy=remedy)
    try:
        reason = validity.fault(validity.instant(facts["collected_at"]), now or datetime.now(UTC), MAXIMUM_AGE)
    except ValueError as error:
        reason = f"says when it was collected as {error}"
    if reason:
        raise SourceError(f"{path.name} {reason}", remedy=remedy)
    return facts


def graph(
    facts: Mapping[str, Any],
    genesis: Mapping[str, Any] | None,
    statuses: Sequence[Mapping[str, Any]],
    zone: ZonePolicy,
    *,
    hosts: Iterable[Mapping[str, str]] = (),
    waivers: Iterable[Mapping[str, Any]] = (),
) -> Graph:
    """The graph of the node stage.

    Args:
        facts: the file that `load` returned.
        genesis: the agreed genesis document; without one the registers are unknown.
        statuses: `GET /v1/status` of the member's hosts.
        hosts: the zone record of hosts, `{instance_id, availability_zone}`.
        waivers: current waivers, `{rule}`.
    """
    tree: dict[str, Any] = {"node": {"hosts": facts["hosts"]}}
    if genesis is not None:
        tree["register"] = registers(genesis, zone)
        tree["register"] |= {"hosts": [dict(host) for host in hosts], "waivers": [dict(waiver) for waiver in waivers]}
    if statuses:
        tree["ledger"] = ledger(statuses)
    return Graph([], tree)


def registers(genesis: Mapping[str, Any], zone: ZonePolicy) -> dict[str, Any]:
    """Who is registered: from the contributions that members signed into genesis."""
    contributions = [each["payload"] for each in genesis["app_state"]["contributions"]]
    places = {each["member"]: zone.regions.get(zone.region_of_site(each["site"]) or "") for each in contributions}
    return {
        "members": [{"name": c["member"], "node_ids": [c["peer"]["id"]]} for c in contributions],
        "validators": [
            {
                "member": c["member"],
                "address": cometbft_address(load_public_key(c["validator"]["public_key"])).hex(),
                "host_jurisdiction": places[c["member"]],
                "key_jurisdiction": c["jurisdiction"],
                "site": c["site"],
            }
            for c in contributions
        ],
        "tokens": [
            {"public_key": c["validator"]["public_key"], "jurisdiction": c["jurisdiction"]} for c in contributions
        ],
        "officers": [f"{c['member']}/{officer['name']}" for c in contributions for officer in c["officers"]],
    }


def ledger(statuses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The ledger as the member's own hosts see it.

    Raises:
        SourceError: two hosts tell of different chains.
    """
    chains = {status["chain_id"] for status in statuses}
    if len(chains) != 1:
        raise SourceError(f"the hosts are on different chains: {', '.join(sorted(chains))}")
    latest = max(statuses, key=lambda status: int(status["height"]))
    return {"chain_id": latest["chain_id"], "validators": [dict(v) for v in latest["validators"]]}
