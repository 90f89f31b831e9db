"""Leaks of services that the planted estate does not use, one after another, in the local cloud.

What each one breaks stands in the rule's own cases; here they only make the cloud answer about them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.policies.estate import arn, close_egress, document
from tests.unit.policies.local_cloud import ACCOUNT, Cloud

__all__ = ["RULES", "plant"]

_NEAR, _FAR, _STRANGER = "eu-central-1", "us-east-1", "999988887777"


def plant(cloud: Cloud) -> None:
    """Plants all of them."""
    for leak in RULES.values():
        leak(cloud)


def _vpc(ec2: Any) -> str:
    """One network for all that needs one."""
    block = "10.70.0.0/24"
    found = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": [block]}])["Vpcs"]
    return str((found[0] if found else ec2.create_vpc(CidrBlock=block)["Vpc"])["VpcId"])


def _server_access_logs(cloud: Cloud) -> None:
    cloud.bucket("rare-logged", _FAR)
    grant = {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}}
    acl = {
        "Grants": [{**grant, "Permission": each} for each in ("READ_ACP", "WRITE")],
        "Owner": {"ID": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a"},
    }
    s3 = cloud.s3(_FAR)
    s3.put_bucket_acl(Bucket="rare-logged", AccessControlPolicy=acl)
    status = {"LoggingEnabled": {"TargetBucket": "rare-logged", "TargetPrefix": ""}}
    s3.put_bucket_logging(Bucket="rare-logged", BucketLoggingStatus=status)


def _inventory(cloud: Cloud) -> None:
    cloud.bucket("rare-listed", _NEAR)
    target = {"S3BucketDestination": {"Bucket": "arn:aws:s3:::case-far", "Format": "CSV"}}
    configuration = {
        "Destination": target,
        "IsEnabled": True,
        "Id": "all",
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Daily"},
    }
    asked = {"Bucket": "rare-listed", "Id": "all", "InventoryConfiguration": configuration}
    cloud.s3().put_bucket_inventory_configuration(**asked)


def _acceleration(cloud: Cloud) -> None:
    cloud.bucket("rare-fast", _NEAR)
    cloud.s3().put_bucket_accelerate_configuration(Bucket="rare-fast", AccelerateConfiguration={"Status": "Enabled"})


def _replica_key(cloud: Cloud) -> None:
    key = cloud.client("kms").create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    cloud.client("kms").replicate_key(KeyId=key, ReplicaRegion=_FAR)
    cloud.client("kms").replicate_key(KeyId=key, ReplicaRegion="eu-west-3")


def _grant(cloud: Cloud) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["KeyId"]
    stranger = f"arn:aws:iam::{_STRANGER}:root"
    cloud.client("kms").create_grant(KeyId=key, GranteePrincipal=stranger, Operations=["Decrypt"])


def _trail(cloud: Cloud) -> None:
    trail = {"Name": "rare", "S3BucketName": "case-far", "IsMultiRegionTrail": False}
    cloud.client("cloudtrail").create_trail(**trail)


def _flow_log(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = _vpc(ec2)
    ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="REJECT",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::case-far",
    )


def _query_log(cloud: Cloud) -> None:
    resolver = cloud.client("route53resolver")
    target = arn("logs", _FAR, "log-group:far")
    resolver.create_resolver_query_log_config(Name="rare", DestinationArn=target, CreatorRequestId="rare")


def _configuration_record(cloud: Cloud) -> None:
    config = cloud.client("config")
    config.put_aggregation_authorization(AuthorizedAccountId=_STRANGER, AuthorizedAwsRegion=_FAR)
    sources = [{"AccountIds": [_STRANGER], "AllAwsRegions": True}]
    config.put_configuration_aggregator(ConfigurationAggregatorName="rare", AccountAggregationSources=sources)


def _endpoints(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = _vpc(ec2)
    everyone = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}'
    name = "com.amazonaws.us-east-1.s3"
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=name, VpcEndpointType="Gateway", PolicyDocument=everyone)


def _ipv6(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.72.0.0/24", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    block = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.72.0.0/26", Ipv6CidrBlock=block)["Subnet"]
    ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], AssignIpv6AddressOnCreation={"Value": True})
    gateway = ec2.create_egress_only_internet_gateway(VpcId=vpc["VpcId"])["EgressOnlyInternetGateway"]
    table = ec2.create_route_table(VpcId=vpc["VpcId"])["RouteTable"]["RouteTableId"]
    way = {"EgressOnlyInternetGatewayId": gateway["EgressOnlyInternetGatewayId"], "DestinationIpv6CidrBlock": "::/0"}
    ec2.create_route(RouteTableId=table, **way)


def _nat(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = _vpc(ec2)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.70.0.0/26")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, NatGatewayId=nat, DestinationCidrBlock="0.0.0.0/0")


def _edge(cloud: Cloud) -> None:
    ports = {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"}
    origin = {"Id": "o", "DomainName": "o.example", "CustomOriginConfig": ports}
    configuration: dict[str, Any] = {
        "CallerReference": "rare",
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "o",
            "ViewerProtocolPolicy": "allow-all",
            "MinTTL": 0,
            "ForwardedValues": {"QueryString": False, "Cookies": {"Forward": "none"}},
        },
        "Comment": "",
        "Enabled": True,
    }
    cloud.client("cloudfront").create_distribution(DistributionConfig=configuration)
    cloud.client("apigateway").create_rest_api(name="rare", endpointConfiguration={"types": ["EDGE"]})


def _network_settings(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    settings = [{"Key": "domain-name-servers", "Values": ["8.8.8.8"]}, {"Key": "ntp-servers", "Values": ["8.8.8.8"]}]
    options = ec2.create_dhcp_options(DhcpConfigurations=settings)["DhcpOptions"]["DhcpOptionsId"]
    vpc = _vpc(ec2)
    ec2.associate_dhcp_options(DhcpOptionsId=options, VpcId=vpc)


def _machine(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = _vpc(ec2)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.70.0.64/26")["Subnet"]["SubnetId"]
    interface = {"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}
    ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1, NetworkInterfaces=[interface])
    data = {
        "ImageId": "ami-1",
        "MetadataOptions": {"HttpTokens": "optional", "HttpPutResponseHopLimit": 3},
        "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}],
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"Encrypted": False, "VolumeSize": 8}}],
    }
    ec2.create_launch_template(LaunchTemplateName="rare", LaunchTemplateData=data)
    image = ec2.register_image(Name="rare", RootDeviceName="/dev/sda1")["ImageId"]
    share = {"Add": [{"UserId": _STRANGER}]}
    ec2.modify_image_attribute(ImageId=image, Attribute="launchPermission", LaunchPermission=share)


def _listener(cloud: Cloud) -> None:
    ec2, elb = cloud.client("ec2"), cloud.client("elbv2")
    vpc = _vpc(ec2)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.70.0.128/26")["Subnet"]["SubnetId"]
    balancer = elb.create_load_balancer(Name="rare", Subnets=[subnet], Type="network")["LoadBalancers"][0]
    target = elb.create_target_group(Name="rare", Protocol="TCP", Port=80, VpcId=vpc)["TargetGroups"][0]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="TCP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target["TargetGroupArn"]}],
    )


def _databases(cloud: Cloud) -> None:
    rds = cloud.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="rare",
        Engine="postgres",
        DBInstanceClass="db.t3.micro",
        AllocatedStorage=20,
        MasterUsername="u",
        MasterUserPassword="not-a-secret",
        PubliclyAccessible=True,
    )
    rds.create_global_cluster(GlobalClusterIdentifier="rare", Engine="aurora-postgresql")
    rds.create_db_cluster(
        DBClusterIdentifier="rare-cluster",
        Engine="aurora-postgresql",
        MasterUsername="user",
        MasterUserPassword="not-a-secret",
        GlobalClusterIdentifier="rare",
    )
    far = cloud.client("rds", _FAR)
    far.create_db_cluster(DBClusterIdentifier="rare-far", Engine="aurora-postgresql", GlobalClusterIdentifier="rare")


def _open_group(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = _vpc(ec2)
    group = ec2.create_security_group(GroupName="v6", Description="v6", VpcId=vpc)["GroupId"]
    close_egress(ec2, group)
    anywhere = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=anywhere)


def _dead_letters(cloud: Cloud) -> None:
    events = cloud.client("events")
    events.put_rule(Name="rare", EventPattern='{"source":["rare"]}')
    target = {"Id": "q", "Arn": arn("sqs", _NEAR, "work-0"), "DeadLetterConfig": {"Arn": arn("sqs", _FAR, "dead")}}
    events.put_targets(Rule="rare", Targets=[target])
    redrive = f'{{"deadLetterTargetArn": "{arn("sqs", _NEAR, "dead", _STRANGER)}", "maxReceiveCount": 3}}'
    cloud.client("sqs").create_queue(QueueName="dead")
    own = redrive.replace(_STRANGER, ACCOUNT)
    cloud.client("sqs").create_queue(QueueName="rare", Attributes={"RedrivePolicy": own})


def _region_deny(cloud: Cloud) -> None:
    organizations = cloud.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    foreign = {"StringNotEquals": {"aws:RequestedRegion": [_NEAR, "eu-west-3"]}}
    deny = {"Effect": "Deny", "NotAction": ["iam:*", "kms:*"], "Resource": "*", "Condition": foreign}
    asked = {"Name": "regions", "Description": "regions", "Type": "SERVICE_CONTROL_POLICY"}
    policy = organizations.create_policy(Content=document(deny), **asked)["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy, TargetId=ACCOUNT)


def _public_access(cloud: Cloud) -> None:
    cloud.client("ec2", "eu-west-3").modify_vpc_block_public_access_options(InternetGatewayBlockMode="off")


def _loose_locks(cloud: Cloud) -> None:
    s3 = cloud.s3()
    for name, mode, days in (("rare-evidence", "GOVERNANCE", 4000), ("rare-audit", "COMPLIANCE", 1)):
        where = {"LocationConstraint": _NEAR}
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=where, ObjectLockEnabledForBucket=True)
        kept = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, "Days": days}}}
        s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=kept)


def _blind_regions(cloud: Cloud) -> None:
    """One watcher a region: whoever comes back to life in an answer must not hide behind another."""
    guardduty = cloud.client("guardduty")
    guardduty.update_detector(DetectorId=guardduty.list_detectors()["DetectorIds"][0], Enable=False)
    cloud.client("config", "eu-west-3").stop_configuration_recorder(ConfigurationRecorderName="estate")


RULES: dict[str, Callable[[Cloud], None]] = {
    "RES-004": _region_deny,
    "RES-012": _server_access_logs,
    "RES-012 inventory": _inventory,
    "RES-013": _acceleration,
    "RES-041": _replica_key,
    "RES-042": _grant,
    "RES-060": _trail,
    "RES-063": _flow_log,
    "RES-064": _query_log,
    "RES-065": _configuration_record,
    "RES-083": _endpoints,
    "RES-086": _ipv6,
    "RES-085": _nat,
    "RES-088": _edge,
    "RES-089": _network_settings,
    "RES-092": _public_access,
    "HRD-007": _loose_locks,
    "HRD-018": _blind_regions,
    "HRD-002": _machine,
    "HRD-012": _listener,
    "RES-024": _databases,
    "HRD-004": _open_group,
    "RES-068": _dead_letters,
}
