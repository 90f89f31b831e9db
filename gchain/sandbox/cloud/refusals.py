"""Refusals in the words and format of the service that was called, so that SDKs raise their usual error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from gchain.sandbox.cloud.requests import Call

__all__ = ["Refusal", "access_denied", "unknown_key"]

Refusal = Callable[[dict[str, Any], Any], Iterable[bytes]]

_EC2 = '<?xml version="1.0"?><Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors></Response>'
_S3 = '<?xml version="1.0"?><Error><Code>{}</Code><Message>{}</Message></Error>'
_QUERY = (
    '<?xml version="1.0"?><ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>'
    "<RequestId>0</RequestId></ErrorResponse>"
)
_XML = {"ec2": _EC2, "s3": _S3, "": _S3}


def unknown_key(call: Call) -> Refusal:
    """The cloud did not issue this access key."""
    code = {"s3": "InvalidAccessKeyId", "ec2": "AuthFailure", "": "InvalidAccessKeyId"}.get(
        call.service, "InvalidClientTokenId"
    )
    return _refusal(call, code, "The AWS access key id you provided does not exist in our records.")


def access_denied(call: Call, reason: str) -> Refusal:
    """The key is known, and may not do this."""
    return _refusal(call, "AccessDenied", reason)


def _refusal(call: Call, code: str, message: str) -> Refusal:
    form = call.service in ("iam", "sts", "sns", "sqs", "cloudformation", "monitoring", "route53")
    template = _XML.get(call.service) or (_QUERY if form else None)
    if template is not None:
        body, kind = template.format(escape(code), escape(message)), "text/xml"
    else:
        code = "UnrecognizedClientException" if code == "InvalidClientTokenId" else "AccessDeniedException"
        body, kind = json.dumps({"__type": code, "message": message}), "application/x-amz-json-1.1"

    def answer(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        payload = b"" if call.method == "HEAD" else body.encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(payload))), ("x-amzn-errortype", code)]
        start_response("403 Forbidden", headers)
        return [payload]

    return answer
