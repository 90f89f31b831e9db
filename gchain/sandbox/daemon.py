"""`python -m gchain.sandbox.daemon --name N` keeps one sandbox: watches its cloud, converges hosts and network to it.

Safe to kill at any point and to start again: the cloud and the hosts live on, and are found again by pid and cgroup.
"""

from __future__ import annotations

import argparse
import http.server
import json
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from gchain.errors import GchainError
from gchain.sandbox.accounts import Company, open_accounts
from gchain.sandbox.cloud_process import CloudProcess
from gchain.sandbox.hosts.base import base_image, ensure_base_image
from gchain.sandbox.layout import Layout, Plan
from gchain.sandbox.network.servers import Servers
from gchain.sandbox.network.state import CloudState, Zone
from gchain.sandbox.network.topology import Topology
from gchain.sandbox.ports import forwards
from gchain.sandbox.reconciler import Reconciler
from gchain.sandbox.sweep import merge, read_part, read_peerings, read_zones
from gchain.workspace import Workspace

__all__ = ["Daemon", "main"]

_LOG = logging.getLogger(__name__)
POLL = 0.3
FULL_SWEEP = 30.0
"""Seconds between sweeps that no counted change asked for: hosts that ended, and whatever was missed."""
HOST_CHECK = 2.0


class Daemon:
    """One pass of `tick` sees a change, reads what it touched, and applies it."""

    def __init__(self, layout: Layout, plan: Plan) -> None:
        self._layout = layout
        self._plan = plan
        self._cloud = CloudProcess(layout)
        self._parts: dict[tuple[str, str], CloudState] = {}
        self._zones: dict[str, tuple[Zone, ...]] = {}
        self._seen: dict[str, int] = {}
        self._last_full = self._last_check = 0.0
        self._status: dict[str, Any] = {"lag_ms": None, "worst_lag_ms": 0.0, "changes": 0, "applied": 0}
        self._cloud_state = "starting"
        self._failure = ""
        self._problems: list[str] = []

    def start(self) -> None:
        """Everything that must stand before the first pass."""
        serve_status(self._layout.status_port, self.status)
        self._cloud.ensure()
        Topology(self._layout, self._plan).lay()
        company = Company(self._layout)
        if self._cloud.changes() is not None:
            open_accounts(self._layout, self._plan, company)
        published = self._layout.root / "mirror"
        published.mkdir(exist_ok=True)
        self._servers = Servers(self._layout.router, self._layout.services, self._plan.mirrors, published)
        self._servers.start()
        self._company = company
        image = base_image(self._plan.base) if self._plan.base else ensure_base_image(_LOG.info)
        self._reconciler = Reconciler(self._layout, self._plan, image, company)

    def run(self) -> None:
        while True:
            try:
                self.tick()
                self._failure = ""
            except Exception as error:  # the next pass starts from what exists: one failure must not end the daemon
                _LOG.exception("pass failed")
                self._failure = f"{type(error).__name__}: {error}"
                self._seen = {}
            time.sleep(POLL)

    def tick(self) -> None:
        counted = self._cloud.changes()
        if counted is None:
            self._lost()
            return
        self._cloud_state = "running"
        noticed = time.monotonic()
        scopes = counted["scopes"]
        changed = {scope for scope, count in scopes.items() if self._seen.get(scope) != count}
        full = noticed - self._last_full > FULL_SWEEP
        self._status["changes"] = counted["changes"]
        if changed or full:
            relevant = self._sweep(changed, full or not self._seen)
            self._seen = dict(scopes)
            if relevant:
                self._apply(noticed if changed else None)
            self._status["applied"] = counted["changes"]
        elif noticed - self._last_check > HOST_CHECK:
            self._apply(None)

    def _lost(self) -> None:
        """Keep what runs: with the cloud's memory gone nobody can say what ought to run."""
        if self._cloud.alive():
            self._cloud_state = "not answering"
        elif self._cloud_state != "lost":
            self._cloud_state = "lost"
            _LOG.error("the local cloud is gone, and its state with it; hosts keep running")

    def _sweep(self, changed: set[str], full: bool) -> bool:
        """Read again what changed; False when no change concerned network or hosts."""
        touched = {tuple(scope.split("/")) for scope in changed}
        parts = {(account, region) for account, region, service in touched if service == "ec2"}
        zones = {account for account, _, service in touched if service == "route53"}
        if full:
            accounts = {member.account for member in self._plan.members} | set(self._plan.accounts.values())
            parts |= {(account, region) for account in accounts for region in self._plan.regions}
            zones |= accounts
            self._last_full = time.monotonic()
        for account, region in parts:
            if account:
                self._parts[account, region] = read_part(self._company, account, region)
        for account, region in (self._parts.keys() - parts) if parts else ():
            part = self._parts[account, region]
            self._parts[account, region] = read_peerings(self._company, account, region, part)
        for account in zones:
            if account:
                self._zones[account] = read_zones(self._company, account, self._plan.regions[0])
        return bool(parts or zones)

    def _apply(self, noticed: float | None) -> None:
        state = merge(self._parts.values(), [zone for zones in self._zones.values() for zone in zones])
        problems = self._reconciler.apply(state)
        self._servers.see(self._reconciler.state)
        targets = forwards(self._layout, self._plan, self._reconciler.state)
        self._problems = [*problems, *self._servers.forward(targets)]  # as a whole: `status` is asked meanwhile
        self._last_check = time.monotonic()
        if noticed is not None:
            lag = 1000 * (time.monotonic() - noticed)
            self._status["lag_ms"] = round(lag)
            self._status["worst_lag_ms"] = max(self._status["worst_lag_ms"], round(lag))

    def status(self) -> dict[str, Any]:
        """The document of `GET /status`."""
        reconciler = getattr(self, "_reconciler", None)
        progress = dict(self._status)  # first: whoever waits for a change finds the hosts with it, not before it
        state = reconciler.state if reconciler else CloudState()
        hosts = reconciler.hosts(state) if reconciler else []
        targets = forwards(self._layout, self._plan, state)
        for host in hosts:
            host["ports"] = {str(to): at for at, (_, address, to) in targets.items() if address == host["address"]}
        return {
            "name": self._layout.name,
            "slot": self._layout.slot,
            "pid": os.getpid(),
            "environment": self._plan.environment,
            "cloud": {"state": self._cloud_state, "pid": self._cloud.pid, "endpoint": self._layout.endpoint},
            "reconciler": progress,
            "members": [member.name for member in self._plan.members],
            "hosts": hosts,
            "problems": [*self._problems, *([self._failure] if self._failure else [])],
        }


def serve_status(port: int, status: Any) -> None:
    """`GET /status` on 127.0.0.1, in a thread."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/status"
            body = json.dumps(status() if found else {"error": "GET /status"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Polled often: not worth a line each."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="gchain.sandbox.daemon", description=__doc__)
    parser.add_argument("--name", default="default")
    name = parser.parse_args(arguments).name
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    plan = Plan.read(Workspace.of_sandbox(name).root / "sandbox.json")
    layout = Layout(name, plan.slot)
    failure = layout.run / "daemon-failure.json"
    daemon = Daemon(layout, plan)
    try:
        daemon.start()
    except (GchainError, OSError) as error:
        failure.write_text(json.dumps({"error": str(error), "remedy": getattr(error, "remedy", None)}))
        sys.exit(2)
    failure.unlink(missing_ok=True)
    daemon.run()


if __name__ == "__main__":
    main()
