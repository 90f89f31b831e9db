from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gchain.errors import ConfigurationError
from gchain.stacks import ssh_key


def test_a_key_is_made_once_with_a_mode_that_ssh_accepts(tmp_path: Path) -> None:
    path = tmp_path / "ssh" / "id_ed25519"
    first = ssh_key.ensure(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = ssh_key.ensure(path)
    assert ssh_key.public_text(again.public_key()) == ssh_key.public_text(first.public_key())


def test_openssh_derives_the_same_public_key(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    key = ssh_key.ensure(path)
    derived = subprocess.run(["ssh-keygen", "-y", "-f", str(path)], capture_output=True, text=True, check=True)
    assert derived.stdout.split()[:2] == ssh_key.public_text(key.public_key()).split()


@pytest.mark.parametrize("content", [None, b"", b"not a key"])
def test_a_file_without_a_key_is_refused_by_name(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="id_ed25519: no usable SSH key"):
        ssh_key.load(path)


def test_a_public_key_of_another_kind_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(ValueError, match="expected Ed25519"):
        ssh_key.parse_public(other.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
