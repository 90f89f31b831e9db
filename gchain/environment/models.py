"""What an environment's files may say: the zone (where data may be) and the consortium (who takes part).

Every model refuses unknown keys. Values are checked here one by one; what must hold between values is in
`gchain.environment.contradictions`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

__all__ = [
    "AvailabilityZone",
    "Consortium",
    "Host",
    "Image",
    "Member",
    "Mirror",
    "Officer",
    "Operator",
    "Region",
    "StackSettings",
    "Thresholds",
    "Zone",
]

Label = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")]
"""A DNS label: it becomes part of host names, stack names and file names."""
Jurisdiction = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2 code."""
Account = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
"""A cloud account number: a quoted string of 12 digits (unquoted, YAML would drop leading zeros)."""
AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
RegionName = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]$")]
Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
AwsService = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+$")]


def _private(network: IPv4Network) -> IPv4Network:
    if not network.is_private:
        raise ValueError(f"{network} is not a private network (RFC 1918)")
    return network


PrivateNetwork = Annotated[IPv4Network, AfterValidator(_private)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AvailabilityZone(_Strict):
    """One building block of a region; `id` is the same physical place in every account, `name` is the account's own."""

    name: str = Field(examples=["eu-central-1a"])
    id: str = Field(pattern=r"^[a-z0-9-]+-az[0-9]+$", examples=["euc1-az1"])


class Region(_Strict):
    name: RegionName
    jurisdiction: Jurisdiction
    availability_zones: tuple[AvailabilityZone, ...] = Field(min_length=1)


class Mirror(_Strict):
    """A package mirror inside the zone: `name` is the host name that machines ask DNS for."""

    name: Domain
    url: Url


class Operator(_Strict):
    """A cleared person who may administer a member's hosts, and where that person works."""

    name: str = Field(min_length=1)
    member: Label
    jurisdiction: Jurisdiction


class Image(_Strict):
    """An approved machine image in one region."""

    id: str = Field(pattern=r"^ami-[0-9a-f]{8,17}$")
    region: RegionName
    name: Label


class Zone(_Strict):
    """Where data may be: the boundary that every residency rule is judged against."""

    name: Label
    partition: Literal["aws", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b"]
    jurisdictions: tuple[Jurisdiction, ...] = Field(min_length=1)
    organization_id: str = Field(pattern=r"^o-[a-z0-9]{10,32}$")
    domain: Domain = Field(description="private DNS zone of the ledger's hosts")
    regions: tuple[Region, ...] = Field(min_length=1)
    accounts: dict[AccountName, Account] = Field(description="every account of the zone: one a member, and log_archive")
    services_cidr: PrivateNetwork = Field(description="shared in-zone services such as the package mirror")
    dns_servers: tuple[IPv4Address, ...] = Field(min_length=1)
    ntp_servers: tuple[IPv4Address, ...] = Field(min_length=1, max_length=4)
    mirrors: tuple[Mirror, ...] = Field(min_length=1)
    egress_cidrs: tuple[PrivateNetwork, ...] = Field(min_length=1, description="the networks that packets may go to")
    operators: tuple[Operator, ...] = ()
    external_buckets: dict[str, RegionName] = Field(default_factory=dict)
    images: tuple[Image, ...] = Field(min_length=1)
    anchors: tuple[Url, ...] = Field(default=(), description="endpoints that may receive a salted hash, nothing else")
    telemetry_endpoints: tuple[Url, ...] = ()
    notification_endpoints: tuple[str, ...] = Field(
        default=(), description="mailboxes, URLs and chat channels (slack:<team>/<channel>) that may receive alarms"
    )
    vpn_networks: tuple[IPv4Network, ...] = Field(
        default=(), description="public addresses of the zone's sites: a VPN tunnel may end there"
    )
    direct_connect_locations: tuple[str, ...] = Field(default=(), description="Direct Connect locations in the zone")
    role_bundles: tuple[Digest, ...] = Field(default=(), description="approved user data of hosts, by digest")

    def region(self, name: str) -> Region | None:
        return next((region for region in self.regions if region.name == name), None)


class Host(_Strict):
    name: Label
    role: Literal["validator", "observer"]
    availability_zone: str


class Officer(_Strict):
    """A person who signs go-live and waivers for a member."""

    name: str = Field(min_length=1)


class Member(_Strict):
    """One agency: its account, its network and its people."""

    name: Label
    title: str = Field(min_length=1)
    jurisdiction: Jurisdiction
    region: RegionName
    account: Account
    vpc_cidr: PrivateNetwork
    operator_cidr: PrivateNetwork = Field(description="the agency's own office network, behind its VPN gateway")
    hosts: tuple[Host, ...] = Field(min_length=1)
    officers: tuple[Officer, ...] = Field(min_length=1)
    owner: str = Field(min_length=3, pattern=r"^[A-Za-z0-9 _.:/=+@-]+$", description="contact for the owner tag")

    @property
    def validators(self) -> tuple[Host, ...]:
        return tuple(host for host in self.hosts if host.role == "validator")


class Thresholds(_Strict):
    go_live: Literal["all", "two-thirds"] = "all"
    proposal: Literal["all", "two-thirds", "majority"] = "two-thirds"
    noncompliance: Literal["all", "two-thirds", "majority"] | None = Field(
        default=None,
        description="members who suspend one whose evidence fails, is stale or was never given; absent: none",
    )


class Consortium(_Strict):
    """Who takes part, and on which terms."""

    name: Label
    chain_id: str = Field(pattern=r"^[a-z][a-z0-9-]{2,48}$")
    convenor: Label
    engine: Literal["cometbft"] = "cometbft"
    validator_key_type: Literal["ed25519", "secp256k1"]
    thresholds: Thresholds = Thresholds()
    members: tuple[Member, ...] = Field(min_length=1)

    def member(self, name: str) -> Member | None:
        return next((member for member in self.members if member.name == name), None)


_HSM_LABEL = r"^[!-~]([ -~]{0,30}[!-~])?$"
"""Of a token. PKCS#11: at most 32 bytes, and blanks at the end do not count."""


_NO_CONTROLS = Field(pattern=r'^[^\x00-\x1f"\\]+$')


class StackSettings(_Strict):
    """The `gchain:` keys of `Pulumi.<environment>.yaml`: sizes, retention and the hardware that keys live in."""

    control_baseline: Literal["nist-800-53-moderate", "nist-800-53-high", "eu-secnumcloud", "uk-official"]
    data_classification: Label
    evidence_retention_days: int = Field(ge=1, le=36500)
    log_retention_days: int = Field(ge=1, le=36500)
    key_deletion_window_days: int = Field(default=30, ge=7, le=30)
    instance_type: str = Field(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9]+$")
    image: Label = Field(description="name of the machine image, one id a region in zone.yaml")
    root_volume_gib: int = Field(default=20, ge=8, le=1024)
    ledger_volume_gib: int = Field(default=100, ge=8, le=16384)
    hsm: Literal["none", "cloudhsm", "other"] = Field(
        default="none",
        description="none: SoftHSM on the hosts; cloudhsm: a cluster in the cloud; other: what the agency brings",
    )
    hsm_instance_type: str = "hsm2m.medium"
    hsm_module_path: str = Field(pattern=r"^/\S+\.so$", description="the PKCS#11 module on the hosts")
    hsm_validator_token: str = Field(
        default="validator", pattern=_HSM_LABEL, description="label of the token with the consensus key"
    )
    hsm_member_token: str = Field(
        default="member",
        pattern=_HSM_LABEL,
        description="label of the token with the agency's other keys; the same where a product has one token",
    )
    hsm_environment: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")], Annotated[str, _NO_CONTROLS]] = Field(
        default={}, description="environment variables that the PKCS#11 module reads; no secrets"
    )
    organization: Literal["create", "existing", "none"] = Field(
        description="the foundation stack creates the organization, hangs guardrails on an existing one, or holds none"
    )
    interface_endpoints: tuple[AwsService, ...] = Field(description="cloud services that hosts reach inside the VPC")
    flow_log_interval_seconds: Literal[60, 600] = 60
    deletion_protection: bool = Field(description="false only where environments come and go, such as a sandbox")
