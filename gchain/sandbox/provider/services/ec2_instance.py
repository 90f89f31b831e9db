"""Instances and key pairs."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, as_set, covers, member_name
from gchain.sandbox.provider.services.ec2 import Ec2Object, tag_list, tags_of
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_VOLUME = (
    Input("volumeSize"),
    Input("volumeType"),
    Input("iops"),
    Input("throughput"),
    Input("encrypted"),
    Input("kmsKeyId"),
    Input("deleteOnTermination", default=True),
    Input("tags"),
)
_METADATA = (
    Input("httpEndpoint"),
    Input("httpTokens"),
    Input("httpPutResponseHopLimit"),
    Input("httpProtocolIpv6"),
    Input("instanceMetadataTags"),
)
_IMAGE_SIZE = 8  # GiB
_FORGOTTEN = {"throughput", "tags"}  # of a volume: moto keeps no throughput, tags are set and read apart


def _same_volume(live: Any, given: Any) -> bool:
    return covers(live, {key: value for key, value in (given or {}).items() if key not in _FORGOTTEN})


def _same_volumes(live: Any, given: Any) -> bool:
    have = {volume["deviceName"]: volume for volume in live or []}
    want = {volume["deviceName"]: volume for volume in given or []}
    return have.keys() == want.keys() and all(_same_volume(have[name], want[name]) for name in want)


class Instance(Ec2Object):
    type_name = "aws:ec2/instance:Instance"
    noun = "instance"
    create_action, created = "run_instances", ("Instances", 0, "InstanceId")
    deleted = ("terminate_instances", "InstanceIds")
    gone = ("InvalidInstanceID.NotFound",)
    inputs = (
        Input("ami", member="ImageId", required=True, replace=True),
        Input("instanceType", required=True),
        Input("subnetId", replace=True, computed=True),
        Input("availabilityZone", member=None, replace=True, computed=True),
        Input("privateIp", member="PrivateIpAddress", replace=True, computed=True),
        Input("associatePublicIpAddress", member=None, replace=True, computed=True),
        Input("vpcSecurityGroupIds", member=None, computed=True, equal=as_set),
        Input("keyName", replace=True, computed=True),
        Input("iamInstanceProfile", member=None),
        Input("monitoring", member=None, default=False),
        Input("ebsOptimized", computed=True),
        Input("disableApiTermination", member=None, default=False),
        Input("instanceInitiatedShutdownBehavior", member=None, computed=True),
        Input("sourceDestCheck", member=None, default=True),
        Input("tenancy", member=None, replace=True, computed=True),
        Input("metadataOptions", member=None, computed=True, equal=covers, fields=_METADATA),
        Input("rootBlockDevice", member=None, computed=True, equal=_same_volume, fields=_VOLUME),
        Input(
            "ebsBlockDevices",
            member=None,
            computed=True,
            when_given=True,
            replace=True,
            equal=_same_volumes,
            fields=(Input("deviceName", required=True), Input("snapshotId"), *_VOLUME),
        ),
        Input("userData", member=None),
        Input("userDataReplaceOnChange", member=None, default=False, write_only=True),
        Input("volumeTags", member=None, write_only=True),
        Input("getPasswordData", member=None, default=False, write_only=True),
    )
    outputs = ("arn", "instanceState", "primaryNetworkInterfaceId", "privateDns", "publicDns", "publicIp")
    _REPLACE_VOLUME = ("encrypted", "kmsKeyId")

    def replacements(self, change: Change) -> frozenset[str]:
        before, now = change.before.get("rootBlockDevice") or {}, change.now.get("rootBlockDevice") or {}
        forced = set()
        if change.touches("rootBlockDevice") and any(before.get(key) != now.get(key) for key in self._REPLACE_VOLUME):
            forced.add("rootBlockDevice")
        if change.touches("userData") and change.now.get("userDataReplaceOnChange"):
            forced.add("userData")
        return frozenset(forced)

    def arguments(self, op: Operation, new: Properties) -> Properties:
        profile, options = new.get("iamInstanceProfile"), new.get("metadataOptions")
        result: Properties = {
            "MinCount": 1,
            "MaxCount": 1,
            "IamInstanceProfile": {"Name": profile} if profile else None,
            "Monitoring": {"Enabled": bool(new.get("monitoring"))},
            "MetadataOptions": {member_name(key): value for key, value in options.items()} if options else None,
            "BlockDeviceMappings": _mappings(new) or None,
            "NetworkInterfaces": new.get("_interfaces"),
            "InstanceInitiatedShutdownBehavior": new.get("instanceInitiatedShutdownBehavior"),
            "UserData": new.get("userData"),
        }
        zone, tenancy = new.get("availabilityZone"), new.get("tenancy")
        placement = {"AvailabilityZone": zone, "Tenancy": tenancy}
        result["Placement"] = {key: value for key, value in placement.items() if value} or None
        return result | {"SecurityGroupIds": new.get("vpcSecurityGroupIds")}

    def create(self, op: Operation, new: Properties) -> str:
        if not new.get("associatePublicIpAddress"):
            return super().create(op, new)
        arguments = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "SubnetId": new.get("subnetId")}
        interface = arguments | {"Groups": new.get("vpcSecurityGroupIds"), "PrivateIpAddress": new.get("privateIp")}
        plain = {key: new[key] for key in new.keys() - {"subnetId", "vpcSecurityGroupIds", "privateIp"}}
        given = {key: value for key, value in interface.items() if value is not None}
        return super().create(op, plain | {"_interfaces": [given]})

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new.get("disableApiTermination"):
            self._modify(op, identity, DisableApiTermination={"Value": True})
        if new.get("sourceDestCheck") is False:
            self._modify(op, identity, SourceDestCheck={"Value": False})
        self._tag_volumes(op, identity, new)

    @staticmethod
    def _modify(op: Operation, identity: str, **attribute: Any) -> None:
        op.call("ec2.modify_instance_attribute", InstanceId=identity, **attribute)

    def _tag_volumes(self, op: Operation, identity: str, new: Properties) -> None:
        live = self.describe(op, identity) or {}
        root = live.get("RootDeviceName")
        named = {item["deviceName"]: item for item in new.get("ebsBlockDevices") or []}
        named[root] = new.get("rootBlockDevice") or {}
        for mapping in live.get("BlockDeviceMappings") or []:
            if mapping["DeviceName"] in named:
                own = named[mapping["DeviceName"]].get("tags") or new.get("volumeTags") or {}
                tags = dict(op.default_tags) | own
                if tags:
                    op.call("ec2.create_tags", Resources=[mapping["Ebs"]["VolumeId"]], Tags=tag_list(tags))

    def describe(self, op: Operation, identity: str) -> dict[str, Any] | None:
        answer = op.find("ec2.describe_instances", self.gone, InstanceIds=[identity])
        for reservation in (answer or {}).get("Reservations") or []:
            for instance in reservation["Instances"]:
                if instance["State"]["Name"] not in ("terminated", "shutting-down"):
                    return dict(instance)
        return None

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        interfaces = live.get("NetworkInterfaces") or [{}]
        groups = live.get("SecurityGroups") or interfaces[0].get("Groups") or []
        profile = (live.get("IamInstanceProfile") or {}).get("Arn", "")
        return {
            "availabilityZone": live["Placement"].get("AvailabilityZone"),
            "tenancy": live["Placement"].get("Tenancy") or "default",
            "associatePublicIpAddress": bool(live.get("PublicIpAddress")),
            "vpcSecurityGroupIds": [group["GroupId"] for group in groups],
            "iamInstanceProfile": profile.rpartition("/")[2] or None,
            "monitoring": live["Monitoring"]["State"] in ("enabled", "pending"),
            "metadataOptions": _metadata(live.get("MetadataOptions") or {}),
            "sourceDestCheck": live.get("SourceDestCheck", True),
            "instanceState": live["State"]["Name"],
            "primaryNetworkInterfaceId": interfaces[0].get("NetworkInterfaceId"),
            "privateDns": live.get("PrivateDnsName"),
            "publicDns": live.get("PublicDnsName") or "",
            "publicIp": live.get("PublicIpAddress") or "",
            **self._attributes(op, identity),
            **_volumes(op, live),
        }

    @staticmethod
    def _attributes(op: Operation, identity: str) -> Properties:
        def attribute(name: str) -> Any:
            answer = op.call("ec2.describe_instance_attribute", InstanceId=identity, Attribute=name)
            return answer.get(member_name(name), {}).get("Value")

        text = attribute("userData")
        return {
            "disableApiTermination": bool(attribute("disableApiTermination")),
            "instanceInitiatedShutdownBehavior": attribute("instanceInitiatedShutdownBehavior"),
            "userData": base64.b64decode(text).decode("utf-8", "replace") if text else None,
        }

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        self._update_running(op, identity, change)
        if change.touches("rootBlockDevice"):
            self._update_root(op, identity, now["rootBlockDevice"])
        if change.touches("rootBlockDevice", "volumeTags"):
            self._tag_volumes(op, identity, now)
        stopped: Properties = {}
        if change.touches("instanceType"):
            stopped["InstanceType"] = {"Value": now["instanceType"]}
        if change.touches("ebsOptimized"):
            stopped["EbsOptimized"] = {"Value": bool(now["ebsOptimized"])}
        if change.touches("userData"):
            stopped["UserData"] = {"Value": base64.b64encode((now.get("userData") or "").encode())}
        if stopped:
            self._update_stopped(op, identity, stopped)

    def _update_running(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        if change.touches("vpcSecurityGroupIds"):
            self._modify(op, identity, Groups=now["vpcSecurityGroupIds"])
        for name in ("disableApiTermination", "sourceDestCheck"):
            if change.touches(name):
                self._modify(op, identity, **{member_name(name): {"Value": bool(now.get(name))}})
        if change.touches("instanceInitiatedShutdownBehavior"):
            value = now["instanceInitiatedShutdownBehavior"]
            self._modify(op, identity, InstanceInitiatedShutdownBehavior={"Value": value})
        if change.touches("metadataOptions"):
            options = {member_name(key): value for key, value in now["metadataOptions"].items()}
            op.call("ec2.modify_instance_metadata_options", InstanceId=identity, **options)
        if change.touches("monitoring"):
            op.call(f"ec2.{'monitor' if now['monitoring'] else 'unmonitor'}_instances", InstanceIds=[identity])
        if change.touches("iamInstanceProfile"):
            _change_profile(op, identity, now.get("iamInstanceProfile"))

    def _update_root(self, op: Operation, identity: str, now: Mapping[str, Any]) -> None:
        live = self.describe(op, identity) or {}
        root = next(item for item in live["BlockDeviceMappings"] if item["DeviceName"] == live["RootDeviceName"])
        size, kind, iops = now.get("volumeSize"), now.get("volumeType"), now.get("iops")
        op.call("ec2.modify_volume", VolumeId=root["Ebs"]["VolumeId"], Size=size, VolumeType=kind, Iops=iops)

    def _update_stopped(self, op: Operation, identity: str, attributes: Properties) -> None:
        op.call("ec2.stop_instances", InstanceIds=[identity])
        for name, value in attributes.items():
            self._modify(op, identity, **{name: value})
        op.call("ec2.start_instances", InstanceIds=[identity])

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("ec2.terminate_instances", self.gone, InstanceIds=[identity])


def _mappings(new: Properties) -> list[dict[str, Any]]:
    mappings = []
    if new.get("rootBlockDevice"):
        size = {"VolumeSize": _IMAGE_SIZE}  # the image says it where there are images
        mappings.append({"DeviceName": "/dev/sda1", "Ebs": size | _ebs(new["rootBlockDevice"])})
    for device in new.get("ebsBlockDevices") or []:
        mappings.append({"DeviceName": device["deviceName"], "Ebs": _ebs(device)})
    return mappings


def _ebs(volume: Mapping[str, Any]) -> dict[str, Any]:
    return {member_name(key): value for key, value in volume.items() if key not in ("tags", "deviceName")}


def _metadata(options: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: options.get(member_name(item.name)) for item in _METADATA}


def _volumes(op: Operation, live: Mapping[str, Any]) -> Properties:
    """The root device and the other devices as the instance shows them, each with its volume's settings."""
    mappings = live.get("BlockDeviceMappings") or []
    ids = [mapping["Ebs"]["VolumeId"] for mapping in mappings]
    answer = op.call("ec2.describe_volumes", VolumeIds=ids)["Volumes"] if ids else []
    volumes = {volume["VolumeId"]: volume for volume in answer}
    shown = {item["DeviceName"]: _device(item, volumes[item["Ebs"]["VolumeId"]]) for item in mappings}
    root = shown.pop(live.get("RootDeviceName"), None)
    return {"rootBlockDevice": root, "ebsBlockDevices": list(shown.values())}


def _device(mapping: Mapping[str, Any], volume: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "deviceName": mapping["DeviceName"],
        "volumeId": volume["VolumeId"],
        "volumeSize": volume["Size"],
        "volumeType": volume["VolumeType"],
        "iops": volume.get("Iops"),
        "encrypted": volume["Encrypted"],
        "kmsKeyId": volume.get("KmsKeyId") or None,
        "deleteOnTermination": mapping["Ebs"].get("DeleteOnTermination"),
        "tagsAll": tags_of(volume),
    }


def _change_profile(op: Operation, identity: str, name: str | None) -> None:
    filters = [{"Name": "instance-id", "Values": [identity]}]
    found = op.call("ec2.describe_iam_instance_profile_associations", Filters=filters)["IamInstanceProfileAssociations"]
    current = [item["AssociationId"] for item in found if item["State"] in ("associated", "associating")]
    if current and name:
        op.call(
            "ec2.replace_iam_instance_profile_association",
            AssociationId=current[0],
            IamInstanceProfile={"Name": name},
        )
    elif current:
        op.call("ec2.disassociate_iam_instance_profile", AssociationId=current[0])
    elif name:
        op.call("ec2.associate_iam_instance_profile", InstanceId=identity, IamInstanceProfile={"Name": name})


class KeyPair(Ec2Object):
    type_name = "aws:ec2/keyPair:KeyPair"
    noun = "key-pair"
    create_action, created = "import_key_pair", ("KeyName",)
    described = ("describe_key_pairs", "KeyNames", "KeyPairs")
    deleted = ("delete_key_pair", "KeyName")
    gone = ("InvalidKeyPair.NotFound",)
    tags_at_create = True
    inputs = (
        Input("keyName", replace=True, autoname=True),
        Input("publicKey", member=None, required=True, replace=True, write_only=True),
    )
    outputs = ("arn", "fingerprint", "keyPairId", "keyType")

    def arguments(self, op: Operation, new: Properties) -> Properties:
        return {"PublicKeyMaterial": new["publicKey"].encode()}

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        return {
            "fingerprint": live.get("KeyFingerprint"),
            "keyPairId": live.get("KeyPairId"),
            "keyType": live.get("KeyType"),
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        super().retag(op, state["keyPairId"], state, tags, removed)


TYPES = (Instance(), KeyPair())
