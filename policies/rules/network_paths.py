"""Network paths: no route, peering, endpoint or edge leads out of the zone."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import Statement, statements
from policies.graph import Resource
from policies.places import account_faults, parse_arn, region_faults
from policies.relations import children_of
from policies.rule import Context, Rule
from policies.view import View

RES_080 = Rule("RES-080", remedy="Peer only with VPCs of zone accounts in zone regions.")


@RES_080.on(
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
    "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter",
)
def peering_stays_in_the_zone(peering: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, peering.text("peerRegion"), "peerRegion")
    yield from account_faults(at, peering.text("peerOwnerId"), "peerOwnerId")


RES_083 = Rule("RES-083", remedy="Leave serviceRegion unset, and offer endpoint services in zone regions only.")


@RES_083.on("aws:ec2/vpcEndpoint:VpcEndpoint")
def endpoint_reaches_its_own_region(endpoint: View, at: Context) -> Iterator[str]:
    yield from region_faults(at, endpoint.text("serviceRegion"), "serviceRegion")
    parts = endpoint.required("serviceName").split(".")
    # com.amazonaws.<region>.<service>; partition-wide services such as com.amazonaws.s3-global name no region.
    if len(parts) >= 4 and "-" in parts[2] and parts[2][-1].isdigit():
        yield from region_faults(at, parts[2], "the region in serviceName")


@RES_083.on("aws:ec2/vpcEndpointService:VpcEndpointService")
def endpoint_service_is_offered_inside(service: View, at: Context) -> Iterator[str]:
    for region in service.texts("supportedRegions"):
        yield from region_faults(at, region, "a supported region")
    for principal in service.texts("allowedPrincipals"):
        yield from _consumer_faults(principal, at)


@RES_083.on("aws:ec2/vpcEndpointServiceAllowedPrinciple:VpcEndpointServiceAllowedPrinciple")
def endpoint_service_admits_the_zone_only(permission: View, at: Context) -> Iterator[str]:
    yield from _consumer_faults(permission.required("principalArn"), at)


def _consumer_faults(principal: str, at: Context) -> Iterator[str]:
    if principal == "*":
        yield "everyone may connect to the endpoint service"
    else:
        arn = parse_arn(principal)
        yield from account_faults(at, arn.account if arn else principal, "an allowed principal")


RES_084 = Rule(
    "RES-084",
    remedy="Require aws:ResourceOrgID and aws:PrincipalOrgID to equal the organization in every Allow statement.",
)


_ENDPOINT, _ENDPOINT_POLICY = "aws:ec2/vpcEndpoint:VpcEndpoint", "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy"


@RES_084.on(_ENDPOINT_POLICY)
def endpoint_policy_admits_the_organization_only(holder: View, at: Context) -> Iterator[str]:
    yield from _policy_faults(holder.value("policy"), at)


@RES_084.related(_ENDPOINT)
def endpoint_admits_the_organization_only(endpoint: Resource, at: Context) -> Iterator[str]:
    faults = list(_policy_faults(at.view(endpoint).value("policy"), at))
    # A policy that is a resource of its own replaces the endpoint's, and is judged by itself.
    if faults and not _has_own_policy(endpoint, at):
        yield from faults


def _has_own_policy(endpoint: Resource, at: Context) -> bool:
    known = _ENDPOINT_POLICY in at.graph.types
    return known and bool(children_of(endpoint, at, "vpcEndpointId", _ENDPOINT_POLICY))


def _policy_faults(policy: object, at: Context) -> Iterator[str]:
    if not policy:
        yield "the endpoint has the default policy, which allows everything to everyone"
        return
    for statement in statements(policy, "policy"):
        if statement.allows:
            yield from _perimeter_faults(statement, at)


def _perimeter_faults(statement: Statement, at: Context) -> Iterator[str]:
    for key in ("aws:ResourceOrgID", "aws:PrincipalOrgID"):
        if statement.condition(key, "StringEquals") != (at.zone.organization_id,):
            yield f"an Allow statement does not require {key} to equal {at.zone.organization_id}"


RES_085 = Rule("RES-085", remedy="Remove the gateway and every route to it; reach services through VPC endpoints.")


@RES_085.on(
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/internetGatewayAttachment:InternetGatewayAttachment",
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
    "aws:ec2/carrierGateway:CarrierGateway",
)
def no_gateway_is_attached(gateway: View, at: Context) -> Iterator[str]:
    vpc = gateway.text("vpcId")
    yield f"a gateway to the outside is attached to {vpc}" if vpc else "a gateway to the outside exists"


@RES_085.on("aws:ec2/natGateway:NatGateway")
def nat_is_private(gateway: View, at: Context) -> Iterator[str]:
    if gateway.text("connectivityType") != "private":
        yield "a NAT gateway leads to the internet"


@RES_085.on("aws:ec2/route:Route")
def no_route_leads_out(route: View, at: Context) -> Iterator[str]:
    for name in ("egressOnlyGatewayId", "carrierGatewayId"):
        if route.text(name):
            yield f"a route leads to {route.text(name)}"
    gateway = route.text("gatewayId")
    if gateway and not gateway.startswith(("vgw-", "vpce-", "local")):
        yield f"a route leads to gateway {gateway}"
    if (nat := route.text("natGatewayId")) and not _is_private_nat(nat, at):
        yield f"a route leads to NAT gateway {nat}"


@RES_085.on("aws:ec2/routeTable:RouteTable", "aws:ec2/defaultRouteTable:DefaultRouteTable")
def no_route_of_the_table_leads_out(table: View, at: Context) -> Iterator[str]:
    for route in table.children("routes"):
        yield from no_route_leads_out(route, at)


def _is_private_nat(identifier: str, at: Context) -> bool:
    gateways = at.graph.of_type("aws:ec2/natGateway:NatGateway")
    return any(g.physical_id == identifier and g.properties.get("connectivityType") == "private" for g in gateways)


RES_088 = Rule("RES-088", remedy="Serve the ledger from its VPC: no distribution, accelerator or edge-optimised API.")


@RES_088.on("aws:cloudfront/distribution:Distribution", "aws:globalaccelerator/accelerator:Accelerator")
def no_edge_service_is_enabled(service: View, at: Context) -> Iterator[str]:
    if service.flag("enabled") is not False:
        yield "traffic ends at edge locations picked by the client's position"


@RES_088.on("aws:globalaccelerator/endpointGroup:EndpointGroup")
def no_endpoint_group_exists(group: View, at: Context) -> Iterator[str]:
    yield f"an accelerator has endpoints in {group.text('endpointGroupRegion') or 'a region'}"


@RES_088.on("aws:apigateway/restApi:RestApi", "aws:apigateway/domainName:DomainName")
def api_is_regional_or_private(api: View, at: Context) -> Iterator[str]:
    configuration = api.child("endpointConfiguration")
    types = configuration.value("types") if configuration is not None else None
    chosen = types if isinstance(types, list) else [types]
    if not set(chosen) <= {"REGIONAL", "PRIVATE"}:
        yield "the API is edge-optimised: requests are decrypted at edge locations"


RES_092 = Rule("RES-092", remedy="Set internetGatewayBlockMode to block-bidirectional in every region of the account.")


@RES_092.on("aws:ec2/vpcBlockPublicAccessOptions:VpcBlockPublicAccessOptions")
def public_access_is_blocked_both_ways(options: View, at: Context) -> Iterator[str]:
    if options.required("internetGatewayBlockMode") != "block-bidirectional":
        yield f"internetGatewayBlockMode is {options.text('internetGatewayBlockMode')}"
