"""Route 53 hosted zones and records. Route 53 is global: these types have no region."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from gchain.errors import CloudError
from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Change, Input, ResourceType, as_set, as_text
from gchain.sandbox.provider.services.ec2 import tag_list, tags_of
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES"]

_GONE = "NoSuchHostedZone"


def _bare_name(name: Any) -> str:
    return str(name).rstrip(".").lower()


def _same_name(left: Any, right: Any) -> bool:
    return _bare_name(left) == _bare_name(right)


def _same_vpcs(left: Any, right: Any) -> bool:
    """VPC ids say it all: the region may be left out."""
    return sorted(vpc["vpcId"] for vpc in left or []) == sorted(vpc["vpcId"] for vpc in right or [])


def _vpc(op: Operation, vpc: Mapping[str, str]) -> dict[str, str]:
    return {"VPCId": vpc["vpcId"], "VPCRegion": vpc.get("vpcRegion") or op.region}


class Zone(ResourceType):
    type_name = "aws:route53/zone:Zone"
    regional = False
    taggable = True
    inputs = (
        Input("name", required=True, replace=True, equal=_same_name),
        Input("comment", default="Managed by Pulumi"),
        Input("forceDestroy", default=False, write_only=True),
        Input("vpcs", equal=_same_vpcs, fields=(Input("vpcId", required=True), Input("vpcRegion"))),
    )
    outputs = ("arn", "zoneId", "nameServers", "primaryNameServer")

    def replacements(self, change: Change) -> frozenset[str]:
        """A public zone cannot become a private one, nor the other way."""
        turned = bool(change.before.get("vpcs")) != bool(change.now.get("vpcs"))
        return frozenset({"vpcs"}) if turned and change.touches("vpcs") else frozenset()

    def create(self, op: Operation, new: Properties) -> str:
        vpcs = new.get("vpcs") or []
        answer = op.call(
            "route53.create_hosted_zone",
            Name=new["name"],
            CallerReference=uuid.uuid4().hex,
            HostedZoneConfig={"Comment": new["comment"], "PrivateZone": bool(vpcs)},
            VPC=_vpc(op, vpcs[0]) if vpcs else None,
        )
        return str(answer["HostedZone"]["Id"]).rpartition("/")[2]

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        for vpc in (new.get("vpcs") or [])[1:]:
            op.call("route53.associate_vpc_with_hosted_zone", HostedZoneId=identity, VPC=_vpc(op, vpc))
        if new["tagsAll"]:
            self.retag(op, identity, {}, new["tagsAll"], [])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        if change.touches("comment"):
            op.call("route53.update_hosted_zone_comment", Id=identity, Comment=now["comment"])
        if change.touches("vpcs"):
            before, after = ({vpc["vpcId"]: vpc for vpc in side.get("vpcs") or []} for side in (change.before, now))
            for key in after.keys() - before.keys():
                op.call("route53.associate_vpc_with_hosted_zone", HostedZoneId=identity, VPC=_vpc(op, after[key]))
            for key in before.keys() - after.keys():
                vpc = _vpc(op, before[key])
                op.call("route53.disassociate_vpc_from_hosted_zone", HostedZoneId=identity, VPC=vpc)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("route53.get_hosted_zone", _GONE, Id=identity)
        if answer is None:
            return None
        zone = answer["HostedZone"]
        vpcs = [{"vpcId": vpc["VPCId"], "vpcRegion": vpc["VPCRegion"]} for vpc in answer.get("VPCs") or []]
        tags = op.call("route53.list_tags_for_resource", ResourceType="hostedzone", ResourceId=identity)
        servers = (answer.get("DelegationSet") or {}).get("NameServers") or []
        return {
            "name": _bare_name(zone["Name"]),
            "zoneId": identity,
            "arn": op.arn("route53", f"hostedzone/{identity}", account="", region=""),
            "comment": (zone.get("Config") or {}).get("Comment"),
            "vpcs": vpcs,
            "nameServers": sorted(servers),
            "primaryNameServer": servers[0] if servers else None,
            "tags": tags_of(tags["ResourceTagSet"]),
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        op.call(
            "route53.change_tags_for_resource",
            ResourceType="hostedzone",
            ResourceId=identity,
            AddTags=tag_list(tags) or None,
            RemoveTagKeys=removed or None,
        )

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if state.get("forceDestroy"):
            _empty(op, identity)
        op.find("route53.delete_hosted_zone", _GONE, Id=identity)


def _empty(op: Operation, zone: str) -> None:
    listed = op.find("route53.list_resource_record_sets", _GONE, HostedZoneId=zone) or {}
    records = [item for item in listed.get("ResourceRecordSets", []) if item["Type"] not in ("NS", "SOA")]
    for record in records:
        _change(op, zone, "DELETE", record)


def _change(op: Operation, zone: str, action: str, record: Mapping[str, Any]) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": dict(record)}]}
    op.call("route53.change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch)


class Record(ResourceType):
    """A record; its id is `zone_name_type`. A name without the zone's own gets it appended."""

    type_name = "aws:route53/record:Record"
    regional = False
    inputs = (
        Input("zoneId", required=True, replace=True),
        Input("name", required=True, replace=True, equal=_same_name),
        Input("type", required=True, replace=True),
        Input("ttl", equal=as_text),
        Input("records", required=True, equal=as_set),
        Input("allowOverwrite", default=False, write_only=True),
    )
    outputs = ("fqdn",)
    delete_before_replace = True

    def create(self, op: Operation, new: Properties) -> str:
        fqdn = _fqdn(op, new)
        if not new["allowOverwrite"] and _find_record(op, new["zoneId"], fqdn, new["type"]):
            raise CloudError(f"zone {new['zoneId']} already has a record {fqdn} {new['type']}")
        _change(op, new["zoneId"], "UPSERT", _record(fqdn, new))
        return f"{new['zoneId']}_{new['name']}_{new['type']}"

    def update(self, op: Operation, identity: str, change: Change) -> None:
        now = change.now
        _change(op, now["zoneId"], "UPSERT", _record(_fqdn(op, now), now))

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        zone, _, rest = identity.partition("_")
        name, _, kind = rest.rpartition("_")
        zone_name = _zone_name(op, zone)
        if zone_name is None:
            return None
        fqdn = _full(name, zone_name)
        live = _find_record(op, zone, fqdn, kind)
        if live is None:
            return None
        values = [item["Value"] for item in live.get("ResourceRecords") or []]
        return {"zoneId": zone, "name": fqdn, "fqdn": fqdn, "type": kind, "ttl": live.get("TTL"), "records": values} | (
            {"name": known["name"]} if "name" in known and _full(known["name"], zone_name) == fqdn else {}
        )

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if _zone_name(op, state["zoneId"]) is None:
            return
        live = _find_record(op, state["zoneId"], state["fqdn"], state["type"])
        if live:
            _change(op, state["zoneId"], "DELETE", live)


def _full(name: str, zone_name: str) -> str:
    bare = _bare_name(name)
    return bare if bare == zone_name or bare.endswith(f".{zone_name}") else f"{bare}.{zone_name}".lstrip(".")


def _zone_name(op: Operation, zone: str) -> str | None:
    answer = op.find("route53.get_hosted_zone", _GONE, Id=zone)
    return _bare_name(answer["HostedZone"]["Name"]) if answer else None


def _fqdn(op: Operation, new: Properties) -> str:
    zone_name = _zone_name(op, new["zoneId"])
    if zone_name is None:
        raise CloudError(f"hosted zone {new['zoneId']} does not exist")
    return _full(new["name"], zone_name)


def _record(fqdn: str, new: Properties) -> dict[str, Any]:
    values = [{"Value": value} for value in new["records"]]
    return {"Name": fqdn, "Type": new["type"], "TTL": int(new.get("ttl") or 300), "ResourceRecords": values}


def _find_record(op: Operation, zone: str, fqdn: str, kind: str) -> dict[str, Any] | None:
    answer = op.call("route53.list_resource_record_sets", HostedZoneId=zone, StartRecordName=fqdn, StartRecordType=kind)
    for record in answer["ResourceRecordSets"]:
        if _bare_name(record["Name"]) == fqdn and record["Type"] == kind:
            return dict(record)
    return None


TYPES = (Zone(), Record())
