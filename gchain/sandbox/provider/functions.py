"""The provider's functions (invokes) that cost nothing: who calls, where, in which partition."""

from __future__ import annotations

from gchain.errors import CloudError
from gchain.sandbox.provider.configuration import Configuration
from gchain.sandbox.provider.wire import Properties

__all__ = ["invoke"]


def invoke(configured: Configuration, token: str, arguments: Properties) -> Properties:
    """The result of the function `token`.

    Raises:
        CloudError: the sandbox's provider does not know the function.
    """
    match token:
        case "aws:index/getCallerIdentity:getCallerIdentity":
            caller = configured.cloud.caller
            return {
                "accountId": caller["Account"],
                "arn": caller["Arn"],
                "userId": caller["UserId"],
                "id": caller["Account"],
            }
        case "aws:index/getRegion:getRegion":
            region = arguments.get("region") or configured.region
            return {
                "region": region,
                "name": region,
                "id": region,
                "endpoint": f"ec2.{region}.amazonaws.com",
                "description": region,
            }
        case "aws:index/getPartition:getPartition":
            partition = configured.cloud.partition(configured.region)
            return {"partition": partition, "id": partition, "dnsSuffix": _SUFFIXES.get(partition, "amazonaws.com")}
    raise CloudError(
        f"the sandbox's AWS provider does not know the function {token}",
        remedy="add it to gchain/sandbox/provider/functions.py",
    )


_SUFFIXES = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}
