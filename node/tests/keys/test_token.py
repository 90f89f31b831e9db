from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pkcs11
import pkcs11.exceptions as p11
import pytest

from gchain_node.errors import KeyAccessError
from gchain_node.keys.pin import ensure_pin
from gchain_node.keys.session import Module
from gchain_node.keys.token import as_key_type, attributes, generate, init_token, list_keys, probe


@pytest.mark.parametrize("key_type", ["p256", "secp256k1", "ed25519"])
def test_a_generated_key_can_sign_and_can_never_leave(token: Any, key_type: str) -> None:
    uri = token.uri.with_object("k")
    made = generate(uri, token.pin, as_key_type(key_type))
    assert made["created"]
    evidence = attributes(uri, token.pin)
    assert evidence["sensitive"]
    assert evidence["always_sensitive"]
    assert evidence["never_extractable"]
    assert evidence["local"]
    assert not evidence["extractable"]
    assert evidence["sign"]
    assert not (evidence["decrypt"])
    assert not (evidence["unwrap"])
    assert not (evidence["derive"])
    assert evidence["token"]["label"] == token.uri.token
    assert evidence["token"]["serial"]


def test_a_generated_key_cannot_be_wrapped_out(token: Any) -> None:
    generate(token.uri.with_object("k"), token.pin, "p256")
    module = Module.load(token.uri.module_path)
    with module.lock, module.log_in(module.find_token(token.uri), token.pin(), rw=True) as session:
        private = next(iter(session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})))
        wrapping = session.generate_key(pkcs11.KeyType.AES, 256, store=False)
        with pytest.raises((p11.KeyUnextractable, p11.KeyNotWrappable)):
            wrapping.wrap_key(private)
        with pytest.raises(p11.PKCS11Error):
            private[pkcs11.Attribute.EXTRACTABLE] = True


def test_a_key_that_is_there_is_used_if_it_is_the_registered_one(token: Any) -> None:
    uri = token.uri.with_object("k")
    made = generate(uri, token.pin, "p256")
    again = generate(uri, token.pin, "p256", made["public_key"])
    assert not again["created"]
    assert again["public_key"] == made["public_key"]


def test_a_key_that_is_there_and_is_not_the_registered_one_is_refused(token: Any) -> None:
    other = generate(token.uri.with_object("other"), token.pin, "p256")
    generate(token.uri.with_object("k"), token.pin, "p256")
    with pytest.raises(KeyAccessError, match="registered is"):
        generate(token.uri.with_object("k"), token.pin, "p256", other["public_key"])


def test_a_missing_key_is_not_made_anew_where_one_is_registered(token: Any) -> None:
    other = generate(token.uri.with_object("other"), token.pin, "p256")
    with pytest.raises(KeyAccessError, match="holds no key 'k'"):
        generate(token.uri.with_object("k"), token.pin, "p256", other["public_key"])
    assert [row["label"] for row in list_keys(token.uri, token.pin)] == ["other"]


def test_a_key_of_another_type_is_refused(token: Any) -> None:
    generate(token.uri.with_object("k"), token.pin, "p256")
    with pytest.raises(KeyAccessError, match="is p256, ed25519 expected"):
        generate(token.uri.with_object("k"), token.pin, "ed25519")


def test_a_token_that_is_there_is_left_as_it_is(token: Any) -> None:
    generate(token.uri.with_object("k"), token.pin, "p256")
    report = init_token(token.uri, lambda: ensure_pin(token.so_pin_file, create=False), token.pin)
    assert not report["created"]
    assert [row["label"] for row in list_keys(token.uri, token.pin)] == ["k"]


def test_a_token_that_is_there_and_refuses_the_pin_is_not_touched(token: Any) -> None:
    generate(token.uri.with_object("k"), token.pin, "p256")
    with pytest.raises(KeyAccessError, match="refuses the PIN"):
        init_token(token.uri, lambda: "so-pin-so-pin", lambda: "other-pin")
    assert len(list_keys(token.uri, token.pin)) == 1


def test_a_label_that_does_not_fit_is_refused(token: Any) -> None:
    with pytest.raises(KeyAccessError, match="at most 32"):
        init_token(replace(token.uri, token="x" * 33), lambda: "11112222", lambda: "11112222")


def test_a_missing_token_is_named(token: Any) -> None:
    with pytest.raises(KeyAccessError, match="absent"):
        list_keys(replace(token.uri, token="absent"), token.pin)


def test_the_probe_shows_each_type_and_leaves_no_key_behind(token: Any) -> None:
    table = {row.key_type: row for row in probe(token.uri, token.pin)}
    assert set(table) == {"p256", "secp256k1", "ed25519"}
    assert all(row.listed and row.works for row in table.values())
    assert list_keys(token.uri, token.pin) == []


def test_pins_are_random_and_for_the_owner_alone(tmp_path: Path) -> None:
    one, other = ensure_pin(tmp_path / "a/one", create=True), ensure_pin(tmp_path / "a/other", create=True)
    assert one != other
    assert len(one) >= 32
    assert (tmp_path / "a/one").stat().st_mode & 0o777 == 0o600
    assert ensure_pin(tmp_path / "a/one", create=True) == one
    with pytest.raises(KeyAccessError, match="cannot be read"):
        ensure_pin(tmp_path / "missing", create=False)
