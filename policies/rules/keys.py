"""Keys: what decrypts zone data exists, works and is backed up in the zone only."""

from __future__ import annotations

from collections.abc import Iterator

from policies.documents import Statement, statements
from policies.graph import Resource
from policies.outcomes import Stage
from policies.places import account_faults, arn_faults, copy_faults, kms_faults, region_faults
from policies.principals import account_of, principal_faults
from policies.rule import Context, NotJudged, Rule, Verdict
from policies.view import View

RES_040 = Rule("RES-040", remedy="Create a new single-Region key (multiRegion cannot be changed) in each zone region.")


@RES_040.on("aws:kms/key:Key", "aws:kms/externalKey:ExternalKey")
def key_is_single_region(key: View, at: Context) -> Iterator[str]:
    if key.flag("multiRegion"):
        yield "multiRegion is true"


RES_041 = Rule("RES-041", remedy="Schedule the replica key for deletion and give each zone region a key of its own.")


@RES_041.located("aws:kms/replicaKey:ReplicaKey", "aws:kms/replicaExternalKey:ReplicaExternalKey")
def replica_is_in_the_zone(replica: Resource, at: Context) -> Iterator[str]:
    yield from region_faults(at, at.region(replica), "the replica's region")
    yield from arn_faults(at, at.view(replica).required("primaryKeyArn"), "primaryKeyArn")


RES_042 = Rule(
    "RES-042",
    remedy="Name roles of zone accounts as principals; limit services by kms:ViaService, aws:SourceAccount or "
    "aws:PrincipalOrgID.",
)


@RES_042.on(
    "aws:kms/key:Key",
    "aws:kms/externalKey:ExternalKey",
    "aws:kms/replicaKey:ReplicaKey",
    "aws:kms/replicaExternalKey:ReplicaExternalKey",
    "aws:kms/keyPolicy:KeyPolicy",
)
def key_policy_names_the_zone_only(key: View, at: Context) -> Iterator[str]:
    policy = key.value("policy")
    if policy is None:
        # Unset, the policy is AWS's default or another resource's: the default names the own account's root alone.
        return
    for statement in statements(policy, "policy"):
        if statement.allows:
            yield from principal_faults(statement, at, _limited_to_the_zone)
            for kind, name in statement.principals:
                if kind == "Service" and name != "*":
                    yield from _service_faults(name, at)
            yield from _via_faults(statement, at)


def _limited_to_the_zone(statement: Statement, at: Context) -> bool:
    organizations = statement.condition("aws:PrincipalOrgID", "StringEquals")
    callers = statement.condition("kms:CallerAccount", "StringEquals") or statement.condition(
        "aws:PrincipalAccount", "StringEquals"
    )
    return organizations == (at.zone.organization_id,) or (
        callers is not None and all(map(at.zone.has_account, callers))
    )


def _service_faults(name: str, at: Context) -> Iterator[str]:
    parts = name.split(".")
    if len(parts) > 3:
        yield from region_faults(at, parts[1], f"the service {name}")


def _via_faults(statement: Statement, at: Context) -> Iterator[str]:
    for service in statement.condition("kms:ViaService") or ():
        parts = service.split(".")
        if len(parts) > 2:
            yield from region_faults(at, parts[1], "kms:ViaService")


@RES_042.on("aws:kms/grant:Grant")
def grants_name_the_zone_only(grant: View, at: Context) -> Iterator[str]:
    principal = grant.required("granteePrincipal")
    retiring = grant.text("retiringPrincipal")
    for name in filter(None, (principal, retiring)):
        if name.endswith(".amazonaws.com"):
            yield from _service_faults(name, at)
        else:
            yield from account_faults(at, account_of(name), "a grant's principal")


RES_044 = Rule(
    "RES-044",
    remedy="Run clusters in zone subnets, delete foreign backups, and deny cloudhsm:CopyBackupToRegion by a service "
    "control policy.",
)
_CLUSTER = "aws:cloudhsmv2/cluster:Cluster"
_POLICY = "aws:organizations/policy:Policy"


@RES_044.located(_CLUSTER, "aws:cloudhsmv2/hsm:Hsm")
def hsm_stands_in_the_zone(hsm: Resource, at: Context) -> Iterator[str]:
    yield from region_faults(at, at.region(hsm), "the region of the HSM")
    view = at.view(hsm)
    if hsm.type == _CLUSTER:
        if backup := view.text("sourceBackupIdentifier"):
            yield f"the cluster was restored from backup {backup}, whose origin must be shown"
    elif (site := view.text("availabilityZone")) and site not in at.zone.availability_zones:
        yield f"{site} is not an Availability Zone of zone {at.zone.name}"


@RES_044.whole(Stage.PLAN, Stage.STATE, Stage.LIVE)
def copying_a_backup_is_denied(at: Context) -> Iterator[Verdict]:
    for policy in at.graph.of_type(_POLICY):
        document = statements(at.view(policy).value("content"), "content")
        if any(s.denies and s.covers("cloudhsm:CopyBackupToRegion") for s in document):
            yield Verdict(policy.id, [])
            return
    # The policy lies in the organization's account: other accounts' graphs do not hold it.
    if list(at.graph.of_type(_POLICY)):
        yield Verdict("organization", ["no service control policy denies cloudhsm:CopyBackupToRegion"])


@RES_044.whole(Stage.LIVE)
def backups_stay_in_the_zone(at: Context) -> Iterator[Verdict]:
    backups = at.facts.need("live").need("cloudhsmv2").children("backups")
    for backup in backups:
        faults = [*region_faults(at, backup.required("region"), "the backup's region")]
        faults += region_faults(at, backup.text("source_region"), "the backup's source region")
        yield Verdict(f"cloudhsm/{backup.required('id')}", faults)


RES_045 = Rule("RES-045", remedy="Remove the replica, or keep it in a zone region under a key of that region.")


@RES_045.on("aws:secretsmanager/secret:Secret")
def replicas_stay_in_the_zone(secret: View, at: Context) -> Iterator[str]:
    for replica in secret.children("replicas"):
        yield from copy_faults(at, replica.required("region"), replica, "kmsKeyId", "a replica")


RES_046 = Rule("RES-046", remedy="Name a customer-managed KMS key of a zone account in the resource's own region.")

_KEY_PROPERTY = {
    "aws:ebs/volume:Volume": "kmsKeyId",
    "aws:ebs/snapshotCopy:SnapshotCopy": "kmsKeyId",
    "aws:ec2/amiCopy:AmiCopy": "kmsKeyId",
    "aws:efs/fileSystem:FileSystem": "kmsKeyId",
    "aws:rds/instance:Instance": "kmsKeyId",
    "aws:rds/cluster:Cluster": "kmsKeyId",
    "aws:docdb/cluster:Cluster": "kmsKeyId",
    "aws:neptune/cluster:Cluster": "kmsKeyArn",
    "aws:redshift/cluster:Cluster": "kmsKeyId",
    "aws:dsql/cluster:Cluster": "kmsEncryptionKey",
    "aws:elasticache/replicationGroup:ReplicationGroup": "kmsKeyId",
    "aws:memorydb/cluster:Cluster": "kmsKeyArn",
    "aws:kinesis/stream:Stream": "kmsKeyId",
    "aws:sns/topic:Topic": "kmsMasterKeyId",
    "aws:sqs/queue:Queue": "kmsMasterKeyId",
    "aws:secretsmanager/secret:Secret": "kmsKeyId",
    "aws:backup/vault:Vault": "kmsKeyArn",
    "aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
    "aws:cloudtrail/trail:Trail": "kmsKeyId",
    "aws:cloudtrail/eventDataStore:EventDataStore": "kmsKeyId",
    "aws:lambda/function:Function": "kmsKeyArn",
    "aws:ssm/parameter:Parameter": "keyId",
}
_NESTED_KEY = {
    "aws:dynamodb/table:Table": ("serverSideEncryption", "kmsKeyArn"),
    "aws:opensearch/domain:Domain": ("encryptAtRest", "kmsKeyId"),
    "aws:msk/cluster:Cluster": ("encryptionInfo", "encryptionAtRestKmsKeyArn"),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": ("serverSideEncryption", "keyArn"),
}


@RES_046.located(*_KEY_PROPERTY)
def data_has_a_zone_key(resource: Resource, at: Context) -> Iterator[str]:
    name = _KEY_PROPERTY[resource.type]
    view = at.view(resource)
    if resource.type == "aws:ssm/parameter:Parameter" and view.text("type") != "SecureString":
        raise NotJudged
    yield from _key_faults(view, name, resource, at)


@RES_046.located(*_NESTED_KEY)
def nested_data_has_a_zone_key(resource: Resource, at: Context) -> Iterator[str]:
    parent, name = _NESTED_KEY[resource.type]
    encryption = at.view(resource).child(parent)
    if encryption is None:
        yield f"{parent} is not set: data is under a key that AWS owns"
    else:
        yield from _key_faults(encryption, name, resource, at)


@RES_046.located("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
def bucket_has_a_zone_key(resource: Resource, at: Context) -> Iterator[str]:
    rules = list(at.view(resource).children("rules"))
    if not rules:
        yield "the bucket has no encryption rule"
    for rule in rules:
        by_default = rule.child("applyServerSideEncryptionByDefault")
        if by_default is None:
            yield "an encryption rule names no key"
        else:
            yield from _key_faults(by_default, "kmsMasterKeyId", resource, at)


@RES_046.located("aws:ec2/instance:Instance")
def instance_volumes_have_a_zone_key(resource: Resource, at: Context) -> Iterator[str]:
    view = at.view(resource)
    root = view.child("rootBlockDevice")
    if root is None:
        yield "rootBlockDevice is not set: the root volume follows the image"
    else:
        yield from _key_faults(root, "kmsKeyId", resource, at)
    for device in view.children("ebsBlockDevices"):
        yield from _key_faults(device, "kmsKeyId", resource, at)


@RES_046.located("aws:ec2/launchTemplate:LaunchTemplate")
def template_volumes_have_a_zone_key(resource: Resource, at: Context) -> Iterator[str]:
    for mapping in at.view(resource).children("blockDeviceMappings"):
        if (ebs := mapping.child("ebs")) is not None:
            yield from _key_faults(ebs, "kmsKeyId", resource, at)


@RES_046.located("aws:ecr/repository:Repository")
def repository_has_a_zone_key(resource: Resource, at: Context) -> Iterator[str]:
    configurations = list(at.view(resource).children("encryptionConfigurations"))
    if not configurations:
        yield "encryptionConfigurations is not set: images are under a key that AWS owns"
    for configuration in configurations:
        yield from _key_faults(configuration, "kmsKey", resource, at)


def _key_faults(view: View, name: str, resource: Resource, at: Context) -> Iterator[str]:
    key = view.text(name)
    if not key:
        yield f"{name} is not set: data is under a key that AWS manages"
    else:
        yield from kms_faults(at, key, name, region=at.region(resource))
