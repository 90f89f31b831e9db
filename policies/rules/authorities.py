"""Authorities: key stores outside KMS and certificate authorities stand in the zone, with all that they publish."""

from __future__ import annotations

from collections.abc import Iterator

from policies.graph import Resource
from policies.places import bucket_faults, endpoint_faults, region_faults
from policies.rule import Context, Rule
from policies.view import UnknownValue, View

RES_043 = Rule("RES-043", remedy="Use a CloudHSM cluster of the zone, or a key proxy behind a VPC endpoint service.")


@RES_043.on("aws:kms/customKeyStore:CustomKeyStore")
def key_store_is_inside(store: View, at: Context) -> Iterator[str]:
    kind = store.text("customKeyStoreType") or "AWS_CLOUDHSM"
    if kind == "EXTERNAL_KEY_STORE":
        yield from _proxy_faults(store, at)
    elif kind == "AWS_CLOUDHSM":
        if not store.required("cloudHsmClusterId").startswith("cluster-"):
            raise UnknownValue("cloudHsmClusterId is not a cluster of CloudHSM")
    else:
        raise UnknownValue(f"customKeyStoreType {kind!r} is none that KMS has")


def _proxy_faults(store: View, at: Context) -> Iterator[str]:
    connectivity = store.required("xksProxyConnectivity")
    if connectivity == "PUBLIC_ENDPOINT":
        yield "the key proxy is reached over the internet (PUBLIC_ENDPOINT)"
    elif connectivity != "VPC_ENDPOINT_SERVICE":
        raise UnknownValue(f"xksProxyConnectivity {connectivity!r} is none that KMS has")
    yield from endpoint_faults(at, store.required("xksProxyUriEndpoint"), "the key proxy")
    service = store.text("xksProxyVpcEndpointServiceName")
    if connectivity == "VPC_ENDPOINT_SERVICE":
        parts = (service or "").split(".")
        # com.amazonaws.vpce.<region>.<service>
        if len(parts) < 5:
            raise UnknownValue(f"xksProxyVpcEndpointServiceName {service!r} names no region")
        yield from region_faults(at, parts[3], "the region of the proxy's endpoint service")


RES_048 = Rule("RES-048", remedy="Run the authority in a zone region; publish its lists under names of the zone.")


@RES_048.located("aws:acmpca/certificateAuthority:CertificateAuthority")
def authority_is_inside(authority: Resource, at: Context) -> Iterator[str]:
    yield from region_faults(at, at.region(authority), "the authority's region")


@RES_048.on("aws:acmpca/certificateAuthority:CertificateAuthority")
def revocation_is_published_inside(authority: View, at: Context) -> Iterator[str]:
    revocation = authority.child("revocationConfiguration")
    if revocation is None:
        return
    if (crl := revocation.child("crlConfiguration")) is not None:
        yield from bucket_faults(at, crl.text("s3BucketName"), "the revocation list")
        yield from endpoint_faults(at, crl.text("customCname"), "the name of the revocation list")
        if crl.flag("enabled") and not crl.text("s3BucketName"):
            raise UnknownValue("the revocation list is enabled and names no bucket")
    if (ocsp := revocation.child("ocspConfiguration")) is not None:
        ocsp.flag("enabled")  # without a name of one's own the responder is the region's own
        yield from endpoint_faults(at, ocsp.text("ocspCustomCname"), "the OCSP name")
