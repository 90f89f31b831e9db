"""SSH host keys from the instance's console, so that host-key checking is on from the first connection.

The host prints its public keys between cloud-init's markers at boot; EC2 GetConsoleOutput carries the console to
whoever holds the account's credentials. A key is never learnt from the network that it is to protect.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from gchain.errors import HostError
from gchain.workspace import MemberDirectory

__all__ = ["ConsoleReader", "console_reader", "ensure_known_hosts", "host_keys", "known_hosts_lines"]

_BLOCK = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
_KEY = re.compile(r"(?:ssh-ed25519|ecdsa-sha2-nistp256|ssh-rsa) [A-Za-z0-9+/]+=*")

ConsoleReader = Callable[[str], str]
"""Instance id -> the console's text so far."""


def host_keys(console: str) -> list[str]:
    """The host's public keys, `type base64` each, of the last boot on the console; empty if it shows none yet."""
    blocks = _BLOCK.findall(console)
    return _KEY.findall(blocks[-1]) if blocks else []


def known_hosts_lines(address: str, keys: list[str]) -> str:
    return "".join(f"{address} {key}\n" for key in keys)


def console_reader(directory: MemberDirectory, region: str, endpoint: str | None) -> ConsoleReader:
    """Reads consoles with the member's own credentials and nobody else's, whatever the shell's environment says."""
    session = botocore.session.Session()
    session.set_config_variable("credentials_file", str(directory.aws_credentials))
    session.set_config_variable("profile", "default")
    ec2: Any = session.create_client("ec2", region_name=region, endpoint_url=endpoint)

    def read(instance: str) -> str:
        try:
            encoded = ec2.get_console_output(InstanceId=instance).get("Output", "")
        except (BotoCoreError, ClientError) as error:
            raise HostError(
                f"the console of instance {instance} cannot be read: {error}",
                remedy=f"check {directory.aws_credentials} and that the instance exists in {region}",
            ) from error
        return base64.b64decode(encoded).decode(errors="replace") if _is_base64(encoded) else encoded

    return read


def _is_base64(text: str) -> bool:
    """botocore decodes the console itself; an older one, or another cloud's answer, may not."""
    return "-----BEGIN" not in text and re.fullmatch(r"[A-Za-z0-9+/\s]+=*\s*", text) is not None


def ensure_known_hosts(
    hosts: dict[str, str], path: Path, read: ConsoleReader, *, deadline: float = 120.0, pause: float = 0.5
) -> None:
    """Write the keys of `hosts` (address -> instance id) to the known-hosts file at `path`.

    An instance that was replaced at the same address has new keys; the old ones go. Waits until each host has printed
    its keys, at most `deadline` seconds in all.

    Raises:
        HostError: a host printed no keys in time, or its console cannot be read.
    """
    ends = time.monotonic() + deadline
    lines: list[str] = []
    for address, instance in sorted(hosts.items()):
        while not (keys := host_keys(read(instance))):
            if time.monotonic() > ends:
                raise HostError(
                    f"the console of {instance} ({address}) showed no SSH host keys within {deadline:.0f} s",
                    remedy="see whether the instance boots: gchain sandbox status, or its console in the cloud",
                )
            time.sleep(pause)
        lines.append(known_hosts_lines(address, keys))
    text = "".join(lines)
    if path.is_file() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.replace(path)
