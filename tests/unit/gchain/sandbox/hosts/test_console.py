from __future__ import annotations

from gchain.sandbox.hosts.console import finished, host_keys

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFYEihTPAbkRzqcO4z"
BLOCK = f"\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n{KEY} root@host\r\n-----END SSH HOST KEY KEYS-----\r\n"


def test_keys_between_the_markers_are_read_without_their_comment() -> None:
    assert host_keys("boot text" + BLOCK + "more text") == [KEY]


def test_the_last_block_counts_after_a_reboot() -> None:
    newer = BLOCK.replace("AAAAC3", "BBBBC3")
    assert host_keys(BLOCK + newer) == [KEY.replace("AAAAC3", "BBBBC3")]


def test_nothing_is_read_from_a_console_without_a_complete_block() -> None:
    assert host_keys("") == []
    assert host_keys(BLOCK.partition("-----END")[0]) == []
    assert host_keys(KEY) == []


def test_lines_that_are_no_keys_are_left_out() -> None:
    assert host_keys(BLOCK.replace(KEY, f"Some warning\r\n{KEY}")) == [KEY]


def test_a_host_is_up_when_it_says_so_after_its_keys() -> None:
    said = "Cloud-init finished: the host is up\r\n"
    assert finished(BLOCK + said)
    assert not finished(BLOCK)
    assert not finished(said)
    assert not finished(BLOCK + said + BLOCK), "it rebooted"
