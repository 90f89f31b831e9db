"""Hardening of hosts and their volumes: metadata, addresses, images, default encryption, the system's baseline."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import kms_faults
from policies.rule import Context, Rule, Verdict
from policies.view import View

HRD_001 = Rule(
    "HRD-001",
    remedy="Turn on EBS encryption by default with a customer-managed key in each zone region of the account.",
)
_DEFAULT_ON = "aws:ebs/encryptionByDefault:EncryptionByDefault"
_DEFAULT_KEY = "aws:ebs/defaultKmsKey:DefaultKmsKey"


@HRD_001.on(_DEFAULT_ON)
def encryption_by_default_is_on(setting: View, at: Context) -> Iterator[str]:
    # The provider's default for an unset `enabled` is true.
    enabled = setting.flag("enabled")
    if enabled is False or (enabled is None and at.stage is not Stage.PLAN):
        yield "encryption by default is off"


@HRD_001.located(_DEFAULT_KEY)
def default_key_is_the_zones(setting: Resource, at: Context) -> Iterator[str]:
    key = at.view(setting).text("keyArn")
    if not key:
        yield "no customer-managed key is the default"
    yield from kms_faults(at, key, "the default key", region=at.region(setting))


@HRD_001.whole(Stage.PLAN, Stage.STATE, Stage.LIVE)
def settings_come_with_volumes(at: Context) -> Iterator[Verdict]:
    volumes = list(at.graph.of_type("aws:ebs/volume:Volume", "aws:ec2/instance:Instance"))
    for region in sorted({at.region(volume) for volume in volumes}):
        missing = [
            name
            for kind, name in ((_DEFAULT_ON, "encryption by default"), (_DEFAULT_KEY, "a default key"))
            if not any(setting.region == region for setting in at.graph.of_type(kind))
        ]
        yield Verdict(f"ebs/{region}", [f"volumes are in {region}, but {name} is not set" for name in missing], missing)


HRD_002 = Rule("HRD-002", remedy="Set metadataOptions.httpTokens to required and httpPutResponseHopLimit to 1.")


@HRD_002.on("aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate")
def metadata_needs_a_token(machine: View, at: Context) -> Iterator[str]:
    options = machine.child("metadataOptions")
    if options is None:
        yield "metadataOptions is not set"
    else:
        yield from _metadata_faults(options)


@HRD_002.on("aws:ec2/instanceMetadataDefaults:InstanceMetadataDefaults")
def metadata_defaults_need_a_token(defaults: View, at: Context) -> Iterator[str]:
    yield from _metadata_faults(defaults)


def _metadata_faults(options: View) -> Iterator[str]:
    if options.text("httpTokens") != "required":
        yield f"httpTokens is {options.text('httpTokens') or 'not set'}"
    if options.number("httpPutResponseHopLimit") != 1:
        yield f"httpPutResponseHopLimit is {options.number('httpPutResponseHopLimit') or 'not set'}"


HRD_003 = Rule("HRD-003", remedy="Set public addressing to false and release the Elastic IP.")


@HRD_003.on("aws:ec2/instance:Instance")
def instance_has_no_public_address(instance: View, at: Context) -> Iterator[str]:
    if instance.flag("associatePublicIpAddress"):
        yield "associatePublicIpAddress is true"


@HRD_003.on("aws:ec2/launchTemplate:LaunchTemplate")
def template_gives_no_public_address(template: View, at: Context) -> Iterator[str]:
    for interface in template.children("networkInterfaces"):
        if interface.flag("associatePublicIpAddress"):
            yield "a network interface gets a public address"


@HRD_003.on("aws:ec2/subnet:Subnet")
def subnet_gives_no_public_address(subnet: View, at: Context) -> Iterator[str]:
    if subnet.flag("mapPublicIpOnLaunch"):
        yield "mapPublicIpOnLaunch is true"


@HRD_003.on("aws:ec2/eip:Eip")
def no_elastic_address_is_attached(address: View, at: Context) -> Iterator[str]:
    attached = address.text("instance") or address.text("networkInterface")
    if attached:
        yield f"a public address is attached to {attached}"


@HRD_003.on("aws:rds/instance:Instance")
def database_is_private(database: View, at: Context) -> Iterator[str]:
    if database.flag("publiclyAccessible"):
        yield "publiclyAccessible is true"


HRD_015 = Rule("HRD-015", remedy="Set protect on ledger volumes and keys, and deletion protection on the others.")
_PROTECTED = {
    "aws:lb/loadBalancer:LoadBalancer": "enableDeletionProtection",
    "aws:rds/instance:Instance": "deletionProtection",
    "aws:dynamodb/table:Table": "deletionProtectionEnabled",
}


@HRD_015.located("aws:ebs/volume:Volume", "aws:kms/key:Key")
def volumes_and_keys_are_protected(resource: Resource, at: Context) -> Iterator[str]:
    if not (resource.protect or resource.retain_on_delete):
        yield "neither protect nor retainOnDelete is set"


@HRD_015.located(*_PROTECTED)
def deletion_protection_is_on(resource: Resource, at: Context) -> Iterator[str]:
    name = _PROTECTED[resource.type]
    if at.view(resource).flag(name) is not True:
        yield f"{name} is not true"


HRD_017 = Rule("HRD-017", remedy="Start from an image on the zone's list for that region, with encrypted volumes.")


@HRD_017.located("aws:ec2/instance:Instance")
def instance_starts_from_an_approved_image(instance: Resource, at: Context) -> Iterator[str]:
    view = at.view(instance)
    yield from _image_faults(view.required("ami"), at.region(instance), at)
    root = view.child("rootBlockDevice")
    if root is None or root.flag("encrypted") is not True:
        yield "the root volume is not encrypted"


@HRD_017.located("aws:ec2/launchTemplate:LaunchTemplate")
def template_starts_from_an_approved_image(template: Resource, at: Context) -> Iterator[str]:
    view = at.view(template)
    if image := view.text("imageId"):
        yield from _image_faults(image, at.region(template), at)
    for mapping in view.children("blockDeviceMappings"):
        ebs = mapping.child("ebs")
        if ebs is not None and ebs.flag("encrypted") is not True:
            yield "a volume is not encrypted"


def _image_faults(image: str, region: str, at: Context) -> Iterator[str]:
    if at.zone.images.get(image) != region:
        yield f"{image} is not an approved image of {region}"


HRD_020 = Rule("HRD-020", remedy="Run the hardening role again, then scan the host; do not repair hosts by hand.")
_AIDE_MAXIMUM_AGE = timedelta(days=2)


@HRD_020.each_host
def host_meets_the_baseline(host: View, at: Context) -> Iterator[str]:
    cis = host.need("cis")
    profile = cis.required("profile")
    for failed in cis.texts("failed_rules"):
        yield f"{profile}: {failed} is not met"


@HRD_020.each_host
def packet_filter_drops_by_default(host: View, at: Context) -> Iterator[str]:
    policies = host.need("nftables").mapping("default_policies")
    if not any("input" in chain for chain in policies):
        yield "no input chain has a default policy"
    for chain, policy in policies.items():
        if "output" not in chain and policy != "drop":
            yield f"the default policy of {chain} is {policy}"


@HRD_020.each_host
def host_watches_itself(host: View, at: Context) -> Iterator[str]:
    if host.need("auditd").flag("active") is not True:
        yield "auditd is not active"
    if host.need("chrony").flag("synchronised") is not True:
        yield "the clock is not synchronised"
    last = datetime.fromisoformat(host.need("aide").required("last_check"))
    if at.now - last > _AIDE_MAXIMUM_AGE:
        yield f"AIDE last ran on {last.date()}"
