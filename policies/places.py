"""Where a named thing lies: ARNs, regions, accounts, buckets and networks judged against the zone.

Each function yields what is wrong; nothing yielded means inside. `what` names the attribute in the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import NamedTuple

from policies.rule import Context
from policies.view import UnknownValue, View

__all__ = [
    "Arn",
    "account_faults",
    "arn_faults",
    "bucket_faults",
    "bucket_name",
    "copy_faults",
    "endpoint_faults",
    "host_of",
    "is_loopback",
    "kms_faults",
    "network_faults",
    "parse_arn",
    "region_faults",
]


class Arn(NamedTuple):
    """arn:partition:service:region:account:resource (AWS General Reference, "Amazon Resource Names")."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def parse_arn(text: str) -> Arn | None:
    """The parts of an ARN, or None if `text` is none."""
    parts = text.split(":", 5)
    return Arn(*parts[1:]) if len(parts) == 6 and parts[0] == "arn" else None


def region_faults(at: Context, region: str | None, what: str) -> Iterator[str]:
    """An unset region is not a fault: it means the resource's own."""
    if region and region not in at.zone.regions:
        yield f"{what} is {region}, not a region of zone {at.zone.name} ({', '.join(at.zone.regions)})"


def account_faults(at: Context, account: str | None, what: str) -> Iterator[str]:
    if account and not at.zone.has_account(account):
        yield f"{what} is account {account}, not an account of zone {at.zone.name}"


def arn_faults(at: Context, text: str | None, what: str) -> Iterator[str]:
    """Region and account of an ARN; an S3 ARN is resolved to its bucket.

    Raises:
        UnknownValue: it is no ARN, or an S3 bucket that nobody knows.
    """
    if not text:
        return
    arn = parse_arn(text)
    if arn is None:
        raise UnknownValue(f"{what}: {text!r} is not an ARN")
    if arn.service == "s3" and not arn.region:
        yield from bucket_faults(at, text, what)
        return
    if not arn.region:
        raise UnknownValue(f"{what}: {text} names no region")
    yield from region_faults(at, arn.region, what)
    yield from account_faults(at, arn.account, what)


def bucket_name(text: str) -> str:
    """The bucket of a name, an S3 ARN or an s3:// URL."""
    if text.startswith("arn:"):
        text = text.split(":::", 1)[-1]
    return text.removeprefix("s3://").split("/", 1)[0].split("?", 1)[0]


def bucket_faults(at: Context, text: str | None, what: str) -> Iterator[str]:
    """A bucket by name or ARN, resolved through the graph, the zone's external buckets, or the cloud.

    Raises:
        UnknownValue: nobody knows where the bucket is.
    """
    if text:
        name = bucket_name(text)
        yield from region_faults(at, at.bucket_region(name), f"{what} (bucket {name})")


_KEY_ID = re.compile(r"^(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$")


def kms_faults(at: Context, key: str | None, what: str, *, region: str | None = None) -> Iterator[str]:
    """A KMS key by ARN, id or alias. An id or alias is looked up in the resource's own account and region.

    Raises:
        UnknownValue: the text is none of the three.
    """
    if not key:
        return
    if key.startswith("alias/aws/") or ":alias/aws/" in key:
        yield f"{what} is {key}, which AWS manages and not the zone"
    elif (arn := parse_arn(key)) is not None:
        yield from region_faults(at, arn.region, what)
        yield from account_faults(at, arn.account, what)
        if region and arn.region != region:
            yield f"{what} is a key of {arn.region} for data in {region}"
    elif not (_KEY_ID.match(key) or key.startswith("alias/")):
        raise UnknownValue(f"{what}: {key!r} is not a KMS key")


def copy_faults(at: Context, region: str | None, settings: View | None, key: str, what: str) -> Iterator[str]:
    """Where a copy lies, and the key that encrypts it, which must be one of that region.

    The key is read after the region is judged: a key that is not known yet hides no copy abroad.

    Args:
        region: the copy's region; unset means the original's own.
        settings: what names the key, if anything does.
        key: the attribute that names it, as `kms_faults` takes it; unset leaves the choice to the service.
        what: what the messages call the copy.

    Raises:
        UnknownValue: the key is not known, or none.
    """
    yield from region_faults(at, region, f"{what}'s region")
    if settings is not None:
        yield from kms_faults(at, settings.text(key), f"{what}'s key", region=region)


def network_faults(at: Context, cidr: str | None, what: str) -> Iterator[str]:
    """A CIDR block or address that is not wholly inside the zone's networks."""
    if not cidr:
        return
    try:
        ip_network(cidr, strict=False)
    except ValueError:
        raise UnknownValue(f"{what}: {cidr!r} is not a network") from None
    if not at.zone.has_network(cidr):
        yield f"{what} is {cidr}, outside the zone's networks"


_ADDRESS = re.compile(r"^[0-9.]+$|^[0-9a-f]*:[0-9a-f:.]*$", re.IGNORECASE)
_HOST_NAME = re.compile(r"^(?:[a-z0-9_*](?:[a-z0-9_-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*$", re.IGNORECASE)
_REGION_LABEL = re.compile(r"^(?:us|eu|ap|sa|ca|me|af|il|cn|mx|eusc)(?:-[a-z]+)+-[0-9]$")
_CLOUD_NAMES = (".amazonaws.com", ".amazonaws.eu", ".on.aws", ".api.aws")


def endpoint_faults(at: Context, endpoint: str | None, what: str) -> Iterator[str]:
    """A URL, host or address that data goes to: on an allow-list, in a zone network, or a name inside the zone.

    Inside are the zone's domain, its mirrors, and names of the cloud that say a zone region.

    Raises:
        UnknownValue: it is neither an address nor a full host name.
    """
    if not endpoint or endpoint in at.zone.telemetry_endpoints | at.zone.notification_endpoints:
        return
    host = host_of(endpoint).rstrip(".").lower()
    if _ADDRESS.match(host):
        yield from network_faults(at, host, what)
    elif not _HOST_NAME.match(host):
        raise UnknownValue(f"{what}: {endpoint!r} is not the name or address of a host")
    elif host.endswith(_CLOUD_NAMES):
        regions = [label for label in host.split(".") if _REGION_LABEL.match(label)]
        if not regions:
            yield f"{what} is {host}, a name of the cloud that says no region"
        for region in regions:
            yield from region_faults(at, region, f"{what} ({host})")
    elif not (host in at.zone.mirrors or f".{host}".endswith(f".{at.zone.domain}")):
        yield f"{what} is {host}, which is not a name of the zone"


def is_loopback(address: str) -> bool:
    """Whether a listen address or endpoint is off, a unix socket or bound to this machine."""
    host = host_of(address)
    return not address or address.startswith("unix:") or host in ("localhost", "::1") or host.startswith("127.")


def host_of(address: str) -> str:
    """The host of a URL, `id@host:port`, `host:port` or address."""
    rest = address.partition("://")[2] or address
    rest = rest.partition("/")[0].rpartition("@")[2]
    if rest.startswith("["):
        return rest[1:].partition("]")[0]
    return rest if rest.count(":") > 1 else rest.partition(":")[0]
