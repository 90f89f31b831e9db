"""Stack exports: of the right stack, whole, with secrets that stay secrets."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from policies.errors import SourceError
from policies.graph import UNKNOWN
from policies.sources import plan, stack_state

STACK = "sandbox-treasury"


def entry(kind: str, name: str, **properties: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:{STACK}::gchain::{kind}::{name}"
    return {"urn": urn, "type": kind, "id": name, "inputs": properties, "outputs": copy.deepcopy(properties)}


def export(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(entries)}}


BUCKET = entry("aws:s3/bucket:Bucket", "b", bucket="b", region="eu-central-1")


def test_provider_settings_that_are_json_text_are_read() -> None:
    provider = entry("pulumi:providers:aws", "zone", region="eu-west-3", allowedAccountIds='["111122223333"]')
    bucket = {**entry("aws:s3/bucket:Bucket", "b", bucket="b"), "provider": f"{provider['urn']}::zone"}
    found = stack_state.graph(export(provider, bucket), STACK)
    assert found.resources[1].region == "eu-west-3"
    assert found.resources[0].properties["allowedAccountIds"] == ["111122223333"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "version 3"),
        ({"version": 2, "deployment": {}}, "version 3"),
        (export({"type": "aws:s3/bucket:Bucket"}), "truncated"),
        (export({**BUCKET, "urn": BUCKET["urn"].replace(STACK, "sandbox-health")}), "not of stack"),
        (export(), "no cloud resource"),
    ],
)
def test_an_export_that_is_not_this_stacks_whole_one_is_refused(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        stack_state.graph(document, STACK)


def test_an_encrypted_secret_stays_unknown() -> None:
    secret = {plan.SIGNATURE_KEY: plan.SECRET_SIGNATURE, "ciphertext": "v1:abc"}
    found = stack_state.graph(export(entry("aws:rds/instance:Instance", "db", password=secret)), STACK)
    assert found.resources[0].properties["password"] is UNKNOWN
    assert found.facts["stack"]["export"]["plaintext_secrets"] == []


def test_a_secret_in_plain_text_is_named_by_its_place_and_not_by_its_value() -> None:
    found = stack_state.graph(export(entry("aws:rds/instance:Instance", "db", password="hunter2hunter2")), STACK)
    assert found.facts["stack"]["export"]["plaintext_secrets"] == ["db.password", "db.password"]


def test_what_the_outputs_leave_out_is_taken_from_the_inputs() -> None:
    resource = entry("aws:kms/key:Key", "k", multiRegion=True, nested={"a": 1, "list": [{"b": 2}]})
    resource["outputs"] = {"nested": {"list": [{}]}}
    (found,) = stack_state.graph(export(resource), STACK).resources
    assert found.properties == {"multiRegion": True, "nested": {"a": 1, "list": [{"b": 2}]}}
