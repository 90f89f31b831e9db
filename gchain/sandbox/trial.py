"""`python -m gchain.sandbox.trial --name g --hosts 2`: hosts to develop roles on, without Pulumi.

Makes a sandbox of its own with one agency, a VPC with a VPN gateway, one open security group, and instances, over the
agency's own credentials. Prints how to reach them, and writes an Ansible inventory with the hosts' own SSH keys.
`--down` removes it all.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

import botocore.session

from gchain.errors import GchainError
from gchain.sandbox import slots
from gchain.sandbox.layout import MemberSite, Plan
from gchain.sandbox.sandbox import Sandbox

__all__ = ["Trial", "main"]

MEMBER = "trial"
REGION = "eu-central-1"
OPERATORS = "10.199.1.0/28"
SERVICES = "10.199.0.0/24"
MIRROR = "10.199.0.80"


class Trial:
    """A small agency by hand: the shortest way from nothing to a host that answers SSH."""

    def __init__(self, name: str, cidr: str = "10.190.0.0/20") -> None:
        self.sandbox = Sandbox(name)
        self._cidr = cidr

    def plan(self, hosts: int) -> Plan:
        names = tuple(f"host-{index + 1}" for index in range(hosts))
        return Plan(
            name=self.sandbox.name,
            slot=slots.allocate(self.sandbox.name),
            environment="trial",
            members=(MemberSite(MEMBER, "100000000001", REGION, OPERATORS, names),),
            regions=(REGION,),
            services_cidr=SERVICES,
            mirrors={"mirror.gchain.internal": MIRROR},
        )

    def client(self, service: str, member: str = MEMBER) -> Any:
        """A client with the member's own credentials."""
        session = botocore.session.Session(profile="default")
        path = self.sandbox.workspace.member(member).aws_credentials
        session.set_config_variable("credentials_file", str(path))
        return session.create_client(service, region_name=REGION, endpoint_url=self.sandbox.layout.endpoint)

    def ssh_key(self, member: str = MEMBER) -> Path:
        path = self.sandbox.workspace.member(member).ssh_key
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", member, "-f", str(path)]
            subprocess.run(command, check=True)
        return path

    def network(self, ec2: Any) -> tuple[str, str]:
        """A VPC behind a VPN gateway, one subnet, everything open: returns (subnet, security group)."""
        vpc = ec2.create_vpc(CidrBlock=self._cidr)["Vpc"]["VpcId"]
        gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        ec2.attach_vpn_gateway(VpcId=vpc, VpnGatewayId=gateway)
        block = self._cidr.rpartition("/")[0] + "/24"
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        for cidr in (OPERATORS, SERVICES):
            ec2.create_route(RouteTableId=table, DestinationCidrBlock=cidr, GatewayId=gateway)
        group = ec2.create_security_group(GroupName="hosts", Description="trial", VpcId=vpc)["GroupId"]
        anyone = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=anyone)
        return subnet, group

    def host(self, ec2: Any, subnet: str, group: str, name: str, **more: Any) -> str:
        """One instance with a ledger volume; returns its id."""
        disk = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "VolumeType": "gp3"}}]
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}]
        launched = ec2.run_instances(
            ImageId="ami-0123456789abcdef0",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            SecurityGroupIds=[group],
            KeyName=MEMBER,
            TagSpecifications=tags,
            **{"BlockDeviceMappings": disk, **more},
        )
        return str(launched["Instances"][0]["InstanceId"])

    def up(self, hosts: int) -> list[dict[str, Any]]:
        """Everything, from nothing; again on a running trial it only prints the way in."""
        self.sandbox.start_plan(self.plan(hosts))
        ec2 = self.client("ec2")
        if not ec2.describe_key_pairs()["KeyPairs"]:
            public = self.ssh_key().with_suffix(".pub").read_bytes()
            ec2.import_key_pair(KeyName=MEMBER, PublicKeyMaterial=public)
            subnet, group = self.network(ec2)
            for name in self.plan(hosts).members[0].hosts:
                self.host(ec2, subnet, group, name)
        found = self.sandbox.wait_for_hosts(hosts)
        self.write_inventory(found)
        return found

    def write_inventory(self, hosts: list[dict[str, Any]]) -> Path:
        """`trial-inventory.ini` and `known_hosts`: the keys are those that the hosts printed to their consoles."""
        directory = self.sandbox.workspace.member(MEMBER)
        lines = [f"{host['address']} {key}" for host in hosts for key in host["ssh_host_keys"]]
        directory.known_hosts.write_text("\n".join(lines) + "\n")
        path = self.sandbox.workspace.root / "trial-inventory.ini"
        rows = [f"{host['name']} ansible_host={host['address']}" for host in hosts]
        options = f"-o UserKnownHostsFile={directory.known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
        variables = [
            "ansible_user=admin",
            f"ansible_ssh_private_key_file={directory.ssh_key}",
            f"ansible_ssh_common_args={options}",
            "ansible_python_interpreter=/usr/bin/python3",
        ]
        path.write_text("\n".join(["[hosts]", *rows, "", "[all:vars]", *variables]) + "\n")
        return path

    def ssh(self, host: dict[str, Any], *command: str) -> list[str]:
        """The command line that runs `command` on a host over SSH, from the agency's own network."""
        directory = self.sandbox.workspace.member(MEMBER)
        options = ["-o", f"UserKnownHostsFile={directory.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
        options += ["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
        options += ["-i", str(directory.ssh_key)]
        return self.sandbox.in_operator_network(MEMBER, "ssh", *options, f"admin@{host['address']}", *command)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="gchain.sandbox.trial", description=__doc__)
    parser.add_argument("--name", default="trial")
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--down", action="store_true", help="remove the trial")
    given = parser.parse_args(arguments)
    trial = Trial(given.name)
    try:
        if given.down:
            trial.sandbox.down()
            return 0
        for host in trial.up(given.hosts):
            print(f"{host['name']} {host['address']}: {' '.join(trial.ssh(host))}")
    except GchainError as error:
        print(f"error: {error}" + (f"\n  {error.remedy}" if error.remedy else ""))
        return error.exit_code
    inventory = trial.sandbox.workspace.root / "trial-inventory.ini"
    namespace = trial.sandbox.layout.operator(MEMBER)
    print(f"nsenter --net=/run/netns/{namespace} ansible-playbook -i {inventory} ...")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
