"""S3 buckets, and the settings of a bucket that are one document each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gchain.sandbox.provider.cloud import Operation, RefusedError
from gchain.sandbox.provider.schema import Change, Input, ResourceType, covers, same_document
from gchain.sandbox.provider.services.ec2 import tag_list
from gchain.sandbox.provider.wire import Properties

__all__ = ["TYPES", "BucketSetting"]

_NO_BUCKET = "NoSuchBucket"


class Bucket(ResourceType):
    type_name = "aws:s3/bucket:Bucket"
    taggable = True
    inputs = (
        Input("bucket", replace=True, autoname=True),
        Input("objectLockEnabled", default=False, replace=True),
        Input("forceDestroy", default=False, write_only=True),
    )
    outputs = ("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName")

    def create(self, op: Operation, new: Properties) -> str:
        # us-east-1 is the one region that must not be named.
        place = {"LocationConstraint": op.region} if op.region != "us-east-1" else None
        op.call(
            "s3.create_bucket",
            Bucket=new["bucket"],
            CreateBucketConfiguration=place,
            ObjectLockEnabledForBucket=new["objectLockEnabled"] or None,
        )
        return str(new["bucket"])

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if new["tagsAll"]:
            self.retag(op, identity, {}, new["tagsAll"], [])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        """Only `forceDestroy` can change, and a delete reads it from the state."""

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        place = op.find("s3.get_bucket_location", _NO_BUCKET, Bucket=identity)
        if place is None:
            return None
        region = place.get("LocationConstraint") or "us-east-1"
        lock = op.find("s3.get_object_lock_configuration", "ObjectLockConfigurationNotFoundError", Bucket=identity)
        tagged = op.find("s3.get_bucket_tagging", "NoSuchTagSet", Bucket=identity) or {}
        return {
            "bucket": identity,
            "arn": op.arn("s3", identity, account="", region=""),
            "bucketRegion": region,
            "bucketDomainName": f"{identity}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{identity}.s3.{region}.amazonaws.com",
            "objectLockEnabled": bool(lock),
            "tags": {tag["Key"]: tag["Value"] for tag in tagged.get("TagSet", [])},
        }

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        if tags:
            op.call("s3.put_bucket_tagging", Bucket=identity, Tagging={"TagSet": tag_list(tags)})
        else:
            op.call("s3.delete_bucket_tagging", Bucket=identity)

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if state.get("forceDestroy"):
            _empty(op, identity)
        op.find("s3.delete_bucket", _NO_BUCKET, Bucket=identity)


def _empty(op: Operation, bucket: str) -> None:
    """Deletes every version; a locked one is refused by the cloud."""
    while listed := op.find("s3.list_object_versions", _NO_BUCKET, Bucket=bucket):
        versions = [*(listed.get("Versions") or []), *(listed.get("DeleteMarkers") or [])]
        if not versions:
            return
        for version in versions:
            op.call("s3.delete_object", Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


class BucketSetting(ResourceType):
    """One document of a bucket, put and fetched as a whole; its id is the bucket's name.

    `setting` is the name in the API (`put_bucket_<setting>`); `absent` the error code when the bucket has none.
    """

    setting: ClassVar[str]
    absent: ClassVar[str]

    def create(self, op: Operation, new: Properties) -> str:
        self.put(op, new["bucket"], new)
        return str(new["bucket"])

    def update(self, op: Operation, identity: str, change: Change) -> None:
        self.put(op, identity, change.now)

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find(f"s3.get_{self.setting}", (_NO_BUCKET, self.absent), Bucket=identity)
        live = self.live(answer) if answer is not None else None
        return {"bucket": identity, **live} if live is not None else None

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find(f"s3.delete_{self.setting}", (_NO_BUCKET, self.absent), Bucket=identity)

    def put(self, op: Operation, bucket: str, new: Properties) -> None:
        op.call(f"s3.put_{self.setting}", Bucket=bucket, **self.document(new))

    def document(self, new: Properties) -> Properties:
        """The parameters of the put call besides the bucket."""
        raise NotImplementedError

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        """The inputs as the answer of the get call has them; `None` when it holds no setting."""
        raise NotImplementedError


class BucketVersioning(BucketSetting):
    type_name = "aws:s3/bucketVersioning:BucketVersioning"
    setting, absent = "bucket_versioning", "-"
    inputs = (
        Input("bucket", required=True, replace=True),
        Input(
            "versioningConfiguration",
            required=True,
            equal=covers,
            fields=(Input("status", required=True), Input("mfaDelete")),
        ),
    )

    def document(self, new: Properties) -> Properties:
        given = new["versioningConfiguration"]
        names = {"status": "Status", "mfaDelete": "MFADelete"}
        return {"VersioningConfiguration": {names[key]: value for key, value in given.items()}}

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        if not answer.get("Status"):
            return None
        return {"versioningConfiguration": {"status": answer["Status"], "mfaDelete": answer.get("MFADelete")}}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        """Versioning cannot be taken away, only suspended, and not on a bucket with object lock."""
        try:
            op.find(
                "s3.put_bucket_versioning",
                _NO_BUCKET,
                Bucket=identity,
                VersioningConfiguration={"Status": "Suspended"},
            )
        except RefusedError as error:
            if error.code != "InvalidBucketState":
                raise


class BucketServerSideEncryptionConfiguration(BucketSetting):
    type_name = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    setting, absent = "bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"
    _DEFAULT = (Input("sseAlgorithm", required=True), Input("kmsMasterKeyId"))
    inputs = (
        Input("bucket", required=True, replace=True),
        Input(
            "rules",
            required=True,
            equal=covers,
            fields=(Input("applyServerSideEncryptionByDefault", fields=_DEFAULT), Input("bucketKeyEnabled")),
        ),
    )

    def document(self, new: Properties) -> Properties:
        return {"ServerSideEncryptionConfiguration": {"Rules": [self._rule(rule) for rule in new["rules"]]}}

    @staticmethod
    def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
        given = rule.get("applyServerSideEncryptionByDefault") or {}
        default = {"SSEAlgorithm": given.get("sseAlgorithm"), "KMSMasterKeyID": given.get("kmsMasterKeyId")}
        chosen = {key: value for key, value in default.items() if value}
        result: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": chosen} if chosen else {}
        return result | {"BucketKeyEnabled": bool(rule.get("bucketKeyEnabled"))}

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        rules = []
        for rule in answer["ServerSideEncryptionConfiguration"]["Rules"]:
            default = rule.get("ApplyServerSideEncryptionByDefault") or {}
            shown = {"sseAlgorithm": default.get("SSEAlgorithm"), "kmsMasterKeyId": default.get("KMSMasterKeyID")}
            rules.append(
                {
                    "applyServerSideEncryptionByDefault": {key: value for key, value in shown.items() if value},
                    "bucketKeyEnabled": bool(rule.get("BucketKeyEnabled")),
                }
            )
        return {"rules": rules}


_SWITCHES = tuple(
    Input(name, default=False)
    for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
)
_NO_BLOCK = "NoSuchPublicAccessBlockConfiguration"


def _switched(new: Properties) -> Properties:
    return {"PublicAccessBlockConfiguration": {item.api: bool(new[item.name]) for item in _SWITCHES}}


def _switches(answer: Mapping[str, Any]) -> Properties:
    shown = answer["PublicAccessBlockConfiguration"]
    return {item.name: bool(shown.get(item.api)) for item in _SWITCHES}


class BucketPublicAccessBlock(BucketSetting):
    type_name = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    setting, absent = "public_access_block", _NO_BLOCK
    inputs = (
        Input("bucket", required=True, replace=True),
        *_SWITCHES,
        Input("skipDestroy", write_only=True),
    )

    def document(self, new: Properties) -> Properties:
        return _switched(new)

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        return _switches(answer)

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            super().delete(op, identity, state)


class AccountPublicAccessBlock(ResourceType):
    """The same switches for every bucket of an account, in all regions at once."""

    type_name = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
    regional = False
    inputs = (Input("accountId", replace=True, computed=True), *_SWITCHES)

    def create(self, op: Operation, new: Properties) -> str:
        account = str(new.get("accountId") or op.account)
        op.call("s3control.put_public_access_block", AccountId=account, **_switched(new))
        return account

    def update(self, op: Operation, identity: str, change: Change) -> None:
        op.call("s3control.put_public_access_block", AccountId=identity, **_switched(change.now))

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        answer = op.find("s3control.get_public_access_block", _NO_BLOCK, AccountId=identity)
        return None if answer is None else {"accountId": identity, **_switches(answer)}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("s3control.delete_public_access_block", _NO_BLOCK, AccountId=identity)


class BucketOwnershipControls(BucketSetting):
    type_name = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    setting, absent = "bucket_ownership_controls", "OwnershipControlsNotFoundError"
    inputs = (
        Input("bucket", required=True, replace=True),
        Input("rule", required=True, fields=(Input("objectOwnership", required=True),)),
    )

    def document(self, new: Properties) -> Properties:
        return {"OwnershipControls": {"Rules": [{"ObjectOwnership": new["rule"]["objectOwnership"]}]}}

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        return {"rule": {"objectOwnership": answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"]}}


class BucketPolicy(BucketSetting):
    type_name = "aws:s3/bucketPolicy:BucketPolicy"
    setting, absent = "bucket_policy", "NoSuchBucketPolicy"
    inputs = (
        Input("bucket", required=True, replace=True),
        Input("policy", required=True, equal=same_document),
    )

    def document(self, new: Properties) -> Properties:
        return {"Policy": new["policy"]}

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        return {"policy": answer["Policy"]}


class BucketLogging(BucketSetting):
    type_name = "aws:s3/bucketLogging:BucketLogging"
    setting, absent = "bucket_logging", "-"
    inputs = (
        Input("bucket", required=True, replace=True),
        Input("targetBucket", required=True),
        Input("targetPrefix", required=True),
    )

    def document(self, new: Properties) -> Properties:
        enabled = {"TargetBucket": new["targetBucket"], "TargetPrefix": new["targetPrefix"]}
        return {"BucketLoggingStatus": {"LoggingEnabled": enabled}}

    def live(self, answer: Mapping[str, Any]) -> Properties | None:
        enabled = answer.get("LoggingEnabled")
        if not enabled:
            return None
        return {"targetBucket": enabled["TargetBucket"], "targetPrefix": enabled.get("TargetPrefix", "")}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        op.find("s3.put_bucket_logging", _NO_BUCKET, Bucket=identity, BucketLoggingStatus={})


TYPES = (
    Bucket(),
    BucketVersioning(),
    BucketServerSideEncryptionConfiguration(),
    BucketPublicAccessBlock(),
    AccountPublicAccessBlock(),
    BucketOwnershipControls(),
    BucketPolicy(),
    BucketLogging(),
)
