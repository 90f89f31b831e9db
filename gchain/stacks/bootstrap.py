"""The backend of a member's stacks, in the member's own account: made before the first `up`, safe to repeat.

A locked, versioned bucket encrypted with a single-Region key that also encrypts the stack's secrets (RES-105,
RES-106). It cannot be part of a stack, because it holds the stacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gchain.environment.tags import compliance_tags
from gchain.errors import CloudError
from gchain.stacks import ssh_key
from gchain.stacks.site import Site
from infra import documents

__all__ = ["bootstrap"]

_PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def bootstrap(site: Site, progress: Callable[[str], None] = lambda _: None) -> None:
    """Make the member's administrator key, the backend's key and bucket, or leave them as they are.

    Raises:
        CloudError: the credentials belong to another account, or the cloud refused a call.
    """
    ssh_key.ensure(site.directory.ssh_key)
    try:
        session = _session(site)
        _verify_account(site, session)
        key = _ensure_key(site, session.client("kms", **_options(site)))
        progress(f"{site.member.name}: key {site.key_alias}")
        _ensure_bucket(site, session.client("s3", **_options(site)), key)
        progress(f"{site.member.name}: bucket {site.bucket}")
    except (ClientError, BotoCoreError) as error:
        raise CloudError(
            f"bootstrap of {site.member.name} in account {site.member.account}: {error}",
            remedy="check that the member's credentials may use KMS and S3, and that the cloud API answers",
        ) from error


def _session(site: Site) -> boto3.Session:
    core = botocore.session.Session(profile="default")
    core.set_config_variable("credentials_file", str(site.directory.aws_credentials))
    core.set_config_variable("config_file", "/dev/null")
    return boto3.Session(botocore_session=core, region_name=site.member.region)


def _options(site: Site) -> dict[str, Any]:
    return {
        "region_name": site.member.region,
        "endpoint_url": site.endpoint,
        "config": Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}),
    }


def _verify_account(site: Site, session: boto3.Session) -> None:
    found = session.client("sts", **_options(site)).get_caller_identity()["Account"]
    if found != site.member.account:
        raise CloudError(
            f"{site.directory.aws_credentials}: these credentials belong to account {found}, "
            f"{site.member.name} has {site.member.account}",
            remedy="use the member's own access key",
        )


def _ensure_key(site: Site, kms: Any) -> str:
    try:
        return str(kms.describe_key(KeyId=site.key_alias)["KeyMetadata"]["Arn"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
    policy = documents.key_policy(site.environment.zone.partition, site.member.account, site.member.region)
    made = kms.create_key(
        Description=f"stack state and secrets of {site.member.name}",
        Policy=json.dumps(policy),
        MultiRegion=False,
        Tags=[{"TagKey": name, "TagValue": value} for name, value in _tags(site).items()],
    )["KeyMetadata"]
    kms.enable_key_rotation(KeyId=made["KeyId"])
    kms.create_alias(AliasName=site.key_alias, TargetKeyId=made["KeyId"])
    return str(made["Arn"])


def _ensure_bucket(site: Site, s3: Any, key: str) -> None:
    """Locked without a default retention: the engine's uploads carry no checksum header, which S3 then would ask for.

    What keeps old versions instead is the bucket's policy, under which nobody deletes a version.
    """
    if not _exists(s3, site.bucket):
        placed = {"LocationConstraint": site.member.region}
        s3.create_bucket(Bucket=site.bucket, CreateBucketConfiguration=placed, ObjectLockEnabledForBucket=True)
    name = site.bucket
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=_PUBLIC_ACCESS_BLOCK)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=encryption)
    policy = documents.backend_policy(site.environment.zone.partition, name)
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    tags = [{"Key": tag, "Value": value} for tag, value in _tags(site).items()]
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})


def _exists(s3: Any, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise
    return True


def _tags(site: Site) -> dict[str, str]:
    return compliance_tags(site.environment, site.environment.stack_settings, site.member, site.member.name)
