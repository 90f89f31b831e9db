"""Where a bucket is, asked of the cloud by name."""

from __future__ import annotations

from functools import cache

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["region_of_bucket"]


@cache
def region_of_bucket(name: str, session: boto3.Session | None = None, endpoint: str | None = None) -> str | None:
    """The region of a bucket, or None where the cloud does not say.

    HeadBucket answers with the region even where the caller may not read the bucket (S3 API, "HeadBucket").
    """
    chosen = session or boto3.Session()
    settings = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}, connect_timeout=3, read_timeout=5)
    try:
        answer = chosen.client("s3", endpoint_url=endpoint, config=settings).head_bucket(Bucket=name)
    except ClientError as error:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region")
    except BotoCoreError:
        return None
    else:
        region = answer.get("BucketRegion") or answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
    return region if isinstance(region, str) and region else None
