"""Instances, volumes, images and their settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.graph import Resource
from policies.sources.aws.account import Account, tags_of

__all__ = ["COLLECTORS"]


def _ec2(account: Account, region: str, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    return account.pages("ec2", region, operation, key, **arguments)


def instances(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    volumes_ = {each["VolumeId"]: each for each in _ec2(account, region, "describe_volumes", "Volumes")}
    for reservation in _ec2(account, region, "describe_instances", "Reservations"):
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] != "terminated":
                yield account.resource(
                    "aws:ec2/instance:Instance", instance["InstanceId"], region, _instance(instance, volumes_)
                )


def _instance(instance: Any, volumes_: dict[str, Any]) -> dict[str, Any]:
    options = instance.get("MetadataOptions") or {}
    devices = {
        each["DeviceName"]: volumes_.get(each.get("Ebs", {}).get("VolumeId"), {})
        for each in instance.get("BlockDeviceMappings") or ()
    }
    root = devices.pop(instance.get("RootDeviceName"), None)
    return {
        "ami": instance["ImageId"],
        "availabilityZone": instance["Placement"]["AvailabilityZone"],
        "associatePublicIpAddress": bool(instance.get("PublicIpAddress")),
        "metadataOptions": {
            "httpTokens": options.get("HttpTokens"),
            "httpPutResponseHopLimit": options.get("HttpPutResponseHopLimit"),
        },
        "rootBlockDevice": _device(root) if root else None,
        "ebsBlockDevices": [_device(device) for device in devices.values() if device],
        "tags": tags_of(instance),
    }


def _device(volume: Any) -> dict[str, Any]:
    return {"encrypted": bool(volume.get("Encrypted")), "kmsKeyId": volume.get("KmsKeyId")}


def volumes(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for volume in _ec2(account, region, "describe_volumes", "Volumes"):
        yield account.resource(
            "aws:ebs/volume:Volume",
            volume["VolumeId"],
            region,
            {
                "availabilityZone": volume["AvailabilityZone"],
                "outpostArn": volume.get("OutpostArn"),
                "encrypted": bool(volume.get("Encrypted")),
                "kmsKeyId": volume.get("KmsKeyId"),
                "tags": tags_of(volume),
            },
        )


def launch_templates(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for template in _ec2(account, region, "describe_launch_templates", "LaunchTemplates"):
        identifier = template["LaunchTemplateId"]
        arguments = {"LaunchTemplateId": identifier, "Versions": ["$Latest", "$Default"]}
        found = account.client("ec2", region).describe_launch_template_versions(**arguments)
        for version in found["LaunchTemplateVersions"]:
            yield account.resource(
                "aws:ec2/launchTemplate:LaunchTemplate",
                f"{identifier}/{version['VersionNumber']}",
                region,
                _template(version["LaunchTemplateData"]),
            )


def _template(data: Any) -> dict[str, Any]:
    options = data.get("MetadataOptions")
    return {
        "imageId": data.get("ImageId"),
        "metadataOptions": options
        and {
            "httpTokens": options.get("HttpTokens"),
            "httpPutResponseHopLimit": options.get("HttpPutResponseHopLimit"),
        },
        "networkInterfaces": [
            {"associatePublicIpAddress": bool(each.get("AssociatePublicIpAddress"))}
            for each in data.get("NetworkInterfaces") or ()
        ],
        "blockDeviceMappings": [
            {"ebs": {"encrypted": bool(each["Ebs"].get("Encrypted")), "kmsKeyId": each["Ebs"].get("KmsKeyId")}}
            for each in data.get("BlockDeviceMappings") or ()
            if each.get("Ebs")
        ],
    }


def shared_images(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("ec2", region)
    for image in _ec2(account, region, "describe_images", "Images", Owners=["self"]):
        identifier = image["ImageId"]
        found = client.describe_image_attribute(ImageId=identifier, Attribute="launchPermission")
        for index, permission in enumerate(found.get("LaunchPermissions") or ()):
            yield account.resource(
                "aws:ec2/amiLaunchPermission:AmiLaunchPermission",
                f"{identifier}/{index}",
                region,
                {
                    "imageId": identifier,
                    "accountId": permission.get("UserId"),
                    "group": permission.get("Group"),
                    "organizationArn": permission.get("OrganizationArn"),
                    "organizationalUnitArn": permission.get("OrganizationalUnitArn"),
                },
            )


def snapshot_block(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """The region's block of public snapshots, where there is a snapshot that it could block."""
    if any(True for _ in _ec2(account, region, "describe_snapshots", "Snapshots", OwnerIds=["self"])):
        state = account.client("ec2", region).get_snapshot_block_public_access_state()["State"]
        yield account.resource(
            "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "state", region, {"state": state}
        )


def encryption_by_default(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    client = account.client("ec2", region)
    enabled = client.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]
    kind = "aws:ebs/encryptionByDefault:EncryptionByDefault"
    yield account.resource(kind, "setting", region, {"enabled": bool(enabled)})
    key = client.get_ebs_default_kms_key_id()["KmsKeyId"]
    yield account.resource("aws:ebs/defaultKmsKey:DefaultKmsKey", "setting", region, {"keyArn": key})


COLLECTORS = {
    ("aws:ec2/instance:Instance",): instances,
    ("aws:ebs/volume:Volume",): volumes,
    (
        "aws:ec2/launchTemplate:LaunchTemplate",
        "aws:ec2/instanceMetadataDefaults:InstanceMetadataDefaults",
    ): launch_templates,
    (
        "aws:ec2/amiLaunchPermission:AmiLaunchPermission",
        "aws:imagebuilder/distributionConfiguration:DistributionConfiguration",
    ): shared_images,
    ("aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess",): snapshot_block,
    ("aws:ebs/encryptionByDefault:EncryptionByDefault", "aws:ebs/defaultKmsKey:DefaultKmsKey"): encryption_by_default,
}
"""Types that each collector answers for; what an image builder shares shows up as a permission of the image."""
