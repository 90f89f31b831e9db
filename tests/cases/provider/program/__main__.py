"""A small network with a host: enough kinds to see every operation of the provider under the real engine."""

import json

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
endpoint = config.require("endpoint")
services = dict.fromkeys(("ec2", "iam", "kms", "s3", "sts"), endpoint)
cloud = aws.Provider(
    "cloud",
    region="us-gov-west-1",
    endpoints=[services],
    allowed_account_ids=["123456789012"],
    default_tags=aws.ProviderDefaultTagsArgs(tags={"gchain:member": "treasury"}),
)
here = pulumi.ResourceOptions(provider=cloud)

key = aws.kms.Key("data", description=config.require("description"), deletion_window_in_days=7, opts=here)
vpc = aws.ec2.Vpc("network", cidr_block="10.7.0.0/16", enable_dns_hostnames=True, opts=here)
subnet = aws.ec2.Subnet(
    "hosts", vpc_id=vpc.id, cidr_block=config.require("subnet_cidr"), availability_zone="us-gov-west-1a", opts=here
)
group = aws.ec2.SecurityGroup("hosts", vpc_id=vpc.id, description="hosts", opts=here)
aws.vpc.SecurityGroupIngressRule(
    "api", security_group_id=group.id, ip_protocol="tcp", from_port=443, to_port=443, cidr_ipv4="10.7.0.0/16", opts=here
)
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
role = aws.iam.Role("host", assume_role_policy=json.dumps(trust), opts=here)
profile = aws.iam.InstanceProfile("host", role=role.name, opts=here)
host = aws.ec2.Instance(
    "host",
    ami="ami-0123456789abcdef0",
    instance_type="m6i.large",
    subnet_id=subnet.id,
    vpc_security_group_ids=[group.id],
    iam_instance_profile=profile.name,
    root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(encrypted=True, kms_key_id=key.arn),
    tags={"Name": "host"},
    opts=here,
)
bucket = aws.s3.Bucket("evidence", object_lock_enabled=True, opts=here)
aws.s3.BucketPublicAccessBlock("evidence", bucket=bucket.bucket, block_public_acls=True, opts=here)

pulumi.export("vpc", vpc.arn)
pulumi.export("vpc_id", vpc.id)
pulumi.export("host", host.private_ip)
