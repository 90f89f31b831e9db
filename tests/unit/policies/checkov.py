"""Checkov, run as its users run it, over an estate of ours written as Terraform."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from policies.graph import Resource
from tests.other_tools import closed_variables, program

__all__ = ["verdict"]

_BUCKET, _REPLICATION = "aws:s3/bucket:Bucket", "aws:s3/bucketReplicationConfig:BucketReplicationConfig"


def verdict(check: str, estate: Iterable[Resource], directory: Path) -> str:
    """`PASSED` or `FAILED`: what the check says of the estate's one bucket."""
    (directory / "main.tf").write_text(_terraform(estate))
    command = [str(program("checkov", "checkov")), "--directory", str(directory), "--framework", "terraform"]
    command += ["--check", check, "--output", "json", "--compact", "--skip-download", "--soft-fail"]
    variables = closed_variables(directory) | {"BC_SKIP_MAPPING": "TRUE"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"checkov ended with {done.returncode}: {done.stderr[-2000:]}")
    results = json.loads(done.stdout).get("results", {"passed_checks": [], "failed_checks": []})
    (said,) = [*results["passed_checks"], *results["failed_checks"]]
    assert (said["check_id"], said["resource"]) == (check, "aws_s3_bucket.it")
    return str(said["check_result"]["result"])


_BUCKET_BLOCK = """resource "aws_s3_bucket" "it" {{
  bucket = "{bucket}"
}}
"""
_REPLICATION_BLOCK = """resource "aws_s3_bucket_replication_configuration" "it" {{
  bucket = aws_s3_bucket.it.id
  role   = "arn:aws:iam::111122223333:role/replication"
{rules}}}
"""
_RULE_BLOCK = """  rule {{
    id     = "{number}"
    status = "{status}"
    destination {{
      bucket = "{destination}"
    }}
  }}
"""


def _terraform(estate: Iterable[Resource]) -> str:
    """The bucket, and its replication as the resource of its own that the provider has for it today."""
    blocks = []
    for each in estate:
        if each.type == _BUCKET:
            blocks.append(_BUCKET_BLOCK.format(bucket=each.properties["bucket"]))
        elif each.type == _REPLICATION:
            rules = [
                _RULE_BLOCK.format(number=number, status=rule["status"], destination=rule["destination"]["bucket"])
                for number, rule in enumerate(each.properties["rules"])
            ]
            blocks.append(_REPLICATION_BLOCK.format(rules="".join(rules)))
    return "\n".join(blocks)
