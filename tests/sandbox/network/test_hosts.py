"""Instances are hosts: keys on the console, names, time, disk, power, and what survives a killed daemon."""

from __future__ import annotations

import base64
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gchain.sandbox.hosts.console import host_keys

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


def _state(estate: Any, name: str, wanted: str) -> None:
    instance = estate.alpha.hosts[name]

    def reached(hosts: list[dict[str, Any]]) -> bool:
        return any(each["instance_id"] == instance and each["state"] == wanted for each in hosts)

    estate.sandbox.wait(reached, f"{name} {wanted}")


def _answers(agency: Any, name: str, deadline: float = 120.0) -> None:
    end = time.monotonic() + deadline
    while agency.ssh(name, "true").returncode != 0:
        assert time.monotonic() < end, f"{name} does not answer SSH"


_BOOTED = "cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic"


def _boots_anew(agency: Any, name: str, before: str, deadline: float = 120.0) -> None:
    """Wait until the host answers `_BOOTED` with something else than `before`."""
    end = time.monotonic() + deadline
    while (now := agency.ssh(name, _BOOTED)).returncode != 0 or now.stdout == before:
        assert time.monotonic() < end, f"{name} did not come back"


def test_get_console_output_carries_the_key_that_the_host_shows_over_ssh(estate: Any) -> None:
    alpha = estate.alpha
    output = alpha.ec2.get_console_output(InstanceId=alpha.hosts["a1"])["Output"]
    (printed,) = host_keys(output)
    shown = alpha.ssh("a1", "cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
    assert printed.split() == shown[:2]


def test_hosts_have_different_keys_and_machine_ids(estate: Any) -> None:
    command = "cat /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id"
    found = {estate.alpha.ssh(name, command).stdout for name in ("a1", "a2", "a3")}
    assert len(found) == 3


def test_a_private_zone_is_seen_from_its_own_vpc_only(estate: Any) -> None:
    alpha, beta = estate.alpha, estate.beta
    route53 = alpha.client("route53")
    zone = route53.create_hosted_zone(
        Name="ledger.test",
        VPC={"VPCRegion": alpha.site.region, "VPCId": alpha.vpc},
        CallerReference="1",
        HostedZoneConfig={"PrivateZone": True, "Comment": ""},
    )["HostedZone"]["Id"]
    record = {"Name": "node.ledger.test", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.181.0.99"}]}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    estate.sandbox.converged()
    assert alpha.ssh("a1", "getent hosts node.ledger.test").stdout.split()[0] == "10.181.0.99"
    assert beta.ssh("b1", "getent hosts node.ledger.test").returncode == 2
    assert beta.ssh("b1", "getent hosts mirror.test").stdout.split()[0] == "10.189.0.80"


def test_the_time_service_answers_chrony(estate: Any) -> None:
    selected = "chronyc -n sources | grep -q '^^\\*'"
    command = f"sudo chronyc burst 4/4 >/dev/null; for i in $(seq 60); do {selected} && exit 0; sleep 0.5; done; exit 1"
    assert estate.alpha.ssh("a1", command).returncode == 0
    assert "169.254.169.123" in estate.alpha.ssh("a1", "chronyc -n sources").stdout


def test_the_machines_clock_cannot_be_set_from_a_host(estate: Any) -> None:
    done = estate.alpha.ssh("a1", "sudo date -s '2001-01-01'")
    assert done.returncode != 0
    assert "not permitted" in done.stderr


def test_the_ledger_volume_has_the_size_that_the_cloud_says_and_fills_up(estate: Any) -> None:
    fill = "sudo dd if=/dev/zero of=/var/lib/gchain/fill bs=1M count=2000 2>&1; df --output=size -BM /var/lib/gchain; "
    done = estate.alpha.ssh("a2", fill + "sudo rm /var/lib/gchain/fill")
    assert "No space left on device" in done.stdout
    assert int(done.stdout.split()[-1].rstrip("M")) < 1024


def test_a_stopped_instance_is_a_host_that_is_off_and_comes_back_with_its_disk(estate: Any) -> None:
    alpha = estate.alpha
    key = alpha.describe("a2")["ssh_host_keys"]
    alpha.ssh("a2", "sudo touch /srv/kept /var/lib/gchain/kept; sync")
    alpha.ec2.stop_instances(InstanceIds=[alpha.hosts["a2"]])
    _state(estate, "a2", "stopped")
    assert alpha.ssh("a2", "true").returncode == 255
    alpha.ec2.start_instances(InstanceIds=[alpha.hosts["a2"]])
    _state(estate, "a2", "up")
    _answers(alpha, "a2")
    assert alpha.describe("a2")["ssh_host_keys"] == key
    assert alpha.ssh("a2", "ls /srv/kept /var/lib/gchain/kept").returncode == 0


@pytest.mark.parametrize("off", [False, True], ids=["while it shuts down", "once it is off"])
def test_an_instance_that_is_started_again_at_once_comes_back(estate: Any, off: bool) -> None:
    alpha = estate.alpha
    before = alpha.ssh("a2", _BOOTED).stdout
    alpha.ec2.stop_instances(InstanceIds=[alpha.hosts["a2"]])
    if off:
        _state(estate, "a2", "stopped")
    else:
        estate.sandbox.converged()
    alpha.ec2.start_instances(InstanceIds=[alpha.hosts["a2"]])
    _boots_anew(alpha, "a2", before)
    _state(estate, "a2", "up")


def test_a_host_that_powers_itself_off_is_a_stopped_instance(estate: Any) -> None:
    alpha = estate.alpha
    alpha.ssh("a2", "sudo systemctl poweroff")
    _state(estate, "a2", "stopped")
    (found,) = alpha.ec2.describe_instances(InstanceIds=[alpha.hosts["a2"]])["Reservations"]
    assert found["Instances"][0]["State"]["Name"] == "stopped"
    alpha.ec2.start_instances(InstanceIds=[alpha.hosts["a2"]])
    _state(estate, "a2", "up")
    _answers(alpha, "a2")


def test_a_host_that_reboots_comes_back(estate: Any) -> None:
    alpha = estate.alpha
    before = alpha.ssh("a3", _BOOTED).stdout
    alpha.ssh("a3", "sudo systemctl reboot")
    _boots_anew(alpha, "a3", before)


def test_a_killed_host_stays_off_until_it_is_revived(estate: Any) -> None:
    alpha = estate.alpha
    estate.sandbox.kill_host(alpha.hosts["a3"])
    _state(estate, "a3", "down")
    assert alpha.ssh("a3", "true").returncode == 255
    estate.sandbox.revive_host(alpha.hosts["a3"])
    _state(estate, "a3", "up")
    _answers(alpha, "a3")


def test_a_cut_link_stays_cut_over_a_killed_daemon_and_heals_on_request(estate: Any) -> None:
    alpha = estate.alpha
    estate.sandbox.cut_link(alpha.hosts["a3"])
    assert alpha.ssh("a3", "true").returncode == 255
    _kill_daemon(estate)
    assert alpha.ssh("a3", "true").returncode == 255
    estate.sandbox.heal_link(alpha.hosts["a3"])
    _answers(alpha, "a3")


def _kill_daemon(estate: Any) -> None:
    """End the daemon with no warning, and wait until another one has adopted everything."""
    before = estate.sandbox.status()["pid"]
    os.kill(before, signal.SIGKILL)
    end = time.monotonic() + 120
    while True:
        status = estate.sandbox.status()
        if status and status["pid"] != before and status["reconciler"]["applied"] and status["hosts"]:
            return
        assert time.monotonic() < end, "no new daemon"
        time.sleep(0.1)


def test_a_killed_daemon_is_started_again_and_adopts_cloud_and_hosts(estate: Any) -> None:
    alpha = estate.alpha
    processes = {estate.sandbox.machine(each).cgroups.processes(each)[0] for each in alpha.hosts.values()}
    cloud = estate.sandbox.status()["cloud"]["pid"]
    _kill_daemon(estate)
    assert {estate.sandbox.machine(each).cgroups.processes(each)[0] for each in alpha.hosts.values()} == processes
    assert estate.sandbox.status()["cloud"]["pid"] == cloud
    alpha.listen("a1", 8099)
    alpha.allow(8099, alpha.group)
    assert alpha.reaches("a2", alpha.address("a1"), 8099)
    alpha.revoke(8099, alpha.group)


def test_a_terminated_instance_leaves_nothing(estate: Any) -> None:
    alpha = estate.alpha
    alpha.launch("a4", estate.second_subnet)
    _state(estate, "a4", "up")
    instance = alpha.hosts.pop("a4")
    machine = estate.sandbox.machine(instance)
    alpha.ec2.terminate_instances(InstanceIds=[instance])
    end = time.monotonic() + 120
    while machine.directory.exists() or Path(f"/run/netns/gc-{estate.sandbox.name}-{instance}").exists():
        assert time.monotonic() < end, "the host was not removed"
        time.sleep(0.1)
    assert not machine.cgroups.path(instance).exists()


def test_user_data_runs_on_the_first_boot(estate: Any) -> None:
    alpha = estate.alpha
    script = "#cloud-config\nfqdn: a5.ledger.test\nruncmd:\n  - touch /srv/from-user-data\n"
    launched = alpha.ec2.run_instances(
        ImageId="ami-0123456789abcdef0",
        MinCount=1,
        MaxCount=1,
        SubnetId=estate.second_subnet,
        SecurityGroupIds=[alpha.group],
        KeyName="operators",
        UserData=script,
    )
    alpha.hosts["a5"] = launched["Instances"][0]["InstanceId"]
    encoded = alpha.ec2.describe_instance_attribute(InstanceId=alpha.hosts["a5"], Attribute="userData")
    assert base64.b64decode(encoded["UserData"]["Value"]).decode() == script
    _state(estate, "a5", "up")
    _answers(alpha, "a5")
    assert alpha.ssh("a5", "hostname -f; ls /srv").stdout.split() == ["a5.ledger.test", "from-user-data"]
    alpha.ec2.terminate_instances(InstanceIds=[alpha.hosts.pop("a5")])


def test_a_volume_that_is_attached_while_the_host_runs_is_mounted_and_there_again_when_it_was_off(estate: Any) -> None:
    alpha = estate.alpha
    launched = alpha.ec2.run_instances(
        ImageId="ami-0123456789abcdef0",
        MinCount=1,
        MaxCount=1,
        SubnetId=estate.second_subnet,
        SecurityGroupIds=[alpha.group],
        KeyName="operators",
    )
    alpha.hosts["a6"] = launched["Instances"][0]["InstanceId"]
    _state(estate, "a6", "up")
    _answers(alpha, "a6")
    assert alpha.ssh("a6", "mountpoint -q /var/lib/gchain").returncode != 0
    zone = launched["Instances"][0]["Placement"]["AvailabilityZone"]
    volume = alpha.ec2.create_volume(AvailabilityZone=zone, Size=1)["VolumeId"]
    alpha.ec2.attach_volume(VolumeId=volume, InstanceId=alpha.hosts["a6"], Device="/dev/sdf")
    estate.sandbox.converged()
    _state(estate, "a6", "up")
    assert alpha.ssh("a6", "mountpoint -q /var/lib/gchain && sudo touch /var/lib/gchain/kept && sync").returncode == 0
    estate.sandbox.kill_host(alpha.hosts["a6"])
    _state(estate, "a6", "down")
    estate.sandbox.revive_host(alpha.hosts["a6"])
    _state(estate, "a6", "up")
    _answers(alpha, "a6")
    assert alpha.ssh("a6", "mountpoint -q /var/lib/gchain && ls /var/lib/gchain/kept").returncode == 0
    alpha.ec2.terminate_instances(InstanceIds=[alpha.hosts.pop("a6")])
