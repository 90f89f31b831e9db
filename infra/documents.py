"""Policy documents as plain data: who may do what with keys, buckets, roles and endpoints.

Every function returns a JSON-ready mapping in the policy language of IAM (version 2012-10-17).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "Document",
    "backend_policy",
    "bucket_policy",
    "endpoint_policy",
    "host_policy",
    "key_policy",
    "recorder_policy",
    "region_deny",
    "service_trust",
    "writer_policy",
]

Document = dict[str, Any]

# Control actions of global services: they have no region of their own and carry no ledger data.
GLOBAL_ACTIONS = (
    "iam:*",
    "organizations:*",
    "account:*",
    "sts:*",
    "route53:*",
    "support:Describe*",
    "health:*",
    "trustedadvisor:*",
    "budgets:*",
    "ce:*",
)

# Calls made inside the zone that move or open data to another place: a region condition alone does not see them.
DATA_LEAVING_ACTIONS = (
    "cloudhsm:CopyBackupToRegion",
    "kms:ReplicateKey",
    "kms:UpdatePrimaryRegion",
    "s3:PutReplicationConfiguration",
    "s3:PutAccelerateConfiguration",
    "s3:CreateMultiRegionAccessPoint",
    "ec2:CreateInternetGateway",
    "ec2:AttachInternetGateway",
    "ec2:CreateEgressOnlyInternetGateway",
    "ec2:CreateNatGateway",
    "ec2:CopySnapshot",
    "ec2:CopyImage",
    "ec2:ModifySnapshotAttribute",
    "ec2:ModifyImageAttribute",
    "secretsmanager:ReplicateSecretToRegions",
    "ram:CreateResourceShare",
    "support:CreateCase",
    "support:AddAttachmentsToSet",
    "account:EnableRegion",
    "route53:CreateQueryLoggingConfig",
)


def _document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def service_trust(service: str, account: str) -> Document:
    """A role that only one cloud service may assume, and only for this account (no confused deputy)."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if not service.startswith("ec2."):  # the instance service sets no source account
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return _document(statement)


def key_policy(partition: str, account: str, region: str, services: Sequence[str] = ()) -> Document:
    """A key that its own account governs; named services may use it for that account's resources in this region."""
    owner = {
        "Sid": "AccountGovernsKey",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return _document(owner, *(_service_use(service, account, region) for service in services))


def _service_use(service: str, account: str, region: str) -> Document:
    return {
        "Sid": f"Use{service.split('.')[0].capitalize()}",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:SourceAccount": account, "aws:RequestedRegion": region}},
    }


def bucket_policy(partition: str, bucket: str, writers: Mapping[str, str], account: str) -> Document:
    """TLS 1.2 or newer for everyone; `writers` are services that may add objects, each below a prefix.

    Args:
        writers: service principal -> key prefix.
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    grants = [grant for service, prefix in writers.items() for grant in _service_writes(service, prefix, arn, account)]
    return _document(*_transport(arn), *grants)


def backend_policy(partition: str, bucket: str) -> Document:
    """The bucket of stack states: modern TLS only, and nobody deletes a version or lets one expire."""
    arn = f"arn:{partition}:s3:::{bucket}"
    keep = {
        "Sid": "KeepEveryVersion",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObjectVersion", "s3:PutLifecycleConfiguration", "s3:DeleteBucket"],
        "Resource": [arn, f"{arn}/*"],
    }
    return _document(*_transport(arn), keep)


def _transport(arn: str) -> list[Document]:
    deny: Document = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    return [
        deny | {"Sid": "DenyPlainHttp", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        deny | {"Sid": "DenyOldTls", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
    ]


def _service_writes(service: str, prefix: str, arn: str, account: str) -> list[Document]:
    name = service.split(".")[0].capitalize()
    base: Document = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    return [
        base | {"Sid": f"{name}Looks", "Action": ["s3:GetBucketAcl", "s3:ListBucket"], "Resource": arn},
        base | {"Sid": f"{name}Writes", "Action": "s3:PutObject", "Resource": f"{arn}/{prefix}/*"},
    ]


def endpoint_policy(organization: str) -> Document:
    """A perimeter: callers and resources of the consortium's organization, nobody else's (catalogue rule RES-084)."""
    return _document(
        {
            "Sid": "OrganizationOnly",
            "Effect": "Allow",
            "Principal": "*",
            "Action": "*",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:PrincipalOrgID": organization, "aws:ResourceOrgID": organization},
            },
        }
    )


def host_policy(partition: str, buckets: Mapping[str, str], keys: Mapping[str, str], log_group: str) -> Document:
    """What a ledger host may do: write its backups and evidence, read its backups, send its logs; delete nothing."""
    backup = f"arn:{partition}:s3:::{buckets['backup']}"
    return _document(
        {
            "Sid": "Backups",
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
            "Resource": f"{backup}/*",
        },
        {"Sid": "FindBackups", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": backup},
        {
            "Sid": "Evidence",
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": f"arn:{partition}:s3:::{buckets['evidence']}/*",
        },
        {
            "Sid": "Keys",
            "Effect": "Allow",
            "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": [keys["data"], keys["evidence"]],
        },
        {
            "Sid": "Logs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{log_group}:*",
        },
    )


def writer_policy(log_group: str) -> Document:
    """A delivery role that may write one log group."""
    return _document(
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            "Resource": [log_group, f"{log_group}:*"],
        }
    )


def recorder_policy(bucket: str) -> Document:
    """The role of the configuration recorder: read what is recorded, deliver it to one bucket."""
    return _document(
        {
            "Sid": "Read",
            "Effect": "Allow",
            "Action": ["config:Put*", "config:Get*", "ec2:Describe*", "s3:GetBucket*", "kms:DescribeKey", "iam:Get*"],
            "Resource": "*",
        },
        {"Sid": "Deliver", "Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{bucket}/config/*"},
        {"Sid": "Find", "Effect": "Allow", "Action": "s3:GetBucketAcl", "Resource": bucket},
    )


def region_deny(regions: Sequence[str]) -> Document:
    """The guardrail of the organization: nothing outside the zone's regions, and no way round it (RES-004).

    The exception list holds control actions of global services. Those of them that could carry data, and calls that
    move data out of a zone region from inside it, have a deny of their own.
    """
    outside = {
        "Sid": "DenyOutsideZoneRegions",
        "Effect": "Deny",
        "NotAction": list(GLOBAL_ACTIONS),
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": list(regions)}},
    }
    leaving = {
        "Sid": "DenyDataLeaving",
        "Effect": "Deny",
        "Action": list(DATA_LEAVING_ACTIONS),
        "Resource": "*",
    }
    # A system profile answers in whichever of its regions has capacity; application profiles have a type of their own.
    inference = {
        "Sid": "DenyCrossRegionInference",
        "Effect": "Deny",
        "Action": "bedrock:InvokeModel*",
        "Resource": "arn:*:bedrock:*:*:inference-profile/*",
    }
    return _document(outside, leaving, inference)
