"""What the roles make of a host: tokens, keys, PINs, units, certificates, metrics; and that they make it once."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gchain.hosts.playbook import run_playbook

from .consortium import Consortium

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

UNITS = ("gchain-signer", "gchain-node", "gchain-engine")
_MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so"
_NODE = "/opt/gchain/venv/bin/gchain-node"


@pytest.mark.parametrize("unit", [*UNITS, "gchain-tls.timer", "prometheus-node-exporter", "chrony", "nftables", "ssh"])
def test_what_a_validator_needs_runs_and_starts_at_boot(forming: Consortium, unit: str) -> None:
    for name in forming.names:
        assert forming.host(name).service(unit).is_running, f"{unit} of {name}"
    enabled = forming.host("customs").run(f"systemctl is-enabled {unit}").stdout.strip()
    # The node's unit wants the engine, so that nothing starts an engine without a node.
    assert enabled == ("disabled" if unit == "gchain-engine" else "enabled") or unit == "gchain-engine"


def test_the_validators_and_the_members_tokens_are_apart_and_the_officers_is_not_there(forming: Consortium) -> None:
    host = forming.host("treasury")
    stores = {name: host.file(f"/var/lib/gchain/hsm/{name}") for name in ("validator", "member")}
    with host.sudo():
        owners = {name: (store.user, oct(store.mode)) for name, store in stores.items()}
        labels = {name: _labels(host, name) for name in stores}
        everything = host.check_output("ls -A /var/lib/gchain/hsm /etc/gchain/credentials")
    assert owners == {"validator": ("gchain-signer", "0o700"), "member": ("gchain-node", "0o700")}
    assert labels == {"validator": ["validator"], "member": ["member"]}
    assert "officer" not in everything
    officers = forming.workspace.member("treasury").officer
    assert {path.name for path in officers.glob("*.pin")} == {"helene-brandt.pin", "otto-falkner.pin"}


def _labels(host: Any, store: str) -> list[str]:
    """Initialised tokens in a store, as OpenSC's own tool sees them without any PIN."""
    tool = "pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --list-token-slots"
    told = host.check_output(f"SOFTHSM2_CONF=/var/lib/gchain/hsm/{store}/softhsm2.conf {tool}")
    return [found for found in re.findall(r"token label\s*:\s*(\S+)", told) if found]


def test_the_two_tokens_have_different_pins(forming: Consortium) -> None:
    host = forming.host("treasury")
    compare = "decrypt() { systemd-creds decrypt --name=$1-pin /etc/gchain/credentials/$1-pin -; }; "
    with host.sudo():
        done = host.run(f"bash -c '{compare} cmp -s <(decrypt validator) <(decrypt member); echo $?'")
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.parametrize(
    ("token", "key"), [("validator", "consensus"), ("member", "member"), ("member", "tls"), ("member", "receipt")]
)
def test_a_key_was_made_in_its_token_and_can_never_leave_it(forming: Consortium, token: str, key: str) -> None:
    user = {"validator": "gchain-signer", "member": "gchain-node"}[token]
    pin = f"pin-source=file:/run/credentials/{user}.service/{token}-pin"
    uri = f"pkcs11:token={token};object={key};type=private?{_MODULE}&{pin}"
    host = forming.host("treasury")
    with host.sudo():
        done = host.run("/opt/gchain/libexec/with-token %s %s keys attributes --uri %s --json", token, _NODE, uri)
    assert done.rc == 0, done.stderr
    found = json.loads(done.stdout)
    wanted = {"sensitive": True, "always_sensitive": True, "extractable": False, "never_extractable": True}
    assert {name: found[name] for name in (*wanted, "local")} == {**wanted, "local": True}


_PLACES = {
    "units and configuration": "find /etc /usr/local /opt/gchain/libexec /run/systemd -type f -exec cat {} +",
    "process list": "cat /proc/[0-9]*/cmdline",
    "environments": "cat /proc/[0-9]*/environ",
    "journal": "journalctl --no-pager -o cat; find /var/log -type f -name '*.log' -exec cat {} +",
    "ledger volume": "find /var/lib/gchain/node /var/lib/gchain/engine /var/lib/gchain/signer -type f -exec cat {} +",
}


@pytest.mark.parametrize("token", ["validator", "member"])
def test_a_pin_stands_in_no_unit_process_list_environment_or_journal(forming: Consortium, token: str) -> None:
    host = forming.host("health")
    sealed = f"systemd-creds decrypt --name={token}-pin /etc/gchain/credentials/{token}-pin -"
    with host.sudo():
        assert host.check_output(f"{sealed} | wc -c") != "0"
        assert _lines_with(host, sealed, f"{sealed}; echo") == "1", "the search itself finds a PIN that is there"
        for place, command in _PLACES.items():
            assert _lines_with(host, sealed, command) == "0", f"the PIN of {token} is in: {place}"


def _lines_with(host: Any, sealed: str, command: str) -> str:
    """How many lines of what `command` prints hold the PIN that `sealed` prints; the PIN is in no argument."""
    script = f"({command}) 2>/dev/null | grep -acF -f <({sealed} 2>/dev/null)"
    return str(host.run("timeout 60 bash -c %s", script).stdout.strip())


@pytest.mark.parametrize("unit", ["gchain-node", "gchain-signer"])
def test_node_and_signer_are_sandboxed_to_an_exposure_of_two_or_less(forming: Consortium, unit: str) -> None:
    host = forming.host("registry")
    with host.sudo():
        told = host.run(f"systemd-analyze security --no-pager {unit}.service").stdout
    found = re.search(r"Overall exposure level.*: ([0-9.]+)", told)
    assert found is not None, told
    assert float(found[1]) <= 2.0, told


def test_units_run_as_users_of_their_own(forming: Consortium) -> None:
    host = forming.host("customs")
    users = {unit: host.check_output(f"systemctl show -P User {unit}.service") for unit in UNITS}
    assert users == {unit: unit for unit in UNITS}


def test_a_host_with_another_key_than_its_console_showed_is_refused(forming: Consortium, tmp_path: Path) -> None:
    forming.host("health")
    foreign = forming.workspace.member("health").known_hosts.read_text().split()
    assert foreign[0] == forming.address("health")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    kind, body = (tmp_path / "other.pub").read_text().split()[:2]
    (tmp_path / "known").write_text(f"{foreign[0]} {kind} {body}\n")
    line = ["ssh", "-F", "/dev/null", "-i", str(forming.workspace.member("health").ssh_key), "-o", "BatchMode=yes"]
    line += ["-o", f"UserKnownHostsFile={tmp_path / 'known'}", "-o", "StrictHostKeyChecking=yes"]
    line = forming.sandbox.in_operator_network("health", *line, f"admin@{foreign[0]}", "true")
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 255
    assert "IDENTIFICATION HAS CHANGED" in done.stderr


def test_the_tls_leaf_lives_a_day_at_most_in_memory_and_comes_from_the_agencys_own_key(forming: Consortium) -> None:
    host = forming.host("registry")
    with host.sudo():
        assert host.check_output("stat -f -c %T /run/gchain/tls") == "tmpfs"
        leaf = x509.load_pem_x509_certificate(host.check_output("cat /run/gchain/tls/cert.pem").encode())
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert 0 < lifetime.total_seconds() <= 24 * 3600 + 300  # five minutes back, for clocks that differ
    contribution = json.loads((forming.workspace.contributions / "registry.json").read_text())
    issuer = x509.load_pem_x509_certificate(contribution["payload"]["tls_ca"].encode())
    leaf.verify_directly_issued_by(issuer)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert forming.nodes["registry"].name in names.get_values_for_type(x509.DNSName)


def test_metrics_are_given_to_a_member_certificate_and_to_nobody_else(forming: Consortium) -> None:
    host, name = forming.host("customs"), forming.nodes["customs"].name
    address, tls = forming.address("customs"), "/run/gchain/tls"
    ask = f"curl -sS --max-time 10 --resolve {name}:%d:{address} --cacert {tls}/ca.pem"
    with host.sudo():
        for port, metric in ((9100, "node_memory_MemTotal_bytes"), (8443, "gchain_")):
            url = f"https://{name}:{port}/metrics"
            refused = host.run(f"{ask % port} -f {url}")
            assert refused.rc != 0, f"port {port} answered without a certificate"
            answered = host.run(f"{ask % port} -f --cert {tls}/cert.pem --key {tls}/key.pem {url}")
            assert answered.rc == 0, answered.stderr
            assert metric in answered.stdout


def test_check_mode_finds_a_change_by_hand_without_undoing_it_and_a_second_run_changes_nothing(
    forming: Consortium,
) -> None:
    host, path = forming.host("customs"), "/etc/systemd/system/gchain-engine.service"
    with host.sudo():
        before = host.check_output(f"cat {path}")
        host.check_output(f"echo '# by hand' >> {path}")
        asked = run_playbook(forming.workspace, "customs", "site", check=True)
        assert asked.changed >= 1
        assert host.check_output(f"tail -1 {path}") == "# by hand"
        repaired = run_playbook(forming.workspace, "customs", "site")
        assert repaired.changed >= 1
        assert host.check_output(f"cat {path}") == before
    again = run_playbook(forming.workspace, "customs", "site")
    assert (again.changed, again.changes) == (0, [])
    assert run_playbook(forming.workspace, "customs", "site", check=True).changed == 0
