"""The pack as a directory, started as the language host of an official CLI starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2 as pb
from pulumi.runtime.proto import analyzer_pb2_grpc

from gchain.workspace import REPOSITORY
from policies.outcomes import Stage
from policies.rules import RULES


@pytest.fixture
def pack(tmp_path: Path) -> Iterator[Any]:
    """The Analyzer service of `policies/`, in a directory and an environment that know nothing of the repository."""
    command = [sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(REPOSITORY / "policies")]
    variables = {"PATH": os.environ["PATH"], "GCHAIN_EVIDENCE": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=variables) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
        process.terminate()


def replication(destination: str) -> Any:
    urn = "urn:pulumi:sandbox::gchain::aws:s3/bucketReplicationConfig:BucketReplicationConfig::copy"
    request = pb.AnalyzeRequest(urn=urn, type="aws:s3/bucketReplicationConfig:BucketReplicationConfig", name="copy")
    rule = {"status": "Enabled", "destination": {"bucket": f"arn:aws:s3:::{destination}"}}
    request.properties.update({"bucket": "archive", "rules": [rule]})
    return request


def bucket(name: str, region: str) -> Any:
    urn = f"urn:pulumi:sandbox::gchain::aws:s3/bucket:Bucket::{name}"
    request = pb.AnalyzeRequest(urn=urn, type="aws:s3/bucket:Bucket", name=name)
    request.properties.update({"bucket": name, "region": region})
    return request


def test_it_names_its_rules_and_tells_a_copy_abroad_from_one_within_the_zone(pack: Any) -> None:
    named = {policy.name for policy in pack.GetAnalyzerInfo(empty_pb2.Empty()).policies}
    assert named == {rule.id for rule in RULES.values() if Stage.PLAN in rule.entry.stages}
    config = {"gchain:environment": "sandbox", "gchain:member": "treasury"}
    pack.ConfigureStack(pb.AnalyzerStackConfigureRequest(stack="sandbox", dry_run=False, config=config))
    pack.Analyze(bucket("near", "eu-central-1"))
    pack.Analyze(bucket("far", "us-east-1"))
    said = {
        name: [each for each in pack.Analyze(replication(name)).diagnostics if each.policyName == "RES-010"]
        for name in ("near", "far")
    }
    assert said["near"] == []
    assert [(each.enforcementLevel, "us-east-1" in each.message) for each in said["far"]] == [(pb.MANDATORY, True)]


def test_it_refuses_to_judge_for_nobody(pack: Any) -> None:
    with pytest.raises(grpc.RpcError, match="GCHAIN_ENVIRONMENT"):
        pack.ConfigureStack(pb.AnalyzerStackConfigureRequest(stack="sandbox", dry_run=False))
