#!/usr/bin/python3
"""Collect what is so on a host, as evidence for the policies (docs/node-facts.md). Reads, and changes nothing.

Used from afar by the Ansible module `host_facts`, and on the host itself by the gate, whose timer runs this very file:
`collect-facts --parameters FILE --out FILE`. It needs the standard library alone. A section that cannot be collected
is left out: a rule that misses it stays indeterminate, never passes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["collect"]

Run = Callable[[list[str]], tuple[int, str, str]]

_PEER_PORT = 26656
_UNITS = (
    "gchain-node.service",
    "gchain-signer.service",
    "gchain-engine.service",
    "gchain-tls.timer",
    "prometheus-node-exporter.service",
    "nftables.service",
    "chrony.service",
    "ssh.service",
    "auditd.service",
)


class _UncollectedError(Exception):
    """This section cannot be collected on this host."""


class _Host:
    """Commands and files of the host, with one way to fail."""

    def __init__(self, run: Run, parameters: dict[str, Any]) -> None:
        self._run = run
        self.parameters = parameters

    def run(self, *command: str) -> str:
        code, out, err = self._run(list(command))
        if code != 0:
            raise _UncollectedError(f"{command[0]}: {err.strip()}")
        return str(out)

    def engine(self) -> dict[str, Any]:
        try:
            return tomllib.loads(Path(self.parameters["engine_home"], "config", "config.toml").read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise _UncollectedError(str(error)) from error

    def rpc(self, path: str) -> dict[str, Any]:
        address = str(self.engine()["rpc"]["laddr"]).replace("tcp://", "http://")
        try:
            with urllib.request.urlopen(f"{address}/{path}", timeout=3) as answer:  # noqa: S310 (loopback, from our file)
                return dict(json.load(answer)["result"])
        except (OSError, ValueError, KeyError) as error:
            raise _UncollectedError(str(error)) from error


def _sshd(host: _Host) -> dict[str, str]:
    lines = (line.partition(" ") for line in host.run("/usr/sbin/sshd", "-T").splitlines())
    return {key: value for key, _, value in lines}


def _split(address: str) -> tuple[str, int]:
    place, _, port = address.rpartition(":")
    place = place.partition("%")[0].strip("[]")
    return ("0.0.0.0" if place == "*" else place), int(port) if port.isdigit() else 0  # noqa: S104 (a fact, not a bind)


def _process(users: str) -> str | None:
    found = re.search(r'\(\("([^"]+)"', users)
    return found.group(1) if found else None


def _sockets(host: _Host) -> dict[str, Any]:
    listening = []
    for line in host.run("ss", "-H", "-tunlp").splitlines():
        protocol, _state, _in, _out, local, _remote, *users = line.split(None, 6)
        address, port = _split(local)
        process = _process(" ".join(users))
        listening.append({"protocol": protocol, "address": address, "port": port, "process": process})
    established = []
    for line in host.run("ss", "-H", "-tunp", "state", "established").splitlines():
        protocol, _in, _out, local, remote, *users = line.split(None, 5)
        (here, port), (there, far) = _split(local), _split(remote)
        ends = {"local_address": here, "local_port": port, "remote_address": there, "remote_port": far}
        established.append({"protocol": protocol, **ends, "process": _process(" ".join(users))})
    return {"listening": listening, "established": established}


def _resolver(_: _Host) -> dict[str, Any]:
    text = Path("/etc/resolv.conf").read_text()
    return {"nameservers": re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE)}


def _chrony(host: _Host) -> dict[str, Any]:
    sources = [line.split(",")[2] for line in host.run("chronyc", "-n", "-c", "sources").splitlines()]
    tracking = host.run("chronyc", "-n", "-c", "tracking").split(",")
    return {"sources": sources, "synchronised": tracking[-1].strip() == "Normal"}


def _apt(_: _Host) -> dict[str, Any]:
    uris: list[str] = []
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        text = path.read_text() if path.is_file() else ""
        uris += re.findall(r"^deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?(\S+)", text, re.MULTILINE)
        uris += [uri for line in re.findall(r"^URIs:\s*(.+)$", text, re.MULTILINE) for uri in line.split()]
    return {"sources": [{"uri": uri} for uri in uris]}


def _pip(_: _Host) -> dict[str, Any]:
    path = Path("/etc/pip.conf")
    text = path.read_text() if path.is_file() else ""
    if not re.search(r"^no-index\s*=\s*true", text, re.MULTILINE):
        raise _UncollectedError("pip is not bound to a wheelhouse: its index is whatever its user says")
    return {"index_urls": re.findall(r"^(?:extra-)?index-url\s*=\s*(\S+)", text, re.MULTILINE)}


def _container(_: _Host) -> dict[str, Any]:
    engines = ("/usr/bin/docker", "/usr/bin/podman", "/usr/bin/containerd", "/usr/bin/crio")
    if any(Path(engine).exists() for engine in engines):
        raise _UncollectedError("a container engine is installed, and this collector cannot read its registries")
    return {"registries": []}


def _environment_of_units() -> str:
    places = [Path("/etc/environment"), *Path("/etc/default").glob("*"), *Path("/etc/systemd/system").rglob("*.conf")]
    places += Path("/etc/systemd/system").glob("*.service")
    return "\n".join(path.read_text(errors="replace") for path in places if path.is_file())


def _telemetry(_: _Host) -> dict[str, Any]:
    otlp = re.findall(r"OTEL_EXPORTER_OTLP\w*ENDPOINT=[\"']?([^\s\"']+)", _environment_of_units())
    texts = [path.read_text() for path in Path("/etc/prometheus").glob("*.y*ml")]
    remote = [url for text in texts for url in re.findall(r"remote_write:.*?url:\s*(\S+)", text, re.DOTALL)]
    return {"otlp_endpoints": otlp, "remote_write_urls": remote}


def _licence(_: _Host) -> dict[str, Any]:
    return {"servers": re.findall(r"\w*LICEN[SC]E_(?:FILE|SERVER)=[\"']?([^\s\"']+)", _environment_of_units())}


def _rsyslog(_: _Host) -> dict[str, Any]:
    places = [Path("/etc/rsyslog.conf"), *Path("/etc/rsyslog.d").glob("*.conf")]
    text = "\n".join(path.read_text() for path in places if path.is_file())
    targets = re.findall(r"^[^#\n]*\s@@?\(?\w*\)?([^\s;]+)", text, re.MULTILINE)
    return {"targets": targets + re.findall(r"target=\"([^\"]+)\"", text)}


def _crash_reports(_: _Host) -> dict[str, Any]:
    if any(Path(path).exists() for path in ("/etc/apport", "/etc/default/whoopsie", "/usr/bin/reportbug")):
        raise _UncollectedError("a crash reporter is installed, and this collector cannot read its target")
    return {"target": None}


def _systemd(host: _Host) -> dict[str, Any]:
    text = host.run("systemd-analyze", "cat-config", "systemd/coredump.conf")
    storage = re.findall(r"^Storage=(\S+)", text, re.MULTILINE)
    size = re.findall(r"^ProcessSizeMax=(\S+)", text, re.MULTILINE)
    return {
        "core_dump_storage": storage[-1] if storage else "external",
        "core_dump_process_size": size[-1] if size else None,
    }


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def _sysctl(_: _Host) -> dict[str, Any]:
    files = {str(path): _digest(path) for path in sorted(Path("/etc/sysctl.d").glob("*.conf"))}
    return {"kernel_core_pattern": Path("/proc/sys/kernel/core_pattern").read_text().strip(), "files": files}


def _services(host: _Host) -> dict[str, Any]:
    found = {}
    for unit in [*_UNITS, *host.parameters["services"]]:
        shown = host.run("systemctl", "show", "--property=ActiveState,UnitFileState", unit)
        states = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        found[unit] = {"active": states.get("ActiveState", ""), "enabled": states.get("UnitFileState", "")}
    return found


def _auditd(host: _Host) -> dict[str, Any]:
    shown = host.run("systemctl", "show", "--property=LoadState,ActiveState", "auditd.service")
    states = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    active = None if states["LoadState"] == "masked" else states["ActiveState"] == "active"
    rules = Path("/etc/audit/rules.d/60-gchain.rules")
    return {"active": active, "rules": _digest(rules) if rules.is_file() else None}


def _aide(_: _Host) -> dict[str, Any]:
    raise _UncollectedError("no integrity checker is installed")


def _ruleset(host: _Host) -> list[dict[str, Any]]:
    return list(json.loads(host.run("nft", "-j", "list", "ruleset"))["nftables"])


def _nftables(host: _Host) -> dict[str, Any]:
    chains = [item["chain"] for item in _ruleset(host) if "chain" in item]
    return {
        "default_policies": {f"{each['family']} {each['hook']}": each["policy"] for each in chains if "hook" in each}
    }


def _matches(rule: dict[str, Any], field: str) -> list[Any]:
    """The values that a rule's match on `field` (`saddr`, `dport`) accepts."""
    for expression in rule["expr"]:
        match = expression.get("match", {})
        if isinstance(match.get("left"), dict) and match["left"].get("payload", {}).get("field") == field:
            right = match["right"]
            return list(right["set"]) if isinstance(right, dict) and "set" in right else [right]
    return []


def _network(value: Any) -> str:
    if isinstance(value, dict) and "prefix" in value:
        return f"{value['prefix']['addr']}/{value['prefix']['len']}"
    return str(value)


def _firewall(host: _Host) -> dict[str, Any]:
    rules = [item["rule"] for item in _ruleset(host) if "rule" in item]
    opening = [
        rule
        for rule in rules
        if rule["chain"] == "input" and "accept" in str(rule["expr"]) and _PEER_PORT in _matches(rule, "dport")
    ]
    sources = sorted({_network(value) for rule in opening for value in _matches(rule, "saddr") or ["0.0.0.0/0"]})
    return {"p2p_port": {"sources": sources}}


def _pkcs11(host: _Host) -> dict[str, Any]:
    if host.parameters["role"] != "validator":
        raise _UncollectedError("an observer has no consensus key")
    pin = "/run/credentials/gchain-signer.service/validator-pin"
    query = f"module-path={host.parameters['module_path']}&pin-source=file:{pin}"
    uri = f"{_consensus_key()}?{query}"
    command = ("/opt/gchain/libexec/with-token", "validator", host.parameters["program"], "keys", "attributes")
    shown = json.loads(host.run(*command, f"--uri={uri}", "--json"))
    names = ("extractable", "never_extractable", "sensitive", "always_sensitive", "local", "public_key")
    token = {name: shown["token"][name] for name in ("label", "serial", "model")}
    return {"consensus_key": {name: shown[name] for name in names}, "token": token}


def _consensus_key() -> str:
    """The token and the object that the signer uses now (the path of its key's URI): a rotation changes the object."""
    try:
        configured = str(tomllib.loads(Path("/etc/gchain/signer.toml").read_text())["key"])
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise _UncollectedError(f"/etc/gchain/signer.toml: {error}") from error
    return configured.partition("?")[0]


def _hsm(_: _Host) -> dict[str, Any]:
    """What wrapped or copied token there is. Backups of a vendor's HSM are the vendor's tools' to show."""
    copies = [path for place in ("/var/backups", "/root", "/home") for path in Path(place).rglob("token.object")]
    return {"backups": [{"recipients": [str(path)]} for path in copies]}


def _p2p(host: _Host) -> dict[str, Any]:
    settings = host.engine()
    p2p = settings["p2p"]
    book = Path(host.parameters["engine_home"], p2p["addr_book_file"])
    entries = json.loads(book.read_text())["addrs"] if book.is_file() else []
    store = [{"id": each["addr"]["id"], "address": f"{each['addr']['ip']}:{each['addr']['port']}"} for each in entries]
    return {
        "node_id": Path("/etc/gchain/engine-node-id").read_text().strip(),
        "listen_address": p2p["laddr"],
        "persistent_peers": _listed(p2p["persistent_peers"]),
        "seeds": _listed(p2p["seeds"]),
        "peer_exchange": p2p["pex"],
        "peer_filter": settings["filter_peers"],
        "unconditional_peer_ids": _listed(p2p["unconditional_peer_ids"]),
        "private_peer_ids": _listed(p2p["private_peer_ids"]),
        "peer_store": store,
    }


def _listed(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _rpc(host: _Host) -> dict[str, Any]:
    rpc = host.engine()["rpc"]
    found = {
        "listen_address": rpc["laddr"],
        "allowed_sources": rpc["cors_allowed_origins"],
        "unsafe_methods": rpc["unsafe"],
        "pprof_listen_address": rpc["pprof_laddr"],
    }
    try:
        peers = host.rpc("net_info")["peers"]
    except _UncollectedError:
        return found
    return found | {"peers": [{"id": each["node_info"]["id"], "address": each["remote_ip"]} for each in peers]}


def _statesync(host: _Host) -> dict[str, Any]:
    sync = host.engine()["statesync"]
    rpc = str(host.engine()["rpc"]["laddr"])
    serving = not rpc.startswith("tcp://127.") if rpc else False
    return {"enabled": sync["enable"], "serving": serving, "rpc_servers": _listed(sync["rpc_servers"])}


def _node_settings() -> dict[str, Any]:
    try:
        return tomllib.loads(Path("/etc/gchain/node.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise _UncollectedError(str(error)) from error


def _ledger_backup(_: _Host) -> dict[str, Any]:
    """Scheduled copies on the host itself; a backup by playbook is fetched by the operator and leaves no target."""
    places = [*Path("/etc/cron.d").glob("*"), *Path("/etc/systemd/system").glob("*backup*.service")]
    text = "\n".join(path.read_text(errors="replace") for path in places if path.is_file())
    return {"targets": re.findall(r"s3://\S+|\S+@\S+:\S+", text)}


def _bridges(_: _Host) -> list[dict[str, Any]]:
    return list(_node_settings().get("bridges", []))


def _oracles(_: _Host) -> list[dict[str, Any]]:
    return list(_node_settings().get("oracles", []))


def _anchoring(_: _Host) -> dict[str, Any] | None:
    return _node_settings().get("anchoring")


def _metadata(path: str, token: str | None = None) -> str:
    """Instance metadata, version 2: a session token first (the older version needs none, and is switched off)."""
    headers = {"X-aws-ec2-metadata-token": token} if token else {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    method = "GET" if token else "PUT"
    request = urllib.request.Request(f"http://169.254.169.254/latest/{path}", headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=1) as answer:  # noqa: S310 (as above)
        return str(answer.read().decode())


def _imds(_: _Host) -> dict[str, Any]:
    try:
        token = _metadata("api/token")
        document = json.loads(_metadata("dynamic/instance-identity/document", token))
    except (OSError, ValueError) as error:
        raise _UncollectedError(f"no instance metadata: {error}") from error
    names = {"instance_id": "instanceId", "region": "region", "availability_zone": "availabilityZone"}
    found = {ours: document[theirs] for ours, theirs in names.items()}
    return {"identity_document": found | {"signature_valid": None}}


_SECTIONS: dict[str, Callable[[_Host], Any]] = {
    "sshd": _sshd,
    "sockets": _sockets,
    "resolver": _resolver,
    "chrony": _chrony,
    "apt": _apt,
    "pip": _pip,
    "container": _container,
    "licence": _licence,
    "telemetry": _telemetry,
    "rsyslog": _rsyslog,
    "crash_reports": _crash_reports,
    "systemd": _systemd,
    "sysctl": _sysctl,
    "services": _services,
    "auditd": _auditd,
    "aide": _aide,
    "nftables": _nftables,
    "pkcs11": _pkcs11,
    "hsm": _hsm,
    "p2p": _p2p,
    "rpc": _rpc,
    "statesync": _statesync,
    "firewall": _firewall,
    "ledger_backup": _ledger_backup,
    "bridges": _bridges,
    "oracles": _oracles,
    "anchoring": _anchoring,
    "imds": _imds,
}


def collect(run: Run, parameters: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What is so on this host, by section, and why a section could not be collected.

    Args:
        run: runs a command and returns its exit code, output and error output.
        parameters: `program`, `module_path`, `role`, `engine_home`, `services` (see the module `host_facts`).
    """
    host = _Host(run, parameters)
    found: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, section in _SECTIONS.items():
        try:
            found[name] = section(host)
        except (_UncollectedError, OSError, KeyError, ValueError) as error:
            missing[name] = str(error)
    return found, missing


def _run(command: list[str]) -> tuple[int, str, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description="Write what is so on this host to a file.")
    parser.add_argument("--parameters", type=Path, required=True, help="JSON file with the parameters of host_facts")
    parser.add_argument("--out", type=Path, required=True, help="the file to write, readable by its group")
    arguments = parser.parse_args()
    found, missing = collect(_run, json.loads(arguments.parameters.read_text()))
    draft = arguments.out.with_suffix(".new")
    draft.write_text(json.dumps({"host": found, "uncollected": missing}))
    draft.chmod(0o644)
    draft.replace(arguments.out)


if __name__ == "__main__":
    main()
