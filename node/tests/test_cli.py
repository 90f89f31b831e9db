"""The command: every sub-command loads, errors become exit codes, and a developer's ledger is usable from it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gchain_node.cli import main
from gchain_node.commands.asking import print_table

COMMANDS = (
    "run", "dev", "db", "status", "query", "tx", "receipt", "block", "member", "proposal", "verify", "export", "log",
    "witness", "genesis", "contribution", "officer", "keys", "signer", "tls",
)  # fmt: skip


def gchain_node(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gchain_node", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "200", **environment},
    )


Inside = Callable[..., tuple[object, str, str]]


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inside:
    """Runs the command in this process; its exit status and what it said on both channels."""

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["gchain-node", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return run


def test_the_help_names_every_command() -> None:
    shown = gchain_node("--help").stdout
    assert [name for name in COMMANDS if not re.search(rf"\b{name}\b", shown)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(inside: Inside, command: str) -> None:
    status, shown, said = inside(command, "--help")
    assert (status, said) == (0, "")
    assert "Usage" in shown


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_loads_what_it_needs_itself(command: str) -> None:
    done = gchain_node(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("run", "--config", "/nowhere/node.toml"), 2, "/nowhere/node.toml"),
        (("db", "verify", "--database", "/nowhere/state.db"), 2, "no such database"),
        (("receipt", "fetch", "xyz"), 2, "64 hexadecimal digits"),
        (("genesis", "digest", "/nowhere/genesis.json"), 2, "/nowhere/genesis.json"),
        (("tx", "submit", "/nowhere/tx"), 2, "/nowhere/tx"),
        (("status", "--cert", "/nowhere/client.pem"), 2, "/nowhere/client.pem"),
        (("status", "--url", "node.example:8443"), 2, "no address of a node"),
    ],
)
def test_an_error_is_a_sentence_and_an_exit_code(
    inside: Inside, arguments: tuple[str, ...], status: int, said: str
) -> None:
    ended, _, sentence = inside(*arguments)
    assert ended == status
    assert said in sentence
    assert "Traceback" not in sentence


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[str]:
    """`gchain-node dev` in a directory of its own; the address of its API."""
    with (tmp_path / "dev.log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "gchain_node", "dev", "--home", "home", "--port", "0"],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    end = time.monotonic() + 120
    found = None
    while found is None or "listens" not in (tmp_path / "dev.log").read_text():
        found = re.search(r"http://127\.0\.0\.1:\d+", (tmp_path / "dev.log").read_text())
        assert running.poll() is None, (tmp_path / "dev.log").read_text()
        assert time.monotonic() < end, "waited 120 s for gchain-node dev"
        time.sleep(0.05)
    yield found[0]
    running.send_signal(signal.SIGTERM)
    assert running.wait(120) == 0


def test_a_developers_ledger_prints_a_command_that_commits_a_record(ledger: str, tmp_path: Path) -> None:
    (command,) = re.findall(r"(?m)^try: (.+)$", (tmp_path / "dev.log").read_text())
    programs = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=programs, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert re.match(r"[0-9a-f]{64} OK ", done.stdout)
    assert json.loads(gchain_node("query", "records/first", GCHAIN_NODE_URL=ledger).stdout)


@pytest.mark.slow
def test_a_developers_ledger_takes_a_record_and_proves_it_offline(ledger: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {"GCHAIN_NODE_URL": ledger, "GCHAIN_DEVELOPMENT_KEYS": "1"}
    args = json.dumps({"id": "r1", "commitment": "hex:" + "11" * 32})
    key = f"file:{home / 'members' / 'dev' / 'member.pem'}"
    asked = ("records", "commit", "--args", args, "--signer", "dev", "--key", key)
    sent = gchain_node("tx", "send", *asked, **environment)
    assert sent.returncode == 0, sent.stderr
    hash_ = sent.stdout.split()[0]
    trust = home / "trust.json"
    receipt = str(tmp_path / "r.json")
    fetched = gchain_node("receipt", "fetch", hash_, "--trust", str(trust), "--out", receipt, **environment)
    assert fetched.returncode == 0, fetched.stderr
    proven = gchain_node("verify", receipt, "--trust", str(trust))
    assert proven.stdout.startswith(f"Proven: transaction {hash_}")
    queried = gchain_node("query", "records/r1", "--trust", str(trust), **environment)
    assert json.loads(queried.stdout)["proven"] is True
    assert gchain_node("query", "records/none", **environment).returncode == 1
    assert "gchain-dev (live)" in gchain_node("status", **environment).stdout


def test_a_refused_transaction_ends_with_its_code_named(ledger: str, tmp_path: Path) -> None:
    environment = {"GCHAIN_NODE_URL": ledger, "GCHAIN_DEVELOPMENT_KEYS": "1"}
    key = f"file:{tmp_path / 'home' / 'members' / 'dev' / 'member.pem'}"
    done = gchain_node("tx", "send", "records", "erase", "--args", "{}", "--signer", "dev", "--key", key, **environment)
    assert done.returncode == 1
    assert "UNKNOWN_ACTION" in done.stdout


@pytest.mark.slow
def test_blocks_members_and_proposals_are_read_and_voted_on_from_the_command_line(ledger: str, tmp_path: Path) -> None:
    # The first address is nobody's: every command goes on to the second.
    environment = {"GCHAIN_NODE_URL": f"http://127.0.0.1:9 {ledger}", "GCHAIN_DEVELOPMENT_KEYS": "1"}

    def run(*arguments: str) -> str:
        done = gchain_node(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    key = f"file:{tmp_path / 'home' / 'members' / 'dev' / 'officer.pem'}"
    signing = ("--signer", "dev/officer", "--key", key)
    args = json.dumps({"member": "dev", "power": 10})
    made = gchain_node("proposal", "make", "p1", "no.such-kind", "--args", args, *signing, **environment)
    assert made.returncode == 1
    assert "BAD_ARGUMENTS" in made.stdout
    new = json.dumps({"member": "dev", "name": "second", "public_key": "x", "pop": "y"})
    refused = gchain_node("proposal", "make", "p1", "officer.add", "--args", new, *signing, **environment)
    assert refused.returncode == 1, "an only member's proposal takes effect at once, and this one cannot"
    assert "no proposal p1" in gchain_node("proposal", "vote", "p1", "yes", *signing, **environment).stdout
    assert gchain_node("proposal", "show", "p1", **environment).returncode == 10
    assert run("proposal", "list").startswith("proposal")
    assert json.loads(run("proposal", "list", "--json")) == []

    listed = json.loads(run("block", "list", "--json", "--limit", "3"))
    assert [row["height"] for row in listed] == sorted((row["height"] for row in listed), reverse=True)
    opening = next(row["height"] for row in listed if row["transactions"])
    assert "governance/go_live" in run("block", "show", str(opening))
    assert json.loads(run("block", "show", str(opening), "--json"))["height"] == opening
    followed = [
        json.loads(line) for line in run("block", "follow", "--after", "0", "--count", "2", "--json").splitlines()
    ]
    assert [event["height"] for event in followed] == [1, 2]
    assert "0 transactions" in run("block", "follow", "--after", "0", "--count", "1")

    assert re.search(r"^dev +active +validator +10", run("member", "list"), re.MULTILINE)
    assert json.loads(run("member", "list", "--json"))[0]["name"] == "dev"
    assert "validator     ed25519" in run("member", "show", "dev")
    nobody = gchain_node("member", "show", "../status", **environment)
    assert nobody.returncode == 10
    assert "Traceback" not in nobody.stderr


def test_what_others_wrote_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [("x\x1b[2J", None), ("\u202ey", "z")])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "x\\x1b[2J" in shown
