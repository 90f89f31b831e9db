from __future__ import annotations

from pathlib import Path

import pytest

from gchain_node.errors import ConfigurationError
from gchain_node.signer.config import load_config

GOOD = {
    "chain_id": '"c"',
    "key": '"pkcs11:token=t"',
    "key_type": '"ed25519"',
    "socket": '"unix:///run/p.sock"',
    "journal": '"/var/j"',
}


def _write(path: Path, **changes: str | None) -> Path:
    values = {name: value for name, value in (GOOD | changes).items() if value is not None}
    path.write_text("".join(f"{name} = {value}\n" for name, value in values.items()))
    return path


def test_a_complete_file_is_read(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path / "signer.toml", engine_user='"gchain-engine"'))
    assert config.socket_path == "/run/p.sock"
    assert (config.stop_height, config.engine_user) == (None, "gchain-engine")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"chain_id": None}, "chain_id: missing"),
        ({"key_type": '"p256"'}, "key_type"),
        ({"socket": '"tcp://1.2.3.4:1"'}, "unix:///PATH"),
        ({"journal": '"relative"'}, "absolute"),
        ({"initial_height": "0"}, "initial_height"),
        ({"jurnal": '"/x"'}, "jurnal: unknown key"),
        ({"chain_id": "["}, "not a TOML file"),
    ],
)
def test_a_fault_is_named_with_file_and_key(tmp_path: Path, changes: dict[str, str | None], named: str) -> None:
    path = _write(tmp_path / "signer.toml", **changes)
    with pytest.raises(ConfigurationError, match=named) as caught:
        load_config(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        load_config(tmp_path / "nowhere.toml")
