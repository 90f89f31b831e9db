"""Instances, volumes, images and their settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.account import Account, tags_of
from policies.sources.aws.answer import Answer

__all__ = ["COLLECTORS"]


def _ec2(account: Account, region: str, operation: str, key: str, **arguments: Any) -> Iterator[Answer]:
    return account.pages("ec2", region, operation, key, **arguments)


def instances(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    volumes_ = {each["VolumeId"]: each for each in _ec2(account, region, "describe_volumes", "Volumes")}
    for reservation in _ec2(account, region, "describe_instances", "Reservations"):
        for instance in reservation.each("Instances"):
            if instance["State.Name"] != "terminated":
                yield account.resource(
                    "aws:ec2/instance:Instance", instance["InstanceId"], region, _instance(instance, volumes_)
                )


def _instance(instance: Answer, volumes_: dict[str, Answer]) -> dict[str, Any]:
    devices = {
        each["DeviceName"]: _volume(each["Ebs.VolumeId"], volumes_) for each in instance.each("BlockDeviceMappings")
    }
    root = devices.pop(instance["RootDeviceName?"], None)
    return {
        "ami": instance.text("ImageId"),
        "availabilityZone": instance["Placement.AvailabilityZone"],
        "associatePublicIpAddress": _is_public(instance),
        "metadataOptions": {
            "httpTokens": instance["MetadataOptions.HttpTokens"],
            "httpPutResponseHopLimit": instance["MetadataOptions.HttpPutResponseHopLimit"],
        },
        "rootBlockDevice": _device(root) if root else None,
        "ebsBlockDevices": [_device(device) for device in devices.values()],
        "tags": tags_of(instance),
    }


def _volume(identifier: str, volumes_: dict[str, Answer]) -> Answer:
    if identifier not in volumes_:
        raise SourceError(f"DescribeVolumes: {identifier} is missing from the answer, and an instance has it")
    return volumes_[identifier]


def _is_public(instance: Answer) -> bool:
    interfaces = instance.each("NetworkInterfaces?")
    return bool(instance["PublicIpAddress?"]) or any(each["Association?.PublicIp?"] for each in interfaces)


def _device(volume: Answer) -> dict[str, Any]:
    return {"encrypted": volume.flag("Encrypted"), "kmsKeyId": volume["KmsKeyId?"]}


def volumes(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for volume in _ec2(account, region, "describe_volumes", "Volumes"):
        yield account.resource(
            "aws:ebs/volume:Volume",
            volume["VolumeId"],
            region,
            {
                "availabilityZone": volume["AvailabilityZone"],
                "outpostArn": volume["OutpostArn?"],
                "encrypted": volume.flag("Encrypted"),
                "kmsKeyId": volume["KmsKeyId?"],
                "tags": tags_of(volume),
            },
        )


def launch_templates(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for template in _ec2(account, region, "describe_launch_templates", "LaunchTemplates"):
        identifier = template["LaunchTemplateId"]
        arguments = {"LaunchTemplateId": identifier, "Versions": ["$Latest", "$Default"]}
        operation, key = "describe_launch_template_versions", "LaunchTemplateVersions"
        for version in _ec2(account, region, operation, key, **arguments):
            yield account.resource(
                "aws:ec2/launchTemplate:LaunchTemplate",
                f"{identifier}/{version['VersionNumber']}",
                region,
                _template(version["LaunchTemplateData"]),
            )


def _template(data: Answer) -> dict[str, Any]:
    options = data["MetadataOptions?"]
    return {
        "imageId": data["ImageId?"],
        "metadataOptions": options
        and {
            "httpTokens": options["HttpTokens?"],
            "httpPutResponseHopLimit": options["HttpPutResponseHopLimit?"],
        },
        "networkInterfaces": [
            {"associatePublicIpAddress": each.flag("AssociatePublicIpAddress?")}
            for each in data.each("NetworkInterfaces?")
        ],
        "blockDeviceMappings": [
            {"ebs": {"encrypted": each.flag("Ebs.Encrypted?"), "kmsKeyId": each["Ebs.KmsKeyId?"]}}
            for each in data.each("BlockDeviceMappings?")
            if not ("VirtualName" in each or "NoDevice" in each)  # these stand for no volume
        ],
    }


def shared_images(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for image in _ec2(account, region, "describe_images", "Images", Owners=["self"]):
        identifier = image["ImageId"]
        arguments = {"ImageId": identifier, "Attribute": "launchPermission"}
        found = account.ask("ec2", region, "describe_image_attribute", **arguments)
        for index, permission in enumerate(found.each("LaunchPermissions")):
            if not any(permission.members().values()):
                raise SourceError("DescribeImageAttribute: LaunchPermissions names nobody")
            yield account.resource(
                "aws:ec2/amiLaunchPermission:AmiLaunchPermission",
                f"{identifier}/{index}",
                region,
                {
                    "imageId": identifier,
                    "accountId": permission["UserId?"],
                    "group": permission["Group?"],
                    "organizationArn": permission["OrganizationArn?"],
                    "organizationalUnitArn": permission["OrganizationalUnitArn?"],
                },
            )


def snapshot_block(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    """The region's block of public snapshots, where there is a snapshot that it could block."""
    if any(True for _ in _ec2(account, region, "describe_snapshots", "Snapshots", OwnerIds=["self"])):
        state = account.ask("ec2", region, "get_snapshot_block_public_access_state")["State"]
        yield account.resource(
            "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "state", region, {"state": state}
        )


def encryption_by_default(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    enabled = account.ask("ec2", region, "get_ebs_encryption_by_default").flag("EbsEncryptionByDefault")
    kind = "aws:ebs/encryptionByDefault:EncryptionByDefault"
    yield account.resource(kind, "setting", region, {"enabled": enabled})
    key = account.ask("ec2", region, "get_ebs_default_kms_key_id")["KmsKeyId"]
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
