"""node.toml: the documented file loads; what is unknown, missing or wrong is named with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchain_node.config import Listen, load_config, parse_listen
from gchain_node.errors import ConfigurationError

DOCUMENTED = """
chain_id = "gchain-sandbox"
home = "/var/lib/gchain/node"
genesis = "/etc/gchain/genesis.json"
member = "treasury"
[abci]
socket = "unix:///run/gchain/abci/abci.sock"
[engine]
rpc = "http://127.0.0.1:26657"
[http]
status = "0.0.0.0:8080"
api = "0.0.0.0:8443"
tls_dir = "/run/gchain/tls"
[keys]
receipt = "pkcs11:token=member;object=receipt;type=private"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return path


def test_the_documented_file_loads(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, DOCUMENTED))
    assert (config.chain_id, config.member) == ("gchain-sandbox", "treasury")
    assert config.home == Path("/var/lib/gchain/node")
    assert parse_listen(config.http.api) == Listen("0.0.0.0", 8443)  # noqa: S104 -- the documented default


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('member = "treasury"', 'membr = "treasury"', "membr: unknown key; did you mean 'member'?"),
        ("status =", "statsu =", "http.statsu: unknown key; did you mean 'status'?"),
        ('chain_id = "gchain-sandbox"', "", "chain_id: missing"),
        ("/var/lib/gchain/node", "node", "home: expected an absolute path"),
        ("0.0.0.0:8080", "localhost", "http.status: expected address:port"),
        ("0.0.0.0:8080", "somewhere:80", "http.status: expected an IP address"),
        ("http://127.0.0.1:26657", "http://10.0.0.1:26657", "engine.rpc: expected http://127.0.0.1:port"),
        ("unix:///run", "tcp://run", "abci.socket: expected unix:///"),
        ("treasury", "Treasury!", "member: "),
        ("[abci]", "[abci", "not a TOML file"),
        ("receipt =", 'receipt_file = "/etc/gchain/key"\nreceipt =', "keys: receipt and receipt_file both name"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = written(tmp_path, DOCUMENTED.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_every_problem_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_config(written(tmp_path, 'chain_id = "x"\nhome = "rel"\nport = 3\n'))
    assert {line.split(": ")[1] for line in str(caught.value).splitlines()} == {"home", "genesis", "member", "port"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load_config(tmp_path / "absent.toml")
