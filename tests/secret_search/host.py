"""One host of a sandbox, searched from outside; and what its own tokens hold, learned with its PINs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gchain.sandbox.hosts.machine import LEDGER_MOUNT, Machine
from gchain_node.keys.uri import Pkcs11Uri
from tests.secret_search.places import Chunks, Process, disk_images, files, memory_files, processes
from tests.secret_search.search import Found, SecretSearch
from tests.secret_search.softhsm_store import StoredKey, private_keys

__all__ = ["HOLDERS", "Searched", "Sighting", "host_keys", "officer_keys", "search_files", "search_host", "secrets_of"]

HOLDERS = {
    "gchain-signer.service": "validator",
    "gchain-node.service": "member",
    "gchain-tls.service": "member",
    "gchain-gate.service": "member",
}
"""Units whose process is the token, as SoftHSM is a library: the only memory that may hold a key, and of which token.
With an HSM outside the host there is none."""


@dataclass(frozen=True)
class Sighting:
    """A copy of a secret where somebody could take it."""

    place: str
    found: Found
    process: Process | None = None

    @property
    def is_in_its_token(self) -> bool:
        """Whether it lies in the memory of a process that has this very token open. `found.secret` begins with the
        token's name and a slash.
        """
        process, token = self.process, self.found.secret.partition("/")[0]
        return process is not None and process.has_module and HOLDERS.get(process.unit) == token


@dataclass
class Searched:
    """What was searched, in bytes by place, and what was found there."""

    sizes: dict[str, int] = field(default_factory=dict)
    sightings: list[Sighting] = field(default_factory=list)

    def add(self, search: SecretSearch, place: str, chunks: Chunks, process: Process | None = None) -> None:
        self.sizes[place] = 0
        self.sightings += [Sighting(place, each, process) for each in sorted(search.run(self._counted(place, chunks)))]

    def _counted(self, place: str, chunks: Chunks) -> Iterator[bytes]:
        for chunk in chunks:
            self.sizes[place] += len(chunk)
            yield chunk

    @property
    def copies(self) -> list[Sighting]:
        """Sightings that no named exception covers."""
        return [each for each in self.sightings if not each.is_in_its_token]


def search_host(search: SecretSearch, machine: Machine) -> Searched:
    """Everything of a running host: its disk, its volumes as files and as blocks, its tmpfs, its processes' memory.
    What it shares with other hosts (`search_files`: image layers) is left to the caller.
    """
    done = Searched()
    root, pids = _root(machine), machine.cgroups.processes(machine.id)
    running = list(processes(pids))
    subprocess.run(["sync", "--file-system", root / LEDGER_MOUNT.lstrip("/")], check=True)
    trees = (
        files(machine.directory / "upper"),
        files(root / LEDGER_MOUNT.lstrip("/"), named=LEDGER_MOUNT),
        disk_images(machine.directory),
        memory_files(running),
    )
    for tree in trees:
        for place, chunks in tree:
            done.add(search, place, chunks)
    for process in running:
        done.add(search, process.place, process.memory(), process)
    return done


def search_files(search: SecretSearch, directory: Path) -> Searched:
    done = Searched()
    for place, chunks in files(directory, named=str(directory)):
        done.add(search, place, chunks)
    return done


def _root(machine: Machine) -> Path:
    """The host's own view of its files."""
    leader = next(p for p in processes(machine.cgroups.processes(machine.id)) if p.unit == "init.scope")
    return Path(f"/proc/{leader.pid}/root")


def host_keys(machine: Machine) -> dict[str, StoredKey]:
    """The keys in the host's tokens, as `token/label`."""
    root, found = _root(machine), {}
    for unit, token in (("gchain-signer", "validator"), ("gchain-node", "member")):
        pin = (root / f"run/credentials/{unit}.service/{token}-pin").read_text().strip()
        for directory in (root / f"var/lib/gchain/hsm/{token}/tokens").iterdir():
            found |= {f"{token}/{label}": key for label, key in private_keys(directory, pin).items()}
    return found


def officer_keys(store: Path) -> dict[str, StoredKey]:
    """The keys in an officers' store, as `officer/label`; which of its tokens an officer's is, the PIN tells."""
    tokens = [path.parent for path in store.rglob("token.object")]
    found = {}
    for uri in sorted(store.glob("*.uri")):
        pin = Pkcs11Uri.parse(uri.read_text().strip()).pin_source
        assert pin is not None
        mine = [keys for token in tokens if (keys := _opened(token, pin.read_text().strip()))]
        assert len(mine) == 1, f"{uri.stem} has {len(mine)} tokens in {store}"
        found |= {f"officer/{label}": key for label, key in mine[0].items()}
    return found


def _opened(token: Path, pin: str) -> dict[str, StoredKey]:
    try:
        return private_keys(token, pin)
    except ValueError:
        return {}


def secrets_of(keys: dict[str, StoredKey]) -> dict[str, bytes]:
    """What must be nowhere else, by the key's name."""
    return {name: key.secret for name, key in keys.items()} | {
        f"{name} (scalar)": key.scalar for name, key in keys.items() if key.scalar
    }
