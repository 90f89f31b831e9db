"""Hosts die, links break, processes are killed, a volume fills: the ledger goes on, and who comes back agrees."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gchain.hosts.playbook import run_playbook
from gchain.workspace import REPOSITORY

from .consortium import Consortium, wait_until

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

RECOVERY = 120.0
"""Seconds for a host or process to come back and catch up, on a machine that is busy."""


def _in_step(live: Consortium) -> None:
    """Every node answers, and all have the same application state at the lowest height that all have."""
    lowest = wait_until(
        "an answer of every node", lambda: min(live.height(name) for name in live.names), RECOVERY, pause=0.5
    )
    for name in live.names:
        wait_until(f"{name} to catch up", lambda name=name: not live.status(name)["catching_up"], RECOVERY)
    hashes = {live.app_hash(name, lowest) for name in live.names}
    assert len(hashes) == 1
    assert hashes != {""}


@pytest.fixture(autouse=True)
def _whole(live: Consortium) -> Iterator[None]:
    """Each test starts and ends with four nodes that agree."""
    _in_step(live)
    yield
    _in_step(live)


def _goes_on_without(live: Consortium, lost: str, record: str) -> None:
    """The others commit a record while `lost` is away."""
    other = next(name for name in live.names if name != lost)
    assert live.record(other, live.once(record)).outcome.committed


def _catches_up(live: Consortium, name: str, record: str) -> None:
    """The node that was away has what was committed meanwhile."""
    path = f"records/{live.once(record)}"
    wait_until(f"{path} at {name}", lambda: live.query(name, path), RECOVERY, pause=1)


def test_a_host_is_lost_and_the_ledger_goes_on_and_the_host_catches_up_when_it_returns(live: Consortium) -> None:
    instance = live.instance("customs")
    live.sandbox.kill_host(instance)
    try:
        _goes_on_without(live, "customs", "while-customs-was-off")
    finally:
        live.sandbox.revive_host(instance)
    _catches_up(live, "customs", "while-customs-was-off")


def test_a_cut_link_stops_one_node_only_and_it_catches_up_when_the_link_heals(live: Consortium) -> None:
    instance = live.instance("registry")
    live.sandbox.cut_link(instance)
    try:
        _goes_on_without(live, "registry", "while-registry-was-cut-off")
    finally:
        live.sandbox.heal_link(instance)
    _catches_up(live, "registry", "while-registry-was-cut-off")


@pytest.mark.parametrize("unit", ["gchain-node", "gchain-engine", "gchain-signer"])
def test_a_killed_process_comes_back_by_itself_and_the_validator_signs_again(live: Consortium, unit: str) -> None:
    host = live.host("health")

    def main_pid() -> str:
        return str(host.check_output(f"systemctl show -P MainPID {unit}.service"))

    before = main_pid()
    with host.sudo():
        host.check_output(f"systemctl kill --signal=SIGKILL {unit}.service")
    wait_until(f"another process of {unit}", lambda: main_pid() not in ("0", before), RECOVERY)
    _signs(live, "health")


def _signer_position(live: Consortium, name: str) -> tuple[int, int, int]:
    """Height, round and step of what the validator signed last, from its journal."""
    host = live.host(name)
    with host.sudo():
        told = host.check_output(
            "/opt/gchain/venv/bin/gchain-node signer status --config /etc/gchain/signer.toml --json"
        )
    last = json.loads(told)["last"]
    return int(last["height"]), int(last["round"]), int(last["step"])


def _signed_in_the_chain(live: Consortium, name: str) -> int:
    """The highest height whose commit holds the validator's signature, as its node shows its signer."""
    host = live.host(name)
    with host.sudo():
        shown = json.loads(host.check_output("cat /var/lib/gchain/signer-view/view.json"))
    return max(shown["signed"].values())


def _signs(live: Consortium, name: str) -> None:
    """Wait until the validator has signed for a height that no block had when this was called."""
    height = max(live.height(other) for other in live.names if other != name)
    wait_until(f"a signature of {name} above {height}", lambda: _signer_position(live, name)[0] > height, RECOVERY, 1)


def test_a_host_that_restarts_takes_its_place_again(live: Consortium) -> None:
    host = live.host("treasury")
    before = host.check_output("systemctl show -P UserspaceTimestampMonotonic")
    with host.sudo():
        host.run("systemctl reboot")
    wait_until(
        "treasury's host to start anew",
        lambda: host.run("systemctl show -P UserspaceTimestampMonotonic").stdout.strip() not in ("", before),
        RECOVERY,
        pause=1,
    )
    _signs(live, "treasury")
    for unit in ("gchain-signer", "gchain-node", "gchain-engine", "prometheus-node-exporter", "gchain-tls.timer"):
        assert host.service(unit).is_running, unit


def test_a_killed_reconciler_is_started_again_and_hosts_and_ledger_never_notice(live: Consortium) -> None:
    status = live.sandbox.status()
    assert status is not None
    machines = {name: live.sandbox.machine(live.instance(name)) for name in live.names}
    before = {name: machine.cgroups.processes(machine.id)[0] for name, machine in machines.items()}
    height = live.height("treasury")
    os.kill(status["pid"], signal.SIGKILL)

    def adopted() -> bool:
        now = live.sandbox.status()
        return bool(now and now["pid"] != status["pid"] and all(host["state"] == "up" for host in now["hosts"]))

    wait_until("another daemon that knows the hosts", adopted)
    assert {name: machine.cgroups.processes(machine.id)[0] for name, machine in machines.items()} == before
    wait_until("the next blocks", lambda: live.height("treasury") >= height + 2)


def test_a_second_sandbox_up_at_once_is_refused_and_names_the_first_ones_process(live: Consortium) -> None:
    command = [sys.executable, "-m", "gchain.cli", "sandbox", "up", "--name", live.sandbox.name]
    with live.sandbox.exclusive():
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=60)
    assert done.returncode != 0
    assert f"process {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_ledger_volume_is_told_by_the_node_and_nothing_is_lost_when_there_is_room_again(
    live: Consortium,
) -> None:
    host, fill = live.host("customs"), "/var/lib/gchain/fill"
    since = host.check_output("date '+%Y-%m-%d %H:%M:%S'")

    def said() -> str:
        units = "-u gchain-node -u gchain-engine -u gchain-signer"
        with host.sudo():
            return str(host.check_output(f"journalctl --no-pager -o cat {units} --since '{since}'"))

    with host.sudo():
        # Reserved, not written: the volume is full and the machine's own disk is not.
        free = host.check_output("df --output=avail --block-size=1 /var/lib/gchain | tail -1")
        host.run(f"fallocate -l $(({free} - 1048576)) {fill}; dd if=/dev/zero of={fill}.rest bs=4k status=none")
        assert host.check_output("df --output=avail --block-size=1K /var/lib/gchain | tail -1").strip() == "0"
    try:
        _goes_on_without(live, "customs", "while-customs-had-no-room")
        wait_until("a word about the full volume", lambda: _tells_full(said()), RECOVERY, pause=1)
    finally:
        with host.sudo():
            host.check_output(f"rm -f {fill} {fill}.rest")
    _catches_up(live, "customs", "while-customs-had-no-room")
    _signs(live, "customs")


def _tells_full(text: str) -> bool:
    return "the ledger needs at least" in text and "enlarge the volume or free space" in text


def test_a_backup_restores_the_ledger_data_and_never_rolls_the_signer_back(live: Consortium) -> None:
    run_playbook(live.workspace, "registry", "backup")
    (copy,) = sorted((live.workspace.member("registry").root / "backups").glob("*.tar.gz"))[-1:]
    manifest = json.loads(Path(f"{copy}.json").read_text())
    listed = subprocess.run(["tar", "--list", "--file", str(copy)], capture_output=True, text=True, check=True).stdout
    assert "signer" not in listed
    assert "hsm" not in listed
    live.record("treasury", live.once("after-the-backup"))
    _signs(live, "registry")
    signed = _signer_position(live, "registry")
    _break_data(live.host("registry"))
    run_playbook(live.workspace, "registry", "restore", {"gchain_backup": str(copy)})
    assert _signer_position(live, "registry") >= signed
    assert signed[0] > int(manifest["height"])
    _catches_up(live, "registry", "after-the-backup")
    _signs(live, "registry")


def _break_data(host: Any) -> None:
    """What a backup is for: the node's data is gone."""
    with host.sudo():
        host.check_output("systemctl stop gchain-engine gchain-node")
        host.check_output("rm -rf /var/lib/gchain/node/* /var/lib/gchain/engine/data/*")


def test_a_journal_from_a_backup_signs_nothing_and_the_sound_one_goes_on(live: Consortium) -> None:
    """The backup has none for this reason; whoever copies one by hand is refused by the fence."""
    host, journal, aside = live.host("registry"), "/var/lib/gchain/signer/journal", "/var/lib/gchain/signer/aside"
    since = host.check_output("date '+%Y-%m-%d %H:%M:%S'")
    with host.sudo():
        host.check_output(
            f"systemctl stop gchain-signer && cp -a {journal} {aside}-old && systemctl start gchain-signer"
        )
    copied = _signer_position(live, "registry")[0]
    wait_until("later signatures in the chain", lambda: _signed_in_the_chain(live, "registry") > copied + 2, RECOVERY)
    with host.sudo():
        host.check_output(f"systemctl stop gchain-signer && mv {journal} {aside}-new && mv {aside}-old {journal}")
        host.run("systemctl start gchain-signer")

    def said() -> str:
        with host.sudo():
            return str(host.check_output(f"journalctl --no-pager -o cat -u gchain-signer --since '{since}'"))

    try:
        wait_until("the signer's refusal", lambda: "old_journal" in said(), RECOVERY, pause=1)
        _goes_on_without(live, "registry", "while-registry-was-refused")
    finally:
        with host.sudo():
            host.check_output(f"systemctl stop gchain-signer && rm -r {journal} && mv {aside}-new {journal}")
            host.check_output("systemctl reset-failed gchain-signer; systemctl start gchain-signer")
    _signs(live, "registry")


def test_a_damaged_backup_is_refused_before_anything_is_stopped(live: Consortium) -> None:
    backups = sorted((live.workspace.member("registry").root / "backups").glob("*.tar.gz"))
    if not backups:
        run_playbook(live.workspace, "registry", "backup")
        backups = sorted((live.workspace.member("registry").root / "backups").glob("*.tar.gz"))
    damaged = backups[-1].with_name("damaged.tar.gz")
    content = bytearray(backups[-1].read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    Path(f"{damaged}.json").write_text(Path(f"{backups[-1]}.json").read_text())
    pid = live.host("registry").check_output("systemctl show -P MainPID gchain-node.service")
    try:
        with pytest.raises(Exception, match="Refuse a damaged copy"):
            run_playbook(live.workspace, "registry", "restore", {"gchain_backup": str(damaged)})
    finally:
        damaged.unlink()
        Path(f"{damaged}.json").unlink()
    assert live.host("registry").check_output("systemctl show -P MainPID gchain-node.service") == pid
