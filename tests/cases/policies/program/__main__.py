"""A bucket that replicates to another; where the other one lies is configuration."""

import pulumi
import pulumi_aws as aws

config = pulumi.Config("case")
endpoint = config.require("endpoint")
zone = aws.Provider(
    "zone",
    region="eu-central-1",
    allowed_account_ids=[config.require("account")],
    endpoints=[aws.ProviderEndpointArgs(s3=endpoint, sts=endpoint, secretsmanager=endpoint)],
    s3_use_path_style=True,
    default_tags=aws.ProviderDefaultTagsArgs(tags=config.require_object("tags")),
)
here = pulumi.ResourceOptions(provider=zone)
archive = aws.s3.Bucket("archive", bucket="case-archive", opts=here)
versioning = aws.s3.BucketVersioning(
    "archive",
    bucket=archive.bucket,
    versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
    opts=here,
)
aws.s3.BucketReplicationConfig(
    "archive",
    bucket=archive.bucket,
    role=f"arn:aws:iam::{config.require('account')}:role/replication",
    rules=[
        aws.s3.BucketReplicationConfigRuleArgs(
            status="Enabled",
            destination=aws.s3.BucketReplicationConfigRuleDestinationArgs(
                bucket=f"arn:aws:s3:::{config.require('destination')}"
            ),
        )
    ],
    opts=pulumi.ResourceOptions(provider=zone, depends_on=[versioning]),
)
