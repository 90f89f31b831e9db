"""The memory of a table's latest entries: bounded, never stale, and what is asked for often stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gchain_node.recent import UNKNOWN, Recent

KEYS = st.integers(0, 12).map(lambda number: b"%d" % number)
CALLS = st.lists(st.tuples(st.sampled_from(["put", "update", "get"]), KEYS, st.none() | st.binary(max_size=2)))


@given(calls=CALLS, bound=st.integers(1, 5))
def test_it_knows_the_last_value_or_says_that_it_does_not(
    calls: list[tuple[str, bytes, bytes | None]], bound: int
) -> None:
    recent, table = Recent(bound), dict[bytes, bytes | None]()
    for call, key, value in calls:
        if call == "get":
            found = recent.get(key)
            assert found is UNKNOWN or found == table[key]
        else:
            table[key] = value
            recent.put(key, value) if call == "put" else recent.update({key: value})
            assert recent.get(key) == value


def test_it_keeps_what_is_asked_for_and_forgets_the_rest() -> None:
    recent = Recent(10)
    recent.put(b"hot", b"value")
    for number in range(100):
        recent.put(b"%d" % number, None)
        assert recent.get(b"hot") == b"value"
    kept = [number for number in range(100) if recent.get(b"%d" % number) is not UNKNOWN]
    assert len(kept) <= 20
    assert kept[-9:] == list(range(91, 100))
