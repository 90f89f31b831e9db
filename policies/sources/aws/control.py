"""Trails, configuration records, identities, the organization and edge services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.account import Account
from policies.sources.aws.answer import Answer

__all__ = ["COLLECTORS", "GLOBAL_COLLECTORS", "manages_organization"]


def trails(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for trail in account.pages("cloudtrail", region, "describe_trails", "trailList", includeShadowTrails=True):
        home, arn = trail["HomeRegion"], trail["TrailARN"]
        selectors = account.ask("cloudtrail", home, "get_event_selectors", TrailName=arn)
        status = account.ask("cloudtrail", home, "get_trail_status", Name=arn)
        yield account.resource(
            "aws:cloudtrail/trail:Trail",
            arn,
            home,
            {
                "name": trail["Name"],
                "s3BucketName": trail["S3BucketName"],
                "cloudWatchLogsGroupArn": trail["CloudWatchLogsLogGroupArn?"],
                "snsTopicName": trail["SnsTopicARN?"],
                "kmsKeyId": trail["KmsKeyId?"],
                "enableLogging": status.flag("IsLogging"),
                "enableLogFileValidation": trail.flag("LogFileValidationEnabled"),
                "eventSelectors": [_selector(each) for each in selectors.each("EventSelectors?")],
                "advancedEventSelectors": [_advanced(each) for each in selectors.each("AdvancedEventSelectors?")],
            },
        )


def _selector(selector: Answer) -> dict[str, Any]:
    return {
        "includeManagementEvents": selector.flag("IncludeManagementEvents"),
        "readWriteType": selector["ReadWriteType"],
        "excludeManagementEventSources": selector.texts("ExcludeManagementEventSources?"),
    }


def _advanced(selector: Answer) -> dict[str, Any]:
    return {"fieldSelectors": [{"field": each["Field"]} for each in selector.each("FieldSelectors")]}


def delivery_channels(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for channel in account.pages("config", region, "describe_delivery_channels", "DeliveryChannels"):
        yield account.resource(
            "aws:cfg/deliveryChannel:DeliveryChannel",
            channel["name"],
            region,
            {
                "s3BucketName": channel["s3BucketName"],
                "snsTopicArn": channel["snsTopicARN?"],
                "s3KmsKeyArn": channel["s3KmsKeyArn?"],
            },
        )


def aggregators(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "describe_configuration_aggregators", "ConfigurationAggregators"
    for aggregator in account.pages("config", region, operation, key):
        sources = aggregator.each("AccountAggregationSources?")
        if not sources and "OrganizationAggregationSource" not in aggregator:
            raise SourceError("DescribeConfigurationAggregators: an aggregator without a source")
        accounts = {"accountIds": [number for each in sources for number in each.texts("AccountIds")]}
        yield account.resource(
            "aws:cfg/configurationAggregator:ConfigurationAggregator",
            aggregator["ConfigurationAggregatorName"],
            region,
            {"accountAggregationSource": accounts if sources else None},
        )


def authorisations(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    operation, key = "describe_aggregation_authorizations", "AggregationAuthorizations"
    for each in account.pages("config", region, operation, key):
        yield account.resource(
            "aws:cfg/aggregateAuthorization:AggregateAuthorization",
            each["AggregationAuthorizationArn"],
            region,
            {"accountId": each["AuthorizedAccountId"], "authorizedAwsRegion": each["AuthorizedAwsRegion"]},
        )


def apis(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for api in account.pages("apigateway", region, "get_rest_apis", "items"):
        types = api.texts("endpointConfiguration.types")
        yield account.resource(
            "aws:apigateway/restApi:RestApi", api["id"], region, {"endpointConfiguration": {"types": types}}
        )
    for domain in account.pages("apigateway", region, "get_domain_names", "items"):
        types = domain.texts("endpointConfiguration.types")
        yield account.resource(
            "aws:apigateway/domainName:DomainName",
            domain["domainName"],
            region,
            {"endpointConfiguration": {"types": types}},
        )


def users(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for user in account.pages("iam", region, "list_users", "Users"):
        name = user["UserName"]
        yield account.resource("aws:iam/user:User", name, None, {"name": name})
        for key in account.pages("iam", region, "list_access_keys", "AccessKeyMetadata", UserName=name):
            # The key's id is half a credential: its last four characters tell keys apart.
            identifier = f"{name}/...{key['AccessKeyId'][-4:]}"
            properties = {"user": name, "status": key["Status"]}
            yield account.resource("aws:iam/accessKey:AccessKey", identifier, None, properties)


def roles(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for role in account.pages("iam", region, "list_roles", "Roles"):
        if role.text("Path").startswith("/aws-service-role/"):
            continue
        name = role["RoleName"]
        for each in account.names("iam", region, "list_role_policies", "PolicyNames", RoleName=name):
            found = account.ask("iam", region, "get_role_policy", RoleName=name, PolicyName=each)
            document = _document(found["PolicyDocument"])
            properties = {"name": each, "role": name, "policy": document}
            yield account.resource("aws:iam/rolePolicy:RolePolicy", f"{name}/{each}", None, properties)
        attached = account.pages("iam", region, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        yield account.resource(
            "aws:iam/role:Role",
            name,
            None,
            {
                "name": name,
                "assumeRolePolicy": _document(role["AssumeRolePolicyDocument"]),
                "inlinePolicies": [],  # each is a resource of its own
                "managedPolicyArns": [each["PolicyArn"] for each in attached],
            },
        )


def policies(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for policy in account.pages("iam", region, "list_policies", "Policies", Scope="Local"):
        version = {"PolicyArn": policy["Arn"], "VersionId": policy["DefaultVersionId"]}
        found = account.ask("iam", region, "get_policy_version", **version)
        document = _document(found["PolicyVersion.Document"])
        properties = {"name": policy["PolicyName"], "policy": document}
        yield account.resource("aws:iam/policy:Policy", policy["Arn"], None, properties)


def _document(document: Any) -> str:
    return json.dumps(document.plain, sort_keys=True) if isinstance(document, Answer) else str(document)


def identity_providers(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for each in account.pages("iam", region, "list_open_id_connect_providers", "OpenIDConnectProviderList"):
        found = account.ask("iam", region, "get_open_id_connect_provider", OpenIDConnectProviderArn=each["Arn"])
        properties = {"url": found["Url"], "clientIdLists": found.texts("ClientIDList?")}
        yield account.resource("aws:iam/openIdConnectProvider:OpenIdConnectProvider", each["Arn"], None, properties)
    for each in account.pages("iam", region, "list_saml_providers", "SAMLProviderList"):
        found = account.ask("iam", region, "get_saml_provider", SAMLProviderArn=each["Arn"])
        properties = {"samlMetadataDocument": found["SAMLMetadataDocument"]}
        yield account.resource("aws:iam/samlProvider:SamlProvider", each["Arn"], None, properties)


def manages_organization(account: Account) -> bool:
    """Whether the account is its organization's management account, which alone may list guardrail policies.

    Raises:
        SourceError: the answer names that account in two ways that differ: of a member less is judged.
    """
    try:
        found = account.ask("organizations", account.home_region, "describe_organization")
    except ClientError as error:
        if error.response["Error"]["Code"] == "AWSOrganizationsNotInUseException":
            return False
        raise
    manager, arn = found.text("Organization.MasterAccountId"), found.text("Organization.MasterAccountArn")
    if arn.rpartition("/")[2] != manager:
        raise SourceError(f"DescribeOrganization: the management account is {manager}, and {arn}")
    return manager == account.number


def guardrails(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    if not manages_organization(account):
        return
    for policy in account.pages("organizations", region, "list_policies", "Policies", Filter="SERVICE_CONTROL_POLICY"):
        identifier = policy["Id"]
        content = account.ask("organizations", region, "describe_policy", PolicyId=identifier)["Policy.Content"]
        properties = {"name": policy["Name"], "type": policy["Type"], "content": content, "id": identifier}
        yield account.resource("aws:organizations/policy:Policy", identifier, None, properties)
        for target in account.pages("organizations", region, "list_targets_for_policy", "Targets", PolicyId=identifier):
            yield account.resource(
                "aws:organizations/policyAttachment:PolicyAttachment",
                f"{identifier}/{target['TargetId']}",
                None,
                {"policyId": identifier, "targetId": target["TargetId"]},
            )


def distributions(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    for page in account.answers("cloudfront", region, "list_distributions"):
        listed = page.each("DistributionList.Items?")
        if len(listed) != page["DistributionList.Quantity"]:
            raise SourceError("ListDistributions: Quantity says another number than there are Items")
        for each in listed:
            kind = "aws:cloudfront/distribution:Distribution"
            yield account.resource(kind, each["Id"], None, {"enabled": each.flag("Enabled")})


def accelerators(account: Account, region: str, skip: set[str]) -> Iterator[Resource]:
    # Global Accelerator has one API endpoint, in us-west-2 (its service endpoints and quotas page).
    for each in account.pages("globalaccelerator", "us-west-2", "list_accelerators", "Accelerators"):
        kind = "aws:globalaccelerator/accelerator:Accelerator"
        yield account.resource(kind, each["AcceleratorArn"], None, {"enabled": each.flag("Enabled")})


COLLECTORS = {
    ("aws:cfg/deliveryChannel:DeliveryChannel",): delivery_channels,
    ("aws:cfg/configurationAggregator:ConfigurationAggregator",): aggregators,
    ("aws:cfg/aggregateAuthorization:AggregateAuthorization",): authorisations,
    ("aws:apigateway/restApi:RestApi", "aws:apigateway/domainName:DomainName"): apis,
}
GLOBAL_COLLECTORS = {
    ("aws:cloudtrail/trail:Trail",): trails,
    ("aws:iam/user:User", "aws:iam/accessKey:AccessKey"): users,
    ("aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"): roles,
    ("aws:iam/policy:Policy",): policies,
    ("aws:iam/openIdConnectProvider:OpenIdConnectProvider", "aws:iam/samlProvider:SamlProvider"): identity_providers,
    ("aws:organizations/policy:Policy", "aws:organizations/policyAttachment:PolicyAttachment"): guardrails,
    ("aws:cloudfront/distribution:Distribution",): distributions,
    (
        "aws:globalaccelerator/accelerator:Accelerator",
        "aws:globalaccelerator/endpointGroup:EndpointGroup",
    ): accelerators,
}
