"""The ledger: peers, votes, copies and keys of the running network lie where the zone says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from fractions import Fraction

from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import bucket_faults, endpoint_faults, host_of, is_loopback, network_faults
from policies.rule import Context, NotJudged, Rule, Verdict
from policies.view import UnknownValue, View

_P2P_PORT = 26656
_TWO_THIRDS = Fraction(2, 3)
_ONE_THIRD = Fraction(1, 3)
_FRESH = timedelta(hours=24)

RES_047 = Rule(
    "RES-047",
    remedy="Generate the consensus key inside the member's registered token, sensitive and not extractable.",
)


@RES_047.each_host
def consensus_key_cannot_leave(host: View, at: Context) -> Iterator[str]:
    key = host.need("pkcs11").need("consensus_key")
    if key.flag("extractable") is not False:
        yield "CKA_EXTRACTABLE is not false"
    for name in ("sensitive", "never_extractable"):
        if key.flag(name) is not True:
            yield f"CKA_{name.upper()} is not true"


@RES_047.each_host
def token_is_registered_in_the_zone(host: View, at: Context) -> Iterator[str]:
    public_key = host.need("pkcs11").need("consensus_key").required("public_key")
    tokens = at.facts.need("register").children("tokens")
    held = [token for token in tokens if token.required("public_key") == public_key]
    if not held:
        yield "the consensus key is none that a member registered in genesis"
    for token in held:
        if token.required("jurisdiction") not in at.zone.jurisdictions:
            yield f"the token is held in {token.text('jurisdiction')}, outside the zone"


@RES_047.each_host
def backups_need_zone_officers(host: View, at: Context) -> Iterator[str]:
    officers = set(at.facts.need("register").texts("officers"))
    for backup in host.need("hsm").children("backups"):
        strangers = sorted(set(backup.texts("recipients")) - officers)
        if strangers or not backup.texts("recipients"):
            yield f"an HSM backup can be restored by {', '.join(strangers) or 'nobody known'}"


LED_001 = Rule("LED-001", remedy="Remove the peer, or register its node id with a member at a zone address.")


@LED_001.each_host
def configured_peers_are_members(host: View, at: Context) -> Iterator[str]:
    p2p = host.need("p2p")
    for name in ("persistent_peers", "seeds"):
        for peer in p2p.texts(name):
            yield from _peer_faults(peer.partition("@")[0], peer, at, name)
    for entry in p2p.children("peer_store"):
        yield from _peer_faults(entry.required("id"), entry.required("address"), at, "the peer store")


@LED_001.each_host
def connected_peers_are_members(host: View, at: Context) -> Iterator[str]:
    for peer in host.need("rpc").children("peers"):
        yield from _peer_faults(peer.required("id"), peer.required("address"), at, "the live peers")


def _peer_faults(identifier: str, address: str, at: Context, where: str) -> Iterator[str]:
    if identifier not in _registered_ids(at):
        yield f"{where} hold {identifier[:12]}, which no member registered"
    yield from _host_faults(at, address, f"an address in {where}")


def _host_faults(at: Context, address: str, what: str) -> Iterator[str]:
    """A host that has neither a name in the zone's domain nor an address in its networks."""
    host = host_of(address)
    if not (host.endswith(f".{at.zone.domain}") and at.zone.domain):
        yield from network_faults(at, host or address, what)


def _registered_ids(at: Context) -> set[str]:
    members = at.facts.need("register").children("members")
    return {identifier for member in members for identifier in member.texts("node_ids")}


LED_002 = Rule("LED-002", remedy="Set pex = false (or filter_peers = true) and admit member networks only to the port.")


@LED_002.each_host
def peer_exchange_is_off_or_filtered(host: View, at: Context) -> Iterator[str]:
    p2p = host.need("p2p")
    if p2p.flag("peer_exchange") is not False and p2p.flag("peer_filter") is not True:
        yield "peer exchange is on and unfiltered"
    for identifier in p2p.texts("unconditional_peer_ids"):
        if identifier not in _registered_ids(at):
            yield f"the unconditional peer {identifier[:12]} is no member's"


@LED_002.each_host
def peer_port_admits_members_only(host: View, at: Context) -> Iterator[str]:
    sources = host.need("firewall").need("p2p_port").texts("sources")
    if not sources:
        raise UnknownValue("who may reach the peer port is not known")
    for source in sources:
        yield from network_faults(at, source, "a source admitted to the peer port")


@LED_002.each_host
def peer_connections_come_from_the_zone(host: View, at: Context) -> Iterator[str]:
    for socket in host.need("sockets").children("established"):
        if _P2P_PORT in (socket.number("local_port"), socket.number("remote_port")):
            yield from network_faults(at, socket.required("remote_address"), "a peer connection")


LED_003 = Rule("LED-003", remedy="Bind RPC to loopback and serve snapshots to zone addresses only.")


@LED_003.each_host
def rpc_and_snapshots_serve_the_zone_only(host: View, at: Context) -> Iterator[str]:
    rpc, statesync = host.need("rpc"), host.need("statesync")
    if not is_loopback(rpc.text("listen_address") or ""):
        sources = rpc.texts("allowed_sources")
        if not sources:
            yield f"RPC listens on {rpc.text('listen_address')} without a filter"
        for source in sources:
            yield from network_faults(at, source, "a source admitted to RPC")
    for server in statesync.texts("rpc_servers"):
        yield from _host_faults(at, server, "a state sync server")
    statesync.flag("serving")


LED_004 = Rule("LED-004", remedy="Keep hosts and keys of more than two thirds of the voting power in the zone.")


@LED_004.whole(Stage.NODE)
def zone_holds_the_votes(at: Context) -> Iterator[Verdict]:
    register = {v.required("address"): v for v in at.facts.need("register").children("validators")}
    seats = []
    for validator in at.facts.need("ledger").children("validators"):
        known = register.get(validator.required("address"))
        power = validator.number("power")
        if power is None:
            raise UnknownValue("a validator's power is not known")
        places = [known.text(f"{kind}_jurisdiction") if known else None for kind in ("host", "key")]
        seats.append((power, places))
    yield Verdict("ledger", list(_vote_faults(seats, at)), {"seats": seats})


@LED_004.whole(Stage.PLAN)
def zone_will_hold_the_votes(at: Context) -> Iterator[Verdict]:
    if not at.zone.validators:
        raise UnknownValue("no validator is planned")
    seats = [(1, [_host_jurisdiction(seat.site, at), seat.jurisdiction]) for seat in at.zone.validators]
    yield Verdict("ledger", list(_vote_faults(seats, at)), {"seats": seats})


def _host_jurisdiction(site: str, at: Context) -> str | None:
    return at.zone.regions.get(at.zone.region_of_site(site) or "")


def _vote_faults(seats: list[tuple[int, list[str | None]]], at: Context) -> Iterator[str]:
    total = sum(power for power, _ in seats)
    if total <= 0:
        raise UnknownValue("the ledger has no voting power")
    for index, kind in enumerate(("host", "key")):
        shares: dict[str, int] = defaultdict(int)
        for power, places in seats:
            shares[places[index] or "an unregistered place"] += power
        inside = sum(power for place, power in shares.items() if place in at.zone.jurisdictions)
        if Fraction(inside, total) <= _TWO_THIRDS:
            yield f"by {kind}, the zone holds {inside} of {total} votes, not more than two thirds"
        for place, power in shares.items():
            if place not in at.zone.jurisdictions and Fraction(power, total) >= _ONE_THIRD:
                yield f"by {kind}, {place} holds {power} of {total} votes, a third or more"


LED_005 = Rule("LED-005", remedy="Spread validators over at least four sites, or waive with a reason in a small zone.")


@LED_005.whole(Stage.PLAN)
def quorum_survives_a_lost_site(at: Context) -> Iterator[Verdict]:
    if not at.zone.validators:
        raise UnknownValue("no validator is planned")
    votes: dict[str, int] = defaultdict(int)
    for seat in at.zone.validators:
        votes[seat.site] += 1
    total = sum(votes.values())
    faults = [
        f"without site {site}, {total - lost} of {total} votes are left, not more than two thirds"
        for site, lost in sorted(votes.items())
        if Fraction(total - lost, total) <= _TWO_THIRDS
    ]
    yield Verdict("ledger", faults, {"votes": dict(votes)})


LED_006 = Rule("LED-006", remedy="Move the archive, indexer, explorer or backup target into a zone region.")
_PRIMARY = frozenset({"validator", "observer"})
_SECONDARY = frozenset({"archive", "indexer", "explorer"})


@LED_006.located("aws:ec2/instance:Instance")
def secondary_hosts_are_in_the_zone(instance: Resource, at: Context) -> Iterator[str]:
    view = at.view(instance)
    role = view.mapping("tags").get("gchain:role")
    if role in _PRIMARY:
        raise NotJudged
    if role not in _SECONDARY:
        raise UnknownValue("tag gchain:role does not say what the host is for")
    region = at.region(instance)
    site = view.text("availabilityZone")
    if region not in at.zone.regions:
        yield f"a host with role {role} is in {region}"
    if site and site not in at.zone.availability_zones:
        yield f"a host with role {role} is in {site}"


@LED_006.each_host
def ledger_backups_stay_in_the_zone(host: View, at: Context) -> Iterator[str]:
    for target in host.need("ledger_backup").texts("targets"):
        if target.startswith("s3://"):
            yield from bucket_faults(at, target, "a backup target")
        else:
            yield from endpoint_faults(at, target, "a backup target")


LED_007 = Rule("LED-007", remedy="Send one salted hash to an endpoint on the zone's list of anchors, under a waiver.")


@LED_007.each_host
def nothing_but_hashes_leaves(host: View, at: Context) -> Iterator[str]:
    for kind in ("bridges", "oracles"):
        for bridge in host.children(kind):
            yield from _anchor_faults(bridge.required("endpoint"), kind, at)
    anchoring = host.child("anchoring")
    if anchoring is not None:
        yield from _anchor_faults(anchoring.required("endpoint"), "anchoring", at)
        if anchoring.required("payload") != "salted-hash":
            yield f"anchoring sends {anchoring.text('payload')}, not a salted hash"


def _anchor_faults(endpoint: str, kind: str, at: Context) -> Iterator[str]:
    if endpoint not in at.zone.anchors:
        yield f"{kind}: {endpoint} is not on the zone's list of anchors"
    waived = [waiver.required("rule") for waiver in at.facts.need("register").children("waivers")]
    if LED_007.id not in waived:
        yield f"{kind}: no current waiver names {endpoint}"


LED_008 = Rule("LED-008", remedy="Collect a signed identity document and a fresh attestation on the host; check again.")


@LED_008.each_host
def signed_evidence_places_the_host(host: View, at: Context) -> Iterator[str]:
    places = {h.required("instance_id"): h for h in at.facts.need("register").children("hosts")}
    yield from _place_faults(host, places, at)


def _place_faults(host: View, places: dict[str, View], at: Context) -> Iterator[str]:
    document = host.need("imds").need("identity_document")
    if document.flag("signature_valid") is not True:
        yield "the identity document's signature does not verify"
    record = places.get(document.required("instance_id"))
    if record is None:
        yield f"{document.text('instance_id')} is no host on record"
        return
    recorded = record.required("availability_zone")
    if document.required("availability_zone") != recorded:
        yield f"the host is in {document.text('availability_zone')}, the record says {recorded}"
    if document.required("region") != recorded[:-1]:
        yield f"the host is in {document.text('region')}, the record says {recorded[:-1]}"
    attestation = host.need("attestation")
    if attestation.flag("verified") is not True:
        yield f"the attestation of kind {attestation.text('kind')} does not verify"
    if at.now - datetime.fromisoformat(attestation.required("collected_at")) > _FRESH:
        yield "the attestation is older than 24 hours"


LED_009 = Rule("LED-009", remedy="Set Storage=none for core dumps; bind profiling to loopback and unsafe RPC to off.")


@LED_009.each_host
def memory_images_stay_on_the_host(host: View, at: Context) -> Iterator[str]:
    pattern = host.need("sysctl").text("kernel_core_pattern")
    if host.need("systemd").required("core_dump_storage") != "none" and pattern != "|/bin/false":
        yield "core dumps are stored"
    rpc = host.need("rpc")
    if not is_loopback(rpc.text("pprof_listen_address") or ""):
        yield f"profiling listens on {rpc.text('pprof_listen_address')}"
    if rpc.flag("unsafe_methods") and not is_loopback(rpc.text("listen_address") or ""):
        yield "unsafe RPC methods are reachable"
