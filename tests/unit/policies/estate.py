"""An estate of several hundred resources in several regions of one account, clean but for the leaks planted in it.

`build` makes the clean part, `plant` the leaks; each leak says which rule must report which resource, by the id that
the live sweep gives it (without the account): `<region>/<Kind>/<id>`, or `<Kind>/<id>` where a service has no region.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.unit.policies.local_cloud import ACCOUNT, Cloud

__all__ = ["REGIONS", "build", "plant"]

REGIONS = ("eu-central-1", "eu-west-3")
_NETWORKS = {"eu-central-1": "10.20", "eu-west-3": "10.30"}
_FAR = "us-east-1"
_STRANGER = "999988887777"
_LOCK = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}}
_CLOSED = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)

Leak = tuple[str, str]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def arn(service: str, region: str, resource: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"


def build(cloud: Cloud, many: int = 12) -> None:
    """The clean part: what a careful account has in both regions of the zone, `many` of each small thing."""
    for region in REGIONS:
        key = clean_key(cloud, region)
        archive = f"estate-archive-{region}"
        clean_bucket(cloud, archive, region, key)
        _settings(cloud, region, key, archive)
        names = name_filter(cloud, region, "closed", "gchain.internal", "*.gchain.internal")
        for number in range(4):
            filter_names(cloud, region, _network(cloud, region, number), names, 200)
        for number in range(many):
            _data(cloud, region, number, key)
    _identities(cloud, many)
    _names(cloud, many)


def clean_key(cloud: Cloud, region: str, **given: Any) -> str:
    kms = cloud.client("kms", region)
    made = kms.create_key(**given)["KeyMetadata"]
    kms.enable_key_rotation(KeyId=made["KeyId"])
    return str(made["Arn"])


def clean_bucket(cloud: Cloud, name: str, region: str, key: str) -> None:
    s3 = cloud.s3(region)
    s3.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": region},
        ObjectLockEnabledForBucket=True,
    )
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=_CLOSED)
    encrypt = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [encrypt]})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=_LOCK)
    things = [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": things, "Condition": plain}
    s3.put_bucket_policy(Bucket=name, Policy=document(deny))


def _settings(cloud: Cloud, region: str, key: str, archive: str) -> None:
    ec2, config = cloud.client("ec2", region), cloud.client("config", region)
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    ec2.enable_ebs_encryption_by_default()
    ec2.modify_vpc_block_public_access_options(InternetGatewayBlockMode="block-bidirectional")
    cloud.client("guardduty", region).create_detector(Enable=True)
    cloud.client("securityhub", region).enable_security_hub(EnableDefaultStandards=False)
    cloud.client("inspector2", region).enable(accountIds=[ACCOUNT], resourceTypes=["EC2"])
    recorder = {
        "name": "estate",
        "roleARN": f"arn:aws:iam::{ACCOUNT}:role/config",
        "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": False},
    }
    config.put_configuration_recorder(ConfigurationRecorder=recorder)
    config.put_delivery_channel(DeliveryChannel={"name": "estate", "s3BucketName": archive})
    config.start_configuration_recorder(ConfigurationRecorderName="estate")


def _network(cloud: Cloud, region: str, number: int) -> str:
    """A closed VPC with three subnets, three groups and a flow log."""
    ec2, block = cloud.client("ec2", region), f"{_NETWORKS[region]}.{number * 16}"
    vpc = str(ec2.create_vpc(CidrBlock=f"{block}.0/24")["Vpc"]["VpcId"])
    for index, zone in enumerate("ab"):
        cidr = f"{block}.{index * 64}/26"
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"{region}{zone}")
    for name in ("api", "peers", "operators"):
        group = ec2.create_security_group(GroupName=f"{name}-{number}", Description=name, VpcId=vpc)["GroupId"]
        close_egress(ec2, group)
        inside = [{"IpProtocol": "tcp", "FromPort": 8443, "ToPort": 8443, "IpRanges": [{"CidrIp": "10.20.0.0/16"}]}]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=inside)
    _empty_default_group(ec2, vpc)
    logs = cloud.client("logs", region)
    logs.create_log_group(logGroupName=f"flows-{number}")
    role = f"arn:aws:iam::{ACCOUNT}:role/flows"
    ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName=f"flows-{number}",
        DeliverLogsPermissionArn=role,
    )
    return vpc


def name_filter(cloud: Cloud, region: str, name: str, *allowed: str) -> str:
    """A rule group of DNS Firewall that allows some names and blocks all others."""
    resolver = cloud.client("route53resolver", region)
    made = resolver.create_firewall_rule_group(CreatorRequestId=name, Name=name)["FirewallRuleGroup"]["Id"]
    block = {"Action": "BLOCK", "BlockResponse": "NXDOMAIN"}
    for priority, (names, action) in enumerate([(list(allowed), {"Action": "ALLOW"}), (["*"], block)]):
        label = f"{name}-{priority}"
        listed = resolver.create_firewall_domain_list(CreatorRequestId=label, Name=label)["FirewallDomainList"]["Id"]
        resolver.update_firewall_domains(FirewallDomainListId=listed, Operation="ADD", Domains=names)
        rule = {"FirewallRuleGroupId": made, "FirewallDomainListId": listed, "Priority": priority, **action}
        resolver.create_firewall_rule(CreatorRequestId=label, Name=label, **rule)
    return str(made)


def filter_names(cloud: Cloud, region: str, vpc: str, group: str, priority: int) -> None:
    asked = {"FirewallRuleGroupId": group, "VpcId": vpc, "Priority": priority, "Name": vpc}
    cloud.client("route53resolver", region).associate_firewall_rule_group(CreatorRequestId=vpc, **asked)


def close_egress(ec2: Any, group: str) -> None:
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)


def _empty_default_group(ec2: Any, vpc: str) -> None:
    wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    for group in ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]:
        if group["IpPermissions"]:
            ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
        close_egress(ec2, group["GroupId"])


def _data(cloud: Cloud, region: str, number: int, key: str) -> None:
    """One of each kind of store and channel, closed."""
    clean_key(cloud, region)
    sqs, sns = cloud.client("sqs", region), cloud.client("sns", region)
    queue = sqs.create_queue(QueueName=f"work-{number}")["QueueUrl"]
    sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    topic = sns.create_topic(Name=f"alarms-{number}")["TopicArn"]
    target = arn("sqs", region, f"work-{number}")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target)
    cloud.client("logs", region).create_log_group(logGroupName=f"app-{number}")
    cloud.client("secretsmanager", region).create_secret(Name=f"secret-{number}", SecretString="x")
    cloud.client("dynamodb", region).create_table(
        TableName=f"table-{number}",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    events = cloud.client("events", region)
    events.put_rule(Name=f"rule-{number}", EventPattern='{"source":["estate"]}')
    events.put_targets(Rule=f"rule-{number}", Targets=[{"Id": "queue", "Arn": target}])
    cloud.client("ec2", region).create_volume(AvailabilityZone=f"{region}a", Size=8, Encrypted=True, KmsKeyId=key)


def _identities(cloud: Cloud, many: int) -> None:
    iam = cloud.client("iam")
    for number in range(many):
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument=document(trust))
        read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::estate-archive-eu-central-1/*"}
        iam.put_role_policy(RoleName=f"role-{number}", PolicyName="read", PolicyDocument=document(read))
        iam.create_policy(PolicyName=f"policy-{number}", PolicyDocument=document(read))


def _names(cloud: Cloud, many: int) -> None:
    route53 = cloud.client("route53")
    zone = route53.create_hosted_zone(Name="ledger.gchain.internal", CallerReference="estate")["HostedZone"]["Id"]
    for number in range(many):
        put_record(route53, zone, f"host-{number}.ledger.gchain.internal", f"10.20.0.{number + 4}")


def put_record(route53: Any, zone: str, name: str, address: str) -> None:
    records = [{"Value": address}]
    record = {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": records}
    change = {"Action": "UPSERT", "ResourceRecordSet": record}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})


def plant(cloud: Cloud) -> Iterator[Leak]:
    """Plants every leak; yields what must be found, which includes what the local cloud cannot make good."""
    yield from _known_limits(cloud)
    yield from _far_away(cloud)
    yield from _stores(cloud)
    yield from _channels(cloud)
    yield from _paths(cloud)
    yield from _people(cloud)


def _known_limits(cloud: Cloud) -> Iterator[Leak]:
    """The user who opened the account: the local cloud has no identity centre."""
    for user in cloud.client("iam").list_users()["Users"]:
        yield "HRD-011", f"User/{user['UserName']}"
        for key in cloud.client("iam").list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]:
            yield "HRD-011", f"AccessKey/{user['UserName']}/...{key['AccessKeyId'][-4:]}"
    # The buckets that every test of this cloud has, one of them abroad.
    yield "HRD-006", "eu-west-3/Bucket/case-near"
    yield "HRD-006", f"{_FAR}/Bucket/case-far"
    yield "RES-001", f"{_FAR}/Bucket/case-far"
    yield "RES-001", f"{_FAR}/BucketVersioning/case-far/BucketVersioning"


def _far_away(cloud: Cloud) -> Iterator[Leak]:
    """Resources in regions where nobody looks."""
    key = clean_key(cloud, _FAR).rpartition("/")[2]
    yield "RES-001", f"{_FAR}/Key/{key}"
    volume = cloud.client("ec2", "us-west-2").create_volume(AvailabilityZone="us-west-2a", Size=8, Encrypted=True)
    yield "RES-001", f"us-west-2/Volume/{volume['VolumeId']}"
    yield "RES-003", f"us-west-2/Volume/{volume['VolumeId']}"
    yield "HRD-001", "ebs/us-west-2"
    copy = cloud.client("ec2", "us-west-2").create_snapshot(
        VolumeId=volume["VolumeId"], Description="[Copied snap-0a1b2c3d from eu-central-1]"
    )["SnapshotId"]
    yield "RES-001", f"us-west-2/Snapshot/{copy}"
    yield "RES-001", f"us-west-2/SnapshotCopy/{copy}/copy"
    yield "RES-018", f"us-west-2/Snapshot/{copy}"
    yield "RES-018", f"us-west-2/SnapshotCopy/{copy}/copy"
    cloud.client("dynamodb", "eu-west-2").create_table(
        TableName="witness",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield "RES-001", "eu-west-2/Table/witness"


def _stores(cloud: Cloud) -> Iterator[Leak]:
    near = "eu-central-1"
    kms = cloud.client("kms", "eu-west-3")
    yield "RES-040", f"eu-west-3/Key/{clean_key(cloud, 'eu-west-3', MultiRegion=True).rpartition('/')[2]}"
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    open_key = kms.create_key(Policy=document(everyone))["KeyMetadata"]["KeyId"]
    yield "RES-042", f"eu-west-3/Key/{open_key}"
    yield "HRD-008", f"eu-west-3/Key/{open_key}"  # it does not rotate either
    key = clean_key(cloud, near)
    clean_bucket(cloud, "estate-replicated", near, key)
    _replicate(cloud.s3(near), "estate-replicated")
    yield "RES-010", f"{near}/BucketReplicationConfig/estate-replicated/BucketReplicationConfig"
    secrets = cloud.client("secretsmanager", near)
    secret = secrets.create_secret(Name="copied", SecretString="x", AddReplicaRegions=[{"Region": _FAR}])["ARN"]
    yield "RES-045", f"{near}/Secret/{secret}"
    yield "RES-045", f"{_FAR}/Secret/{secret.replace(near, _FAR)}"  # where the copy lists itself again
    yield "RES-001", f"{_FAR}/Secret/{secret.replace(near, _FAR)}"
    snapshots = cloud.client("ec2", near)
    volume = snapshots.create_volume(AvailabilityZone=f"{near}a", Size=8, Encrypted=True, KmsKeyId=key)["VolumeId"]
    public = snapshots.create_snapshot(VolumeId=volume)["SnapshotId"]
    snapshots.modify_snapshot_attribute(
        SnapshotId=public, Attribute="createVolumePermission", OperationType="add", GroupNames=["all"]
    )
    yield "RES-020", f"{near}/SnapshotCreateVolumePermission/{public}/all"
    yield "RES-020", f"{near}/SnapshotBlockPublicAccess/state"  # nothing blocks public snapshots where there is one
    yield from _backups(cloud, near, key)
    ecr = cloud.client("ecr", near)
    destinations = [{"region": _FAR, "registryId": ACCOUNT}]
    ecr.put_replication_configuration(replicationConfiguration={"rules": [{"destinations": destinations}]})
    yield "RES-030", f"{near}/ReplicationConfiguration/registry"


def _replicate(s3: Any, bucket: str) -> None:
    rule = {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::case-far"}}
    configuration = {"Role": f"arn:aws:iam::{ACCOUNT}:role/r", "Rules": [rule]}
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=configuration)


def _backups(cloud: Cloud, region: str, key: str) -> Iterator[Leak]:
    backup = cloud.client("backup", region)
    backup.create_backup_vault(BackupVaultName="locked", EncryptionKeyArn=key)
    backup.put_backup_vault_lock_configuration(BackupVaultName="locked", MinRetentionDays=30, ChangeableForDays=3)
    backup.create_backup_vault(BackupVaultName="loose", EncryptionKeyArn=key)
    yield "HRD-013", f"{region}/Vault/loose"
    copies = [{"DestinationBackupVaultArn": arn("backup", _FAR, "backup-vault:copies", _STRANGER)}]
    rule = {"RuleName": "nightly", "TargetBackupVaultName": "locked", "CopyActions": copies}
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "nightly", "Rules": [rule]})["BackupPlanId"]
    yield "RES-028", f"{region}/Plan/{plan}"


def _channels(cloud: Cloud) -> Iterator[Leak]:
    region = "eu-west-3"
    logs, events = cloud.client("logs", region), cloud.client("events", region)
    logs.put_destination(
        destinationName="central",
        targetArn=arn("kinesis", _FAR, "stream/logs"),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/r",
    )
    yield "RES-061", f"{region}/LogDestination/central"
    far_bus = [{"Id": "far", "Arn": arn("events", _FAR, "event-bus/far")}]
    events.put_targets(Rule="rule-0", Targets=far_bus)
    yield "RES-068", f"{region}/EventTarget/default/rule-0/far"
    sns, sqs = cloud.client("sns", region), cloud.client("sqs", region)
    topic = sns.create_topic(Name="to-a-mailbox")["TopicArn"]
    mailbox = sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint="someone@mail.example", ReturnSubscriptionArn=True
    )
    yield "RES-069", f"{region}/TopicSubscription/{topic}/{mailbox['SubscriptionArn'].rpartition(':')[2]}"
    stranger = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{_STRANGER}:root"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }
    shared = sqs.create_queue(QueueName="shared", Attributes={"Policy": document(stranger)})["QueueUrl"]
    yield "RES-069", f"{region}/Queue/{shared}"


def _paths(cloud: Cloud) -> Iterator[Leak]:
    region = "eu-central-1"
    ec2 = cloud.client("ec2", region)
    found = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.20.16.0/24"]}])["Vpcs"]
    vpc = found[0]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    yield "RES-085", f"{region}/InternetGateway/{gateway}"
    site = ec2.create_customer_gateway(Type="ipsec.1", PublicIp="203.0.113.30", BgpAsn=65000)["CustomerGateway"]
    yield "RES-082", f"{region}/CustomerGateway/{site['CustomerGatewayId']}"
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.16.192/26", AvailabilityZone=f"{region}a")["Subnet"]
    ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    yield "HRD-003", f"{region}/Subnet/{subnet['SubnetId']}"
    group = ec2.create_security_group(GroupName="open", Description="open", VpcId=vpc)["GroupId"]
    close_egress(ec2, group)
    anywhere = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=anywhere)
    yield "HRD-004", f"{region}/SecurityGroup/{group}"
    leaky = ec2.create_security_group(GroupName="leaky", Description="leaky", VpcId=vpc)["GroupId"]
    yield "RES-087", f"{region}/SecurityGroup/{leaky}"
    silent = ec2.create_vpc(CidrBlock="10.20.200.0/24")["Vpc"]["VpcId"]
    _empty_default_group(ec2, silent)
    yield "HRD-010", f"{region}/Vpc/{silent}"
    yield "RES-090", f"{region}/Vpc/{silent}"
    far = cloud.client("ec2", _FAR).create_vpc(CidrBlock="10.99.0.0/24")["Vpc"]["VpcId"]
    yield "RES-001", f"{_FAR}/Vpc/{far}"
    yield from _far_vpc(far)
    peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=far, PeerRegion=_FAR)["VpcPeeringConnection"]
    yield "RES-080", f"{region}/VpcPeeringConnection/{peering['VpcPeeringConnectionId']}"
    yield from _open_names(cloud, region)
    resolver = cloud.client("route53resolver", region)
    route53 = cloud.client("route53")
    zone = next(each["Id"] for each in route53.list_hosted_zones()["HostedZones"])
    put_record(route53, zone, "standby.ledger.gchain.internal", "203.0.113.4")
    yield "RES-091", f"Record/{zone.rpartition('/')[2]}/standby.ledger.gchain.internal./A"
    yield from _forwarder(resolver, ec2, vpc, region)


def _open_names(cloud: Cloud, region: str) -> Iterator[Leak]:
    """One VPC may ask for names of a stranger, another fails open."""
    ec2 = cloud.client("ec2", region)
    blocks = ("10.20.32.0/24", "10.20.48.0/24")
    talkative, failing = (
        ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": [block]}])["Vpcs"][0]["VpcId"] for block in blocks
    )
    filter_names(cloud, region, talkative, name_filter(cloud, region, "open", "*.mail.example"), 150)
    yield "RES-090", f"{region}/Vpc/{talkative}"
    changed = {"ResourceId": failing, "FirewallFailOpen": "ENABLED"}
    setting = cloud.client("route53resolver", region).update_firewall_config(**changed)["FirewallConfig"]["Id"]
    yield "RES-090", f"{region}/ResolverFirewallConfig/{setting}"


def _far_vpc(vpc: str) -> Iterator[Leak]:
    """What else is wrong with a network abroad that nobody looks after."""
    yield "RES-090", f"{_FAR}/Vpc/{vpc}"
    yield "HRD-005", f"{_FAR}/Vpc/{vpc}"
    yield "HRD-010", f"{_FAR}/Vpc/{vpc}"


def _forwarder(resolver: Any, ec2: Any, vpc: str, region: str) -> Iterator[Leak]:
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    group = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0]["GroupId"]
    outbound = resolver.create_resolver_endpoint(
        CreatorRequestId="out",
        Name="out",
        Direction="OUTBOUND",
        SecurityGroupIds=[group],
        IpAddresses=[{"SubnetId": each["SubnetId"]} for each in subnets[:2]],
    )["ResolverEndpoint"]["Id"]
    rule = resolver.create_resolver_rule(
        CreatorRequestId="rule",
        Name="abroad",
        RuleType="FORWARD",
        DomainName="agency.example",
        TargetIps=[{"Ip": "203.0.113.53", "Port": 53}],
        ResolverEndpointId=outbound,
    )["ResolverRule"]["Id"]
    yield "RES-090", f"{region}/ResolverRule/{rule}"


def _people(cloud: Cloud) -> Iterator[Leak]:
    iam, ram = cloud.client("iam"), cloud.client("ram")
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{_STRANGER}:root"},
        "Action": "sts:AssumeRole",
    }
    iam.create_role(RoleName="contractor", AssumeRolePolicyDocument=document(trust))
    yield "RES-101", "Role/contractor"
    for name, action, rule in (
        ("prompts", "bedrock:InvokeModel", "RES-070"),
        ("cases", "support:CreateCase", "RES-103"),
        ("all", "*", "HRD-011"),
    ):
        allow = {"Effect": "Allow", "Action": action, "Resource": "*"}
        made = iam.create_policy(PolicyName=f"leak-{name}", PolicyDocument=document(allow))["Policy"]["Arn"]
        yield rule, f"Policy/{made}"
    share = ram.create_resource_share(name="open", allowExternalPrincipals=True, principals=[_STRANGER])
    identifier = share["resourceShare"]["resourceShareArn"]
    yield "RES-100", f"eu-central-1/ResourceShare/{identifier}"
    yield "RES-100", f"eu-central-1/PrincipalAssociation/{identifier}/{_STRANGER}"
