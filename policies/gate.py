"""The gate on a ledger host: judge the host's own facts by the rules of the node stage, and record the verdict.

Runs from a timer as `python -m policies.gate --config /etc/gchain/gate.json`, with nothing of the operator's kit:

    config    {member, host, zone, hosts: [{instance_id, availability_zone}], status, api, api_ca, key, blocks}
    facts     {host: {...}, uncollected: {section: why}}, just written by `collect-facts`
    genesis   the agreed document; its officers are the register that waivers are verified by
    waivers   a JSON list of signed waivers

The record on the ledger has the verdict over the critical rules, which of them fail, and the digest of all outcome
rows, which stay in the journal of the host. What cannot be told is `indeterminate`, never `pass`.
"""

from __future__ import annotations

import argparse
import json
import ssl
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from gchain_node.client import Client, Outcome
from gchain_node.errors import NodeError
from gchain_node.keys import load_public_key, open_key
from policies import waivers
from policies.canonical import digest
from policies.engine import evaluate
from policies.errors import PolicyError
from policies.officers import Officers, Register
from policies.outcomes import Finding, Stage, worst
from policies.outcomes import Outcome as RuleOutcome
from policies.rules import RULES
from policies.sources import node_facts
from policies.zone import ZonePolicy

__all__ = ["Config", "Found", "judge", "main", "record"]

_STATUS_SECONDS = 10.0


@dataclass(frozen=True)
class Config:
    """What the role wrote: whose host this is, the zone, and how its own node is reached."""

    member: str
    host: str
    zone: ZonePolicy
    hosts: tuple[Mapping[str, str], ...]
    status: str
    api: str
    api_ca: Path
    key: str
    blocks: int

    @classmethod
    def read(cls, path: Path) -> Config:
        """Raises `PolicyError` where the file is missing or not of this shape."""
        try:
            raw = json.loads(path.read_text())
            zone, ca = ZonePolicy.from_mapping(raw.pop("zone")), Path(raw.pop("api_ca"))
            return cls(zone=zone, api_ca=ca, hosts=tuple(raw.pop("hosts")), **raw)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PolicyError(f"{path}: {error!r}", remedy="run `gchain host site` again") from error


@dataclass(frozen=True)
class Found:
    """One check of one host: a row `{rule, outcome, severity, message}` for each rule of the node stage."""

    rows: list[dict[str, str]]

    @property
    def failing(self) -> list[str]:
        return self._critical(RuleOutcome.FAIL, RuleOutcome.ERROR)

    @property
    def verdict(self) -> str:
        if self.failing:
            return "fail"
        return "indeterminate" if self._critical(RuleOutcome.INDETERMINATE) or not self.rows else "pass"

    @property
    def evidence(self) -> bytes:
        """SHA-256 of the rows' RFC 8785 JSON."""
        return bytes.fromhex(digest(self.rows).removeprefix("sha256:"))

    def _critical(self, *outcomes: RuleOutcome) -> list[str]:
        return sorted(r["rule"] for r in self.rows if r["severity"] == "critical" and r["outcome"] in outcomes)


def judge(
    config: Config,
    facts: Mapping[str, Any],
    genesis: Mapping[str, Any],
    status: Mapping[str, Any] | None,
    granted: Iterable[waivers.Waiver],
    *,
    now: datetime | None = None,
) -> Found:
    """Judge a host by its own facts and by what its node says of the ledger; None where the node does not answer."""
    given = list(granted)
    hosts = {"hosts": {f"{config.member}-{config.host}": facts["host"]}}
    seen = node_facts.graph(
        hosts,
        genesis,
        [status] if status is not None else [],
        config.zone,
        hosts=config.hosts,
        waivers=[{"rule": waiver.rule} for waiver in given],
    )
    findings = evaluate(seen, config.zone, Stage.NODE, now=now, member=config.member)
    return Found(_rows(waivers.apply(findings, given)))


def _rows(findings: Iterable[Finding]) -> list[dict[str, str]]:
    by_rule: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_rule[finding.rule].append(finding)
    return [
        {
            "rule": rule,
            "severity": str(RULES[rule].severity),
            "outcome": str(outcome := worst(each.outcome for each in found)),
            "message": "; ".join(each.message for each in found if each.outcome is outcome and each.message),
        }
        for rule, found in sorted(by_rule.items())
    ]


def record(config: Config, found: Found) -> Outcome:
    """Write the verdict to the ledger through the host's own node, signed by the member's key.

    Raises:
        NodeError: the node does not answer, or the key cannot be used.
    """
    args = {
        "host": config.host,
        "verdict": found.verdict,
        "evidence": found.evidence,
        "failing": found.failing,
        "blocks": config.blocks,
    }
    context = ssl.create_default_context(cafile=str(config.api_ca))
    with closing(open_key(config.key)) as key, Client(config.api, verify=context) as client:
        return client.transact("compliance", "record", args, key=key, signer=config.member)


def _granted(
    config: Config, envelopes: Iterable[Mapping[str, Any]], genesis: Mapping[str, Any]
) -> tuple[list[waivers.Waiver], list[str]]:
    """The waivers that have effect, from the role and from the ledger, and why the others have none."""
    officers, member = Officers.of_genesis(genesis).as_registered(_register(config, genesis)), config.member
    good, problems = [], []
    for envelope in envelopes:
        try:
            good.append(waivers.verify(envelope, officers, member=member))
        except PolicyError as error:
            problems.append(str(error))
    recorded, more = waivers.of_ledger(_recorded(config), officers, member=member)
    return waivers.united(good, recorded), [*problems, *more]


def _register(config: Config, genesis: Mapping[str, Any]) -> Register:
    """The officers of each member as the host's own node knows them; nobody while it does not answer."""
    names = [each["payload"]["member"] for each in genesis["app_state"]["contributions"]]
    try:
        with Client(config.status) as client:
            entries = [client.query(f"members/{name}").value for name in names]
    except NodeError:
        return {}
    return {
        str(entry["name"]): {str(each["name"]): load_public_key(each["public_key"]) for each in entry["officers"]}
        for entry in entries
        if isinstance(entry, dict)
    }


def _recorded(config: Config) -> Mapping[str, Any] | None:
    """The ledger's record of the member's waivers; None while the node does not answer."""
    try:
        with Client(config.status) as client:
            value = client.query(f"compliance/waivers/{config.member}").value
    except NodeError:
        return None
    return value if isinstance(value, dict) else None


def _status(url: str) -> dict[str, Any] | None:
    try:
        answer = httpx.get(f"{url}/v1/status", timeout=_STATUS_SECONDS)
        answer.raise_for_status()
        return dict(answer.json())
    except (httpx.HTTPError, ValueError):
        return None


def main() -> int:
    """Judge, say what does not hold, record. Exit code 0: recorded, whatever the verdict; 1: it could not be."""
    parser = argparse.ArgumentParser(description="Judge this host and record the verdict on the ledger.")
    parser.add_argument("--config", type=Path, default=Path("/etc/gchain/gate.json"))
    parser.add_argument("--facts", type=Path, default=Path("/run/gchain-gate/facts.json"))
    parser.add_argument("--genesis", type=Path, default=Path("/etc/gchain/genesis.json"))
    parser.add_argument("--waivers", type=Path, default=Path("/etc/gchain/waivers.json"))
    parser.add_argument("--dry-run", action="store_true", help="judge and print, write nothing to the ledger")
    arguments = parser.parse_args()
    try:
        config = Config.read(arguments.config)
        genesis = json.loads(arguments.genesis.read_text())
        facts = json.loads(arguments.facts.read_text())
        granted, problems = _granted(config, json.loads(arguments.waivers.read_text()), genesis)
        found = judge(config, facts, genesis, _status(config.status), granted, now=datetime.now(UTC))
        _say(found, problems, facts.get("uncollected", {}))
        if arguments.dry_run:
            return 0
        done = record(config, found).raise_for_code()
        print(f"recorded at height {done.height}")
    except (NodeError, OSError, ValueError, KeyError) as error:
        print(f"gate: {error}", file=sys.stderr)
        return 1
    return 0


def _say(found: Found, problems: Iterable[str], uncollected: Mapping[str, str]) -> None:
    for row in found.rows:
        if row["outcome"] not in ("pass", "not-applicable"):
            print(f"{row['outcome']:<14}{row['rule']}  {row['message']}")
    for text in [*problems, *(f"not collected: {name}: {why}" for name, why in uncollected.items())]:
        print(text)
    print(f"verdict {found.verdict}, evidence {found.evidence.hex()}")


if __name__ == "__main__":
    sys.exit(main())
