"""A process follows the file that names its key: a rotation takes effect at the next signature, without a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gchain_node.errors import ConfigurationError, KeyAccessError
from gchain_node.keys import verify_signature
from gchain_node.keys.followed import FollowedKey


def test_the_key_of_the_moment_signs_and_is_opened_once(token: Any, tmp_path: Path) -> None:
    path = tmp_path / "receipt-key.uri"
    path.write_text(token.add("receipt", "p256") + "\n")
    followed = FollowedKey(path)
    first = followed()
    assert followed() is first
    path.write_text(token.add("receipt-2", "p256") + "\n")
    second = followed()
    assert second is not first
    assert second.public_key != first.public_key
    verify_signature(second.public_key, b"message", second.sign(b"message"))
    assert followed() is second


def test_a_key_that_is_gone_is_not_replaced_by_the_one_before(token: Any, tmp_path: Path) -> None:
    path = tmp_path / "receipt-key.uri"
    path.write_text(token.add("receipt", "p256"))
    followed = FollowedKey(path)
    before = path.read_text()
    followed()
    path.write_text(before.replace("object=receipt", "object=missing"))
    for _ in range(2):
        with pytest.raises(KeyAccessError, match="missing"):
            followed()
    path.write_text(before)
    assert followed().sign(b"again")


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_file_without_a_key_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "receipt-key.uri"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"receipt-key\.uri"):
        FollowedKey(path)()
