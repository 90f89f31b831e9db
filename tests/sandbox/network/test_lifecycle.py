"""A sandbox starts, is found again, is refused twice at once, and leaves nothing behind, whatever state it was in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gchain.errors import SandboxError
from gchain.sandbox import slots
from gchain.sandbox.hosts.cgroups import Cgroups
from gchain.sandbox.hosts.image import Image
from gchain.sandbox.network import namespaces
from gchain.sandbox.trial import Trial

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


@pytest.fixture
def trial() -> Iterator[Trial]:
    if os.geteuid() != 0:
        pytest.skip("real hosts need root")
    made = Trial(f"life{os.getpid() % 10_000}")
    yield made
    made.sandbox.down()


def _remains(trial: Trial) -> list[str]:
    """Everything on this machine that carries the sandbox's name."""
    name = trial.sandbox.name
    found = [each for each in namespaces.listed() if each.startswith(f"gc-{name}-")]
    found += [str(path) for path in (trial.sandbox.workspace.root, Cgroups(f"gchain-{name}").root) if path.exists()]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/gchain-{name}")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"/{name}/" in line]
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    found += [line for line in processes.splitlines() if f"/{name}/" in line or f"--name {name}" in line]
    loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in loops.splitlines() if f"/{name}/" in line]


def test_down_leaves_nothing_also_with_a_frozen_host_a_killed_daemon_and_a_lost_cloud(trial: Trial) -> None:
    hosts = trial.up(2)
    assert _remains(trial)
    trial.sandbox.freeze(hosts[0]["instance_id"])
    client = subprocess.Popen(trial.sandbox.in_operator_network("trial", "sleep", "600"))
    status = trial.sandbox.status()
    assert status is not None
    for pid in (status["pid"], status["cloud"]["pid"]):
        os.kill(pid, signal.SIGKILL)
    trial.sandbox.down()
    assert _remains(trial) == []
    assert client.wait(120) == -signal.SIGKILL
    trial.sandbox.down()  # of what is gone already: nothing to do, no error


def test_down_finds_everything_without_the_state_directory(trial: Trial) -> None:
    trial.up(1)
    trial.sandbox.workspace.root.joinpath("sandbox.json").unlink()
    trial.sandbox.down()
    assert _remains(trial) == []


def test_a_lost_cloud_is_told_and_hosts_keep_running(trial: Trial) -> None:
    (host,) = trial.up(1)
    status = trial.sandbox.status()
    assert status is not None
    os.kill(status["cloud"]["pid"], signal.SIGKILL)
    end = time.monotonic() + 120
    while (status := trial.sandbox.status()) is None or status["cloud"]["state"] != "lost":
        assert time.monotonic() < end, "the loss was not noticed"
    assert subprocess.run(trial.ssh(host, "true"), check=False).returncode == 0
    with pytest.raises(SandboxError, match="died") as caught:
        trial.sandbox.start_plan(trial.sandbox.plan)
    assert "down" in str(caught.value.remedy)


def test_a_second_command_at_once_is_refused_with_the_first_ones_pid(trial: Trial) -> None:
    code = (
        "import sys, time; from gchain.sandbox import slots\n"
        "with slots.exclusive(sys.argv[1]):\n    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, trial.sandbox.name], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SandboxError, match=f"process {holder.pid}"), trial.sandbox.exclusive():
            pass
        holder.kill()


def test_a_taken_port_is_named_with_its_holder(trial: Trial) -> None:
    plan = trial.plan(1)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 41000 + 100 * plan.slot))
        taken.listen()
        with pytest.raises(SandboxError, match=rf"port {41000 + 100 * plan.slot} .*pid {os.getpid()}"):
            trial.sandbox.start_plan(plan)
        assert slots.allocate(f"{trial.sandbox.name}x") != plan.slot


def test_a_start_that_was_cut_off_goes_on(trial: Trial) -> None:
    command = [sys.executable, "-m", "gchain.sandbox.trial", "--name", trial.sandbox.name]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as starting:
        end = time.monotonic() + 120
        while not trial.sandbox.exists:
            assert time.monotonic() < end
        starting.kill()
    trial.up(1)
    status = trial.sandbox.status()
    assert status is not None
    assert len(status["hosts"]) == 1


def test_an_image_made_from_one_host_gives_others_its_programs_and_not_its_identity(
    trial: Trial, tmp_path: Path
) -> None:
    (first,) = trial.up(1)
    assert subprocess.run(trial.ssh(first, "sudo touch /opt/program && sync"), check=False).returncode == 0
    ec2 = trial.client("ec2")
    image = Image(tmp_path / "golden")
    with pytest.raises(SandboxError, match="runs"):
        trial.sandbox.capture_image(first["instance_id"], image)
    ec2.stop_instances(InstanceIds=[first["instance_id"]])
    trial.sandbox.wait(lambda hosts: hosts[0]["state"] == "stopped", "the host to stop")
    trial.sandbox.use_image(trial.sandbox.capture_image(first["instance_id"], image))
    (old,) = ec2.describe_instances()["Reservations"][0]["Instances"]
    trial.host(ec2, old["SubnetId"], old["SecurityGroups"][0]["GroupId"], "second")
    second = next(each for each in trial.sandbox.wait_for_hosts(1) if each["name"] == "second")
    assert second["ssh_host_keys"] != first["ssh_host_keys"]
    trial.write_inventory([second])
    assert subprocess.run(trial.ssh(second, "test -e /opt/program"), check=False).returncode == 0
    assert image.digest.startswith("sha256:")
