"""The conflict table is true: what another tool's check rewards, the zone policy reports, and the other way round.

Each entry names a check. Here each check is written out as its own documentation states it, over the same resources
that our rules judge, and both are asked about a configuration that leaks and one that does not. Checkov itself is run
over them too. The others are large, need an account, or are closed (AWS Config, Security Hub, Control Tower).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from gchain.workspace import REPOSITORY
from policies.catalogue import catalogue
from policies.engine import evaluate
from policies.graph import PROVIDER, Graph, Resource
from policies.outcomes import Outcome, Stage, worst
from policies.rules import RULES
from tests.unit.policies import checkov
from tests.unit.policies.rule_cases import NOW, zone

TABLE = yaml.safe_load((REPOSITORY / "policies" / "scanner-conflicts.yaml").read_text())["conflicts"]
ENTRIES = {entry["id"]: entry for entry in TABLE}
BUCKET, REPLICATION = "aws:s3/bucket:Bucket", "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
VPC = "aws:ec2/vpc:Vpc"
PINNED = Resource("p", PROVIDER, "zone", {"region": "eu-central-1"})
Estate = list[Resource]


def made(kind: str, **properties: Any) -> Resource:
    return Resource(f"urn:{kind}:{len(str(properties))}", kind, "it", properties, PINNED, False)


def replicating_to(bucket: str, status: str = "Enabled") -> Estate:
    rule = {"status": status, "destination": {"bucket": f"arn:aws:s3:::{bucket}"}}
    inline = {"rules": [{"status": status, "destination": {"bucket": f"arn:aws:s3:::{bucket}"}}]}
    return [
        made(BUCKET, bucket="ledger", replicationConfiguration=inline),
        made(REPLICATION, bucket="ledger", rules=[rule]),
    ]


ABROAD, AT_HOME, SWITCHED_OFF = (
    replicating_to("foreign-logs"),
    replicating_to("archive-logs"),
    replicating_to("foreign-logs", "Disabled"),
)
ALONE = [made(BUCKET, bucket="ledger")]
ONE_REGION = [made(VPC, region="eu-central-1")]
ANOTHER_ABROAD = [*ONE_REGION, made(VPC, region="us-east-1")]


def statuses(estate: Estate) -> list[str]:
    rules = (rule for each in estate if each.type == REPLICATION for rule in each.properties["rules"])
    return [rule["status"] for rule in rules]


def replicates(estate: Estate) -> bool:
    """Prowler, Checkov, AWS Config, Security Hub, cdk-nag, Pulumi: there is an enabled replication rule."""
    return "Enabled" in statuses(estate)


def has_no_disabled_rule(estate: Estate) -> bool:
    return "Disabled" not in statuses(estate)


def has_several_regions(estate: Estate) -> bool:
    return len({each.region for each in estate if each.type == VPC}) > 1


def replicates_nowhere(estate: Estate) -> bool:
    return not statuses(estate)


@dataclass(frozen=True)
class Conflict:
    """`says_pass` is the other check; it must be wrong about at least one of the two estates."""

    says_pass: Callable[[Estate], bool]
    leaks: Estate
    clean: Estate


CHECKS = {
    "prowler-s3-cross-region-replication": Conflict(replicates, ABROAD, ALONE),
    "prowler-vpc-different-regions": Conflict(has_several_regions, ANOTHER_ABROAD, ONE_REGION),
    "checkov-s3-cross-region-replication": Conflict(replicates, ABROAD, ALONE),
    "aws-config-s3-cross-region-replication": Conflict(replicates, ABROAD, ALONE),
    "security-hub-s3-7": Conflict(replicates, ABROAD, ALONE),
    "cdk-nag-s3-replication": Conflict(replicates, ABROAD, ALONE),
    "pulumi-compliance-enable-replication": Conflict(replicates, ABROAD, ALONE),
    "pulumi-compliance-configure-replication": Conflict(has_no_disabled_rule, ABROAD, AT_HOME),
    "control-tower-restrict-s3-replication": Conflict(replicates_nowhere, ABROAD, AT_HOME),
}


def verdict(entry: dict[str, Any], estate: Estate) -> Outcome:
    rules = [RULES[rule] for rule in entry["contradicts"]]
    return worst(f.outcome for f in evaluate(Graph(estate), zone(), Stage.STATE, rules=rules, now=NOW))


def test_every_entry_of_the_table_is_checked() -> None:
    assert set(CHECKS) == set(ENTRIES)


@pytest.mark.parametrize("name", CHECKS)
def test_the_zone_policy_reports_the_leak_and_passes_the_clean_twin(name: str) -> None:
    entry, conflict = ENTRIES[name], CHECKS[name]
    assert verdict(entry, conflict.leaks) is Outcome.FAIL
    assert verdict(entry, conflict.clean) is not Outcome.FAIL


@pytest.mark.parametrize("name", [name for name in CHECKS if ENTRIES[name]["kind"] == "inverted"])
def test_an_inverted_check_says_the_opposite_of_both(name: str) -> None:
    conflict = CHECKS[name]
    assert conflict.says_pass(conflict.leaks)
    assert not conflict.says_pass(conflict.clean)


@pytest.mark.parametrize("name", [name for name in CHECKS if ENTRIES[name]["kind"] == "weak"])
def test_a_weak_check_passes_the_leak(name: str) -> None:
    conflict = CHECKS[name]
    assert conflict.says_pass(conflict.leaks)


@pytest.mark.slow
def test_checkov_itself_passes_the_leak_and_fails_the_clean_twin(tmp_path: Path) -> None:
    name = "checkov-s3-cross-region-replication"
    entry, conflict = ENTRIES[name], CHECKS[name]
    said = {}
    for twin, estate in (("leak", conflict.leaks), ("clean", conflict.clean)):
        directory = tmp_path / twin
        directory.mkdir()
        said[twin] = checkov.verdict(entry["check"], estate, directory)
    assert said == {"leak": "PASSED", "clean": "FAILED"}
    assert verdict(entry, conflict.leaks) is Outcome.FAIL
    assert verdict(entry, conflict.clean) is not Outcome.FAIL


def test_the_version_that_the_table_names_is_the_one_that_is_run() -> None:
    pinned = (REPOSITORY / "requirements" / "checkov.in").read_text()
    assert f"checkov=={ENTRIES['checkov-s3-cross-region-replication']['version']}" in pinned


def test_a_check_for_disabled_rules_reports_a_leak_that_was_stopped() -> None:
    assert not CHECKS["pulumi-compliance-configure-replication"].says_pass(SWITCHED_OFF)


@pytest.mark.parametrize("name", [name for name in CHECKS if ENTRIES[name]["kind"] == "over-broad"])
def test_an_over_broad_check_refuses_the_clean_twin_too(name: str) -> None:
    conflict = CHECKS[name]
    assert not conflict.says_pass(conflict.leaks)
    assert not conflict.says_pass(conflict.clean)


@pytest.mark.parametrize("name", ENTRIES)
def test_rules_that_an_entry_names_are_enforced(name: str) -> None:
    entry = ENTRIES[name]
    assert set(entry["contradicts"]) <= set(RULES)
    assert set(entry["met_by"]) <= set(catalogue())
