from __future__ import annotations

from pathlib import Path

import pytest

from gchain_node.errors import ConfigurationError
from gchain_node.keys.uri import DEFAULT_MODULE, Pkcs11Uri


def test_every_part_of_a_uri_is_read() -> None:
    uri = Pkcs11Uri.parse(
        "pkcs11:token=my%20token;object=a%3Bb;id=%01%FF;type=private;serial=12ab;slot-id=3"
        "?module-path=/usr/lib/x.so&pin-source=file:/run/pin"
    )
    assert (uri.token, uri.object, uri.id, uri.type) == ("my token", "a;b", b"\x01\xff", "private")
    assert (uri.serial, uri.slot_id, uri.module_path) == ("12ab", 3, "/usr/lib/x.so")
    assert uri.pin_source == Path("/run/pin")


def test_a_uri_written_out_reads_back_the_same() -> None:
    uri = Pkcs11Uri(
        token="Träger; 1",
        object="k/ey",
        id=b"\x00\x7f",
        type="private",
        pin_source=Path("/p q"),
        softhsm2_conf=Path("/c"),
    )
    assert Pkcs11Uri.parse(str(uri)) == uri


def test_softhsm_is_the_module_where_none_is_named() -> None:
    assert Pkcs11Uri.parse("pkcs11:token=t").module_path == DEFAULT_MODULE


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("token=t", "begins with"),
        ("pkcs11:tokn=t", "tokn"),
        ("pkcs11:token", "token"),
        ("pkcs11:token=a;token=b", "twice"),
        ("pkcs11:token=%zz", "%"),
        ("pkcs11:token=%ff", "UTF-8"),
        ("pkcs11:slot-id=one", "slot-id"),
        ("pkcs11:type=secret", "type"),
        ("pkcs11:token=t?pin-source=relative/pin", "absolute"),
        ("pkcs11:token=t?module-name=x", "module-name"),
    ],
)
def test_a_malformed_uri_is_refused_and_its_fault_named(text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Pkcs11Uri.parse(text)


def test_a_pin_inside_a_uri_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Pkcs11Uri.parse("pkcs11:token=t?pin-value=4711")
    assert "4711" not in f"{caught.value}{caught.value.remedy}"
