from __future__ import annotations

import struct

import pytest

from gchain.sandbox.network.time_service import answer

CLIENT = bytes([0x23]) + bytes(39) + b"originXX"


def test_a_client_gets_its_own_time_back_and_the_servers_between() -> None:
    reply = answer(CLIENT, 1_700_000_000.5, 1_700_000_000.75)
    assert reply is not None
    assert len(reply) == 48
    assert reply[0] == 0x24, "version 4, server"
    assert reply[24:32] == b"originXX"
    received, transmitted = struct.unpack("!QQ", reply[32:48])
    assert received >> 32 == 1_700_000_000 + 2_208_988_800
    assert (received & 0xFFFFFFFF, transmitted & 0xFFFFFFFF) == (1 << 31, 3 << 30)


@pytest.mark.parametrize("packet", [b"", CLIENT[:47], bytes([0x24]) + CLIENT[1:]])
def test_what_is_not_a_clients_request_is_not_answered(packet: bytes) -> None:
    assert answer(packet, 0, 0) is None
