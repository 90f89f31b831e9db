"""Two agencies on four real hosts: what the network tests change over the cloud's API and look at with real packets."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from gchain.sandbox import slots
from gchain.sandbox.layout import MemberSite, Plan
from gchain.sandbox.sandbox import Sandbox

REGION = "eu-central-1"
NAME = f"net{os.getpid() % 10_000}"
MEMBERS = (
    MemberSite("alpha", "200000000001", REGION, "10.189.1.0/28", ("a1", "a2", "a3")),
    MemberSite("beta", "200000000002", REGION, "10.189.2.0/28", ("b1",)),
)
SERVICES = "10.189.0.0/24"
MIRROR = "10.189.0.80"
OPEN_TO_OPERATORS = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}


class Agency:
    """One member's account: its VPC, subnets, group, hosts; everything over its own credentials."""

    def __init__(self, sandbox: Sandbox, site: MemberSite, cidr: str) -> None:
        self.sandbox, self.site, self.cidr = sandbox, site, cidr
        self.ec2 = self.client("ec2")
        self._key = sandbox.workspace.member(site.name).ssh_key
        self._key.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)], check=True)
        public = self._key.with_suffix(".pub").read_bytes()
        self.ec2.import_key_pair(KeyName="operators", PublicKeyMaterial=public)
        self.vpc = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        gateway = self.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        self.ec2.attach_vpn_gateway(VpcId=self.vpc, VpnGatewayId=gateway)
        self.gateway = gateway
        self.table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        for network in (site.operator_cidr, SERVICES):
            self.ec2.create_route(RouteTableId=self.table, DestinationCidrBlock=network, GatewayId=gateway)
        self.group = self.ec2.create_security_group(GroupName="hosts", Description="hosts", VpcId=self.vpc)["GroupId"]
        self.allow(22, site.operator_cidr)
        self.hosts: dict[str, str] = {}

    def client(self, service: str) -> Any:
        session = botocore.session.Session()
        path = self.sandbox.workspace.member(self.site.name).aws_credentials
        session.set_config_variable("credentials_file", str(path))
        return session.create_client(service, region_name=REGION, endpoint_url=self.sandbox.layout.endpoint)

    def subnet(self, index: int) -> str:
        block = f"{self.cidr.rpartition('.')[0].rpartition('.')[0]}.{index}.0/24"
        zone = f"{REGION}{'abc'[index]}"
        made = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        self.ec2.associate_route_table(RouteTableId=self.table, SubnetId=made)
        return str(made)

    def launch(self, name: str, subnet: str) -> None:
        launched = self.ec2.run_instances(
            ImageId="ami-0123456789abcdef0",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            SecurityGroupIds=[self.group],
            KeyName="operators",
            BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}],
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
        )
        self.hosts[name] = launched["Instances"][0]["InstanceId"]

    def allow(self, port: int, source: str) -> None:
        """Open a TCP port of the hosts' group to a CIDR or a group, and wait until it took effect."""
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[_permission(port, source)])
        self.sandbox.converged()

    def revoke(self, port: int, source: str) -> None:
        self.ec2.revoke_security_group_ingress(GroupId=self.group, IpPermissions=[_permission(port, source)])
        self.sandbox.converged()

    def describe(self, name: str) -> dict[str, Any]:
        status = self.sandbox.status()
        assert status is not None
        return next(each for each in status["hosts"] if each["instance_id"] == self.hosts[name])

    def address(self, name: str) -> str:
        return str(self.describe(name)["address"])

    def ssh(self, name: str, command: str, *, member: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command on a host from a member's own network, with its host key checked against the console."""
        host = self.describe(name)
        known = self._key.parent / "known_hosts"
        known.write_text("".join(f"{host['address']} {key}\n" for key in host["ssh_host_keys"]))
        options = [f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", "BatchMode=yes", "ConnectTimeout=3"]
        options += ["IdentitiesOnly=yes", "ConnectionAttempts=3"]
        line = ["ssh", "-i", str(self._key), *(part for each in options for part in ("-o", each))]
        line = self.sandbox.in_operator_network(member or self.site.name, *line, f"admin@{host['address']}", command)
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)

    def listen(self, name: str, port: int) -> None:
        """A web server on a host, answering at a port."""
        unit = f"web{port}"
        done = self.ssh(
            name,
            f"systemctl is-active -q {unit} || sudo systemd-run -q --unit={unit} --working-directory=/srv "
            f"python3 -m http.server {port}; "
            f"for i in $(seq 50); do curl -s localhost:{port} -o /dev/null && exit 0; sleep 0.1; done; exit 1",
        )
        assert done.returncode == 0, done.stderr

    def reaches(self, name: str, address: str, port: int) -> bool:
        """Whether a host gets a connection to an address and port."""
        done = self.ssh(name, f"timeout 6 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo open || echo closed")
        assert done.stdout.strip() in ("open", "closed"), done.stderr
        return done.stdout.strip() == "open"


def _permission(port: int, source: str) -> dict[str, Any]:
    to = {"UserIdGroupPairs": [{"GroupId": source}]} if source.startswith("sg-") else {"IpRanges": [{"CidrIp": source}]}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **to}


class Estate:
    """The sandbox and its two agencies."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.alpha = Agency(sandbox, MEMBERS[0], "10.181.0.0/20")
        self.beta = Agency(sandbox, MEMBERS[1], "10.182.0.0/20")
        first, second = self.alpha.subnet(0), self.alpha.subnet(1)
        self.second_subnet = second
        for name, subnet in (("a1", first), ("a2", first), ("a3", second)):
            self.alpha.launch(name, subnet)
        self.beta.launch("b1", self.beta.subnet(0))
        sandbox.wait_for_hosts(4)


@pytest.fixture(scope="package")
def estate() -> Iterator[Estate]:
    if os.geteuid() != 0:
        pytest.skip("real hosts need root")
    sandbox = Sandbox(NAME)
    plan = Plan(
        name=NAME,
        slot=slots.allocate(NAME),
        environment="network-tests",
        members=MEMBERS,
        regions=(REGION,),
        services_cidr=SERVICES,
        mirrors={"mirror.test": MIRROR},
    )
    try:
        sandbox.start_plan(plan)
        yield Estate(sandbox)
    finally:
        sandbox.down()
