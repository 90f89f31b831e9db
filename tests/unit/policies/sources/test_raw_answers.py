"""Raw answers with holes: whatever one answer of the cloud loses or garbles, no leak that was found becomes a pass.

A planted estate is swept once and every answer kept, byte for byte. Then each place of each answer is broken, one after
the other (`garbling`), the collectors that asked are run again over the broken answer, and the rules judge what they
bring. A finding that was there must still be there, or its rule must say that something is not known.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import boto3
import pytest
import yaml

from policies.engine import evaluate
from policies.outcomes import Stage
from policies.sources.live import sweep
from tests.unit.policies import estate, rare_leaks, rule_cases
from tests.unit.policies.local_cloud import running
from tests.unit.policies.sources.garbling import Wanted, garbled
from tests.unit.policies.sources.recording import Call, Raw, Recording, Replay
from tests.unit.policies.sources.replayed_sweep import ReplayedSweep

pytestmark = pytest.mark.slow

REGIONS = frozenset({*estate.REGIONS, "eu-west-2", "us-east-1", "us-west-2"})
"""The zone, and where something is planted abroad: what the other regions answer is like what these do."""
OPTED_IN = "us-west-2"
"""Stands in for a region abroad that was off and is enabled (RES-005): the local cloud can enable none."""
BESIDE = frozenset({"GetCallerIdentity", "HeadBucket"})
"""Whose account it is (another one is refused, see `test_live`), and where a stranger's bucket is: in a header."""

WRITTEN = Path(__file__).parents[3] / "cases" / "answers" / "leaks.yaml"

Place = tuple[str, str, str]
ALLOWED: dict[Place, str] = {
    ("backup", "GetBackupPlan", "BackupPlan.Rules.CopyActions"): "a rule without copies has none",
    ("bedrock", "GetModelInvocationLoggingConfiguration", "loggingConfig"): "off is an empty answer",
    ("cloudhsmv2", "DescribeBackups", "Backups.SourceRegion"): "only a copy has one",
    ("dlm", "GetLifecyclePolicy", "Policy.PolicyDetails.CrossRegionCopyTargets"): "a default policy may copy nowhere",
    ("dsql", "GetCluster", "multiRegionProperties"): "a cluster of one region has none",
    ("events", "ListTargetsByRule", "Targets.DeadLetterConfig"): "a target without one has none",
    ("ec2", "DescribeSnapshots", "Snapshots.Description"): "free text; where the snapshot lies is judged without it",
    (
        "ec2",
        "DescribeVpcs",
        "Vpcs.Ipv6CidrBlockAssociationSet",
    ): "a VPC without IPv6 has none; subnets are judged too",
    ("logs", "DescribeLogGroups", "logGroups.dataProtectionStatus"): "a group that never had a policy has none",
    (
        "rds",
        "DescribeDBClusters",
        "DBClusters.GlobalClusterIdentifier",
    ): "most are in none; global clusters are judged too",
    ("s3", "GetBucketAccelerateConfiguration", "Status"): "never set is an empty answer (S3 API)",
    ("s3", "GetBucketLogging", "LoggingEnabled"): "off is an empty answer (S3 API)",
    ("secretsmanager", "DescribeSecret", "ReplicationStatus"): "a secret without replicas has none",
    ("sqs", "GetQueueAttributes", "Attributes"): "each attribute that is not set is left out",
    ("sqs", "GetQueueAttributes", "Attributes.Policy"): "a queue without a policy has none",
    ("sqs", "ListQueues", "QueueUrls"): "no queues: `paging.LEFT_OUT`",
}
"""Service, operation and place whose absence has a meaning of its own, in words. One that is not needed fails."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    with running(tmp_path_factory.mktemp("raw")) as cloud:
        estate.build(cloud, many=1)
        list(estate.plant(cloud))
        rare_leaks.plant(cloud)
        recorded, session = Recording(), cloud.session()
        recorded.listen(session)
        graph, coverage = sweep(session, rule_cases.zone(), endpoint=cloud.url)
        assert coverage.gaps == []
        evaluate(graph, rule_cases.zone(), Stage.LIVE, now=rule_cases.NOW)  # asks where buckets are
    _only(recorded, REGIONS)
    _written(recorded)
    return recorded


def _only(recorded: Recording, regions: frozenset[str]) -> None:
    """The same cloud with fewer regions."""
    for call, raw in recorded.answers.items():
        if call.operation == "DescribeRegions":
            root = ElementTree.fromstring(raw.body)  # noqa: S314 (of the local cloud)
            for listed in root:
                for item in list(listed):
                    named = {child.text for child in item}
                    if not named & regions:
                        listed.remove(item)
                    elif OPTED_IN in named:
                        _opt_in(item)
            recorded.answers[call] = Raw(raw.status, raw.headers, ElementTree.tostring(root))


def _opt_in(region: ElementTree.Element) -> None:
    (status,) = [child for child in region if child.tag.endswith("optInStatus")]
    status.text = "opted-in"


def _written(recorded: Recording) -> None:
    """What the local cloud cannot be made to say: answers that are written out."""
    for entry in yaml.safe_load(WRITTEN.read_text()):
        where = (entry["service"], entry.get("region", estate.REGIONS[0]), entry["operation"])
        call = Call(*where, repr(sorted(entry.get("asked", {}).items())))
        model = boto3.Session(region_name=where[1]).client(where[0]).meta.service_model
        recorded.answers[call] = Raw(200, {"Content-Type": "application/json"}, json.dumps(entry["answer"]).encode())
        recorded.models[call] = model.operation_model(entry["operation"])


@pytest.fixture(scope="module")
def swept(recording: Recording) -> ReplayedSweep:
    return ReplayedSweep(Replay(recording, estate.REGIONS[0]), rule_cases.zone())


def test_no_hole_in_an_answer_turns_a_leak_into_a_pass(swept: ReplayedSweep, recording: Recording) -> None:
    holes: dict[Place, set[str]] = {}
    marks, counts, tried = _marks(swept), Counter[Any](), 0
    for call in _calls(swept, recording):
        worth = _worth(call, marks, counts)
        for each in garbled(recording.models[call], recording.answers[call].body, worth):
            tried += 1
            if lost := _lost(swept, call, each.body):
                holes.setdefault((call.service, call.operation, each.way), set()).update(
                    f"{each.how}: {rule} passes {resource}" for rule, resource in lost
                )
    unwanted = {place: sorted(found) for place, found in holes.items() if place not in ALLOWED}
    assert (unwanted, sorted(set(ALLOWED) - set(holes))) == ({}, [])
    assert tried > 3000


def test_the_estate_breaks_most_rules_of_the_live_stage(swept: ReplayedSweep) -> None:
    assert {resource for _, resource in swept.bad if resource == "stage"} == set()
    assert {rule for rule, _ in swept.bad} >= {"RES-005", *(name.split()[0] for name in rare_leaks.RULES)}
    assert len({rule for rule, _ in swept.bad}) > 45


def _calls(swept: ReplayedSweep, recording: Recording) -> Iterator[Call]:
    for call in swept.calls:
        raw = recording.answers.get(call)
        if raw is not None and raw.status < 300 and call.operation not in BESIDE:
            yield call


def _lost(swept: ReplayedSweep, call: Call, body: bytes) -> set[tuple[str, str]]:
    """Findings that are gone although their rule has no new one, be it on another name or on the stage as a whole."""
    found, rules = swept.bad_with(call, body)
    before = {each for each in swept.bad if each[0] in rules}
    new = {rule for rule, _ in found - before}
    return {(rule, resource) for rule, resource in before - found if rule not in new}


def _worth(call: Call, marks: frozenset[str], counts: Counter[Any]) -> Wanted:
    """Whether a place is worth breaking: in an item that something is wrong with, or among the first of its kind."""

    def worth(way: str, item: str) -> bool:
        leaky = any(mark in item or mark in call.asked for mark in marks)
        place = (call.service, call.operation, way, leaky)
        counts[place] += 1
        return counts[place] <= (5 if leaky else 1)

    return worth


def _marks(swept: ReplayedSweep) -> frozenset[str]:
    """The cloud's own names of what something is wrong with."""
    common = re.compile(r"[A-Z][A-Za-z0-9]+|[0-9]+|account|copy|default|state")
    parts = {part.rpartition(":")[2] for _, resource in swept.bad for part in resource.split("/")[1:]}
    return frozenset(part for part in parts if len(part) > 3 and part not in REGIONS and not common.fullmatch(part))
