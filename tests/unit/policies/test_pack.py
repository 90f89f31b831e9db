"""The policy pack: what blocks in an update, what is only told in a preview, and the record it keeps."""

from __future__ import annotations

import json
from pathlib import Path

from policies.graph import PROVIDER, UNKNOWN, Resource
from policies.pack import PackSession, record_path
from policies.zone import ZonePolicy

TAGS = {"gchain:consortium": "example", "gchain:data-classification": "official"}
SETTINGS = {"region": "eu-central-1", "allowedAccountIds": ["111122223333"], "defaultTags": {"tags": TAGS}}
ZONE = Resource("urn:p", PROVIDER, "zone", SETTINGS)


def session(zone: ZonePolicy, *, dry_run: bool, evidence: Path | None = None) -> PackSession:
    return PackSession(zone, "s", "member_a", dry_run, evidence, variables={"PULUMI_SKIP_UPDATE_CHECK": "true"})


def bucket(name: str, region: str = "eu-central-1") -> Resource:
    properties = {"bucket": name, "region": region}
    return Resource(f"urn:{name}", "aws:s3/bucket:Bucket", name, properties, ZONE, False)


def replication(destination: object) -> Resource:
    rules = [{"status": "Enabled", "destination": {"bucket": destination}}]
    kind = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
    return Resource("urn:replication", kind, "r", {"bucket": "here", "rules": rules}, ZONE, False)


def test_a_copy_out_of_the_zone_blocks_in_preview_and_update(zone: ZonePolicy) -> None:
    for dry_run in (True, False):
        pack = session(zone, dry_run=dry_run)
        assert [answer.mandatory for answer in pack.analyze(bucket("far", "us-east-1"))] == [True]
        (answer,) = pack.analyze(replication("arn:aws:s3:::far"))
        assert answer.mandatory
        assert answer.rule == "RES-010"
        assert "us-east-1" in answer.message
        assert "What to do" in answer.message


def test_a_copy_within_the_zone_is_let_through(zone: ZonePolicy) -> None:
    pack = session(zone, dry_run=False)
    assert pack.analyze(bucket("near", "eu-west-3")) == []
    assert pack.analyze(replication("arn:aws:s3:::near")) == []


def test_an_unknown_destination_blocks_an_update_and_is_told_once_in_a_preview(zone: ZonePolicy) -> None:
    (answer,) = session(zone, dry_run=False).analyze(replication(UNKNOWN))
    assert answer.mandatory
    preview = session(zone, dry_run=True)
    assert preview.analyze(replication(UNKNOWN)) == []
    told = preview.analyze_stack([replication(UNKNOWN)])
    assert [(answer.rule, answer.mandatory) for answer in told if answer.rule == "RES-010"] == [("RES-010", False)]


def test_a_bucket_that_nobody_knows_blocks_an_update(zone: ZonePolicy) -> None:
    (answer,) = session(zone, dry_run=False).analyze(replication("arn:aws:s3:::nobody-knows"))
    assert answer.mandatory
    assert "not known" in answer.message


def test_a_rule_that_is_not_critical_advises(zone: ZonePolicy) -> None:
    answers = session(zone, dry_run=False).analyze(
        Resource("urn:u", "aws:iam/user:User", "ci", {"name": "ci"}, ZONE, False)
    )
    assert [(answer.rule, answer.mandatory) for answer in answers] == [("HRD-011", False)]


def test_no_message_shows_a_secret(zone: ZonePolicy) -> None:
    secret = "not-for-anyones-eyes"
    user = Resource("urn:u", "aws:iam/user:User", "ci", {"name": secret}, ZONE, False, secrets=frozenset({secret}))
    (answer,) = session(zone, dry_run=False).analyze(user)
    assert secret not in answer.message


def test_an_update_leaves_a_record_and_a_preview_does_not(zone: ZonePolicy, tmp_path: Path) -> None:
    session(zone, dry_run=True, evidence=tmp_path).analyze_stack([bucket("b")])
    assert not record_path(tmp_path, "s").exists()
    session(zone, dry_run=False, evidence=tmp_path).analyze_stack([bucket("b")])
    record = json.loads(record_path(tmp_path, "s").read_text())
    assert record["zone_digest"] == zone.digest
    assert {row["stage"] for row in record["findings"]} == {"plan"}
