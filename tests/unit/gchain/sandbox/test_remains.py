from __future__ import annotations

from pathlib import Path

from gchain.sandbox.remains import mounts_below, namespaces_of
from gchain.sandbox.reserved_ports import with_range, without_range

NAMESPACES = ["gc-a-router", "gc-a-ops-tax", "gc-a-b-router", "gc-ab-router", "gc-a-i-0123", "other"]


def test_namespaces_of_a_sandbox_with_a_longer_name_are_left_alone() -> None:
    assert namespaces_of("a", NAMESPACES, others=["a", "a-b", "ab"]) == ["gc-a-router", "gc-a-ops-tax", "gc-a-i-0123"]
    assert namespaces_of("a-b", NAMESPACES, others=["a", "a-b"]) == ["gc-a-b-router"]


def test_mounts_are_listed_deepest_first() -> None:
    line = "1 0 0:1 / {} rw - ext4 /dev/vda rw"
    info = "\n".join(line.format(point) for point in ("/", "/s/a", "/s/a/b\\040c", "/s/ab"))
    assert mounts_below(Path("/s/a"), info) == ["/s/a/b c", "/s/a"]


def test_reserving_ports_keeps_what_others_reserved() -> None:
    assert with_range("") == "41000-44999"
    assert with_range("8080") == "8080,41000-44999"
    assert with_range("8080,41000-44999") == "8080,41000-44999"
    assert without_range("8080,41000-44999") == "8080"
    assert without_range("41000-44999") == ""
