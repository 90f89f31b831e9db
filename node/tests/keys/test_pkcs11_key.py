from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from gchain_node.errors import ConfigurationError, KeyAccessError, KeyUnavailable, VerificationError
from gchain_node.keys import Key, open_key, verify_signature
from gchain_node.keys import session as sessions
from gchain_node.keys.public import CURVE_ORDERS
from gchain_node.keys.session import Module


@pytest.mark.parametrize("key_type", ["p256", "secp256k1", "ed25519"])
def test_a_key_in_a_token_signs_what_its_public_half_verifies(token: Any, key_type: str) -> None:
    key = token.key("k", key_type)
    signature = key.sign(b"message")
    verify_signature(key.public_key, b"message", signature)
    with pytest.raises(VerificationError):
        verify_signature(key.public_key, b"another", signature)


@pytest.mark.parametrize("key_type", ["p256", "secp256k1"])
def test_ecdsa_signatures_always_have_a_low_s(token: Any, key_type: str) -> None:
    key = token.key("k", key_type)
    order = CURVE_ORDERS[key.public_key.curve.name]
    for number in range(24):  # the HSM gives a high S half of the time
        assert int.from_bytes(key.sign(bytes([number]))[32:], "big") <= order // 2


def test_a_wrong_pin_is_refused_once_and_never_shown(token: Any) -> None:
    uri = token.add("k", "p256")
    with pytest.raises(KeyAccessError, match="refuses the PIN: PinIncorrect") as caught:
        open_key(uri, pin="wrong-pin-000")
    assert "wrong-pin-000" not in f"{caught.value!r}{caught.value.remedy}"
    with pytest.raises(KeyAccessError, match="not tried again"):
        open_key(uri, pin="wrong-pin-000")
    assert open_key(uri).sign(b"m")


def test_a_wrong_pin_is_refused_also_while_the_token_is_logged_in(token: Any) -> None:
    uri = token.add("k", "p256")
    key = open_key(uri)
    with pytest.raises(KeyAccessError, match="wrong PIN"):
        open_key(uri, pin="wrong-pin-000")
    assert key.sign(b"m")


def test_a_missing_pin_file_is_named(token: Any, tmp_path: Path) -> None:
    uri = replace(token.uri.with_object("k"), pin_source=tmp_path / "nowhere")
    with pytest.raises(KeyAccessError, match="nowhere"):
        open_key(str(uri))


def test_an_empty_pin_file_and_no_pin_at_all_are_refused(token: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(KeyAccessError, match="empty"):
        open_key(str(replace(token.uri, pin_source=tmp_path / "empty")))
    with pytest.raises(ConfigurationError, match="names no PIN"):
        open_key(str(replace(token.uri, pin_source=None)))


def test_a_missing_module_is_named(token: Any) -> None:
    with pytest.raises(KeyAccessError, match=r"/nowhere/hsm\.so"):
        open_key(str(replace(token.uri, module_path="/nowhere/hsm.so")))


def test_a_file_that_is_no_module_is_refused(token: Any, tmp_path: Path) -> None:
    (tmp_path / "not.so").write_text("text")
    with pytest.raises(KeyAccessError, match="does not load"):
        open_key(str(replace(token.uri, module_path=str(tmp_path / "not.so"))))


def test_a_missing_token_names_those_that_are_there(token: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "RECONNECT_SECONDS", 0.05)
    with pytest.raises(KeyUnavailable, match=rf"absent.*tokens found:.*{token.uri.token}"):
        open_key(str(replace(token.uri, token="absent")))


def test_a_missing_key_names_those_that_are_there(token: Any) -> None:
    token.add("present", "p256")
    with pytest.raises(KeyAccessError, match=r"0 private keys match .*absent.*holds: 'present'"):
        open_key(str(token.uri.with_object("absent")))


def test_two_matching_keys_are_one_too_many(token: Any) -> None:
    token.add("one", "p256")
    token.add("two", "p256")
    with pytest.raises(KeyAccessError, match="2 private keys match"):
        open_key(str(replace(token.uri, object=None)))


def test_a_key_is_found_by_its_id(token: Any) -> None:
    token.add("one", "p256")
    named = replace(token.uri.with_object("two"), id=b"\x0a\x0b")
    key = open_key(token.add("two", "p256"))
    with pytest.raises(KeyAccessError, match="0 private keys"):
        open_key(str(named))
    assert key.sign(b"m")


def test_keys_of_one_token_work_side_by_side(token: Any) -> None:
    keys = [token.key("a", "p256"), token.key("b", "ed25519")]
    failures: list[BaseException] = []

    def work(key: Key) -> None:
        try:
            for number in range(20):
                key.sign(bytes([number]))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(key,)) for key in keys * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_lost_session_is_opened_again(token: Any) -> None:
    key = token.key("k", "ed25519")
    before = key.sign(b"m")
    Module.load(token.uri.module_path).lib.reinitialize()  # every session and login ends, as after an HSM's restart
    assert key.sign(b"m") == before


def test_a_closed_session_is_opened_again(token: Any) -> None:
    key = token.key("k", "ed25519")
    key._connection.run(lambda session: session.close())
    assert key.sign(b"m")


def test_a_token_that_went_away_is_unavailable_until_it_is_back(
    new_token: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sessions, "RECONNECT_SECONDS", 0.2)
    token = new_token()
    key = token.key("k", "p256")
    serial = key._connection.token().serial.decode()
    directories = [path for path in (token.store / "tokens").iterdir() if serial[-8:] in path.name.replace("-", "")]
    assert len(directories) == 1
    shutil.move(directories[0], tmp_path / "away")
    Module.load(token.uri.module_path).lib.reinitialize()
    with pytest.raises(KeyUnavailable, match="not available"):
        key.sign(b"m")
    shutil.move(tmp_path / "away", directories[0])
    verify_signature(key.public_key, b"m", key.sign(b"m"))


def test_no_secret_part_of_a_key_can_be_read_or_wrapped(token: Any) -> None:
    key = token.key("k", "p256")
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        key._connection.run(lambda session: _private(session)[pkcs11.Attribute.VALUE])


def _private(session: Any) -> Any:
    return next(iter(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})))


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'vault'"):
        open_key("vault:secret")
