"""Resource types that the Pulumi AWS provider knows under two names, brought to the one that the rules speak of.

Version 7 keeps the `V2` resources of S3 as deprecated names, and `alb` beside `lb`. Without this, writing
`aws.s3.BucketV2` would take a bucket out of every rule about buckets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["plain_properties", "plain_type"]

_BUCKET_V2 = "aws:s3/bucketV2:BucketV2"
_TYPES = {
    _BUCKET_V2: "aws:s3/bucket:Bucket",
    "aws:s3/bucketAccelerateConfigurationV2:BucketAccelerateConfigurationV2": (
        "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration"
    ),
    "aws:s3/bucketLoggingV2:BucketLoggingV2": "aws:s3/bucketLogging:BucketLogging",
    "aws:s3/bucketObjectLockConfigurationV2:BucketObjectLockConfigurationV2": (
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    ),
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2": (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ),
    "aws:s3/bucketVersioningV2:BucketVersioningV2": "aws:s3/bucketVersioning:BucketVersioning",
    "aws:alb/listener:Listener": "aws:lb/listener:Listener",
    "aws:alb/loadBalancer:LoadBalancer": "aws:lb/loadBalancer:LoadBalancer",
}
_PROPERTIES = {
    _BUCKET_V2: {
        "loggings": "logging",
        "replicationConfigurations": "replicationConfiguration",
        "destinations": "destination",
        "serverSideEncryptionConfigurations": "serverSideEncryptionConfiguration",
        "versionings": "versioning",
    }
}
"""Blocks that the second name has as a list of one, at any depth."""


def plain_type(resource_type: str) -> str:
    """The type as rules name it."""
    return _TYPES.get(resource_type, resource_type)


def plain_properties(resource_type: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties under the names that they have in the type that `plain_type` gives."""
    names = _PROPERTIES.get(resource_type)
    return dict(properties) if names is None else _renamed(properties, names)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {names.get(name, name): _renamed(item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value
