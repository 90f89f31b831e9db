"""`gchain-node tls`: the issuing certificate of the agency's TLS key, and leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from gchain_node.errors import ConfigurationError, VerificationError
from gchain_node.keys import Key, encode_public_key, open_key
from gchain_node.tls import issue_leaf, make_authority, read_authority
from gchain_node.tls_directory import TlsDirectory

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The agency's TLS issuing certificate, and leaves.")

KeyOption = Annotated[str, typer.Option("--key", help="PKCS#11 URI of the TLS issuing key, with pin-source=.")]
MemberOption = Annotated[str, typer.Option(help="The agency.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DirOption = Annotated[Path, typer.Option("--dir", help="Where cert.pem, key.pem and ca.pem are.")]


@app.command()
def ca(
    key: KeyOption,
    member: MemberOption,
    out: Annotated[Path, typer.Option(help="The issuing certificate; kept if it is this key's.")],
    as_json: JsonOption = False,
) -> None:
    """Make the issuing certificate with the token's key, or keep the one that is there."""
    opened = open_key(key)
    created = not _is_authority_of(out, member, opened)
    if created:
        fresh = out.with_name(out.name + ".new")
        fresh.write_bytes(make_authority(opened, member=member, now=datetime.now(UTC)))
        fresh.replace(out)
    expires = read_authority(out.read_bytes(), member).not_valid_after_utc
    report = {"certificate": str(out), "member": member, "created": created, "not_after": expires.isoformat()}
    typer.echo(json.dumps(report) if as_json else f"{out}: {'created' if created else 'present'}, until {expires}")


@app.command()
def issue(
    key: KeyOption,
    member: MemberOption,
    authority: Annotated[Path, typer.Option("--ca", help="The issuing certificate.")],
    directory: DirOption,
    hostname: Annotated[str, typer.Option(help="DNS name of the host.")],
    ip: Annotated[list[str] | None, typer.Option(help="IP address of the host; may be repeated.")] = None,
    hours: Annotated[float, typer.Option(help="How long the leaf is valid; 24 at most.")] = 24,
    renew_before: Annotated[
        float, typer.Option(help="Keep a leaf for the same names that is valid for more than these hours.")
    ] = 16,
    client: Annotated[bool, typer.Option("--client", help="For a client only.")] = False,
    allow_disk: Annotated[bool, typer.Option("--allow-disk", help="Development: write keys to a disk too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Issue a leaf with the token's key into a directory in memory."""
    target = TlsDirectory(directory)
    if not allow_disk:
        target.refuse_disk()
    now, pem = datetime.now(UTC), _read(authority)
    issuer = read_authority(pem, member)
    addresses = ip or []
    issued = not target.covers(hostname, addresses, now + timedelta(hours=renew_before), pem)
    if issued:
        leaf = issue_leaf(
            open_key(key), issuer, hostname=hostname, addresses=addresses, hours=hours, now=now, client=client
        )
        target.write(leaf, pem)
    _report(target, as_json, {"issued": issued})


@app.command()
def expiry(directory: DirOption = Path("/run/gchain/tls"), as_json: JsonOption = False) -> None:
    """When the leaf expires."""
    _report(TlsDirectory(directory), as_json, {})


def _report(target: TlsDirectory, as_json: bool, more: dict[str, object]) -> None:
    leaf = target.leaf()
    if leaf is None:
        raise VerificationError(f"there is no leaf in {target.path}", remedy="issue one with `gchain-node tls issue`")
    left = int((leaf.not_valid_after_utc - datetime.now(UTC)).total_seconds())
    report = more | {
        "directory": str(target.path),
        "not_after": leaf.not_valid_after_utc.isoformat(),
        "seconds_left": left,
    }
    typer.echo(json.dumps(report) if as_json else f"leaf in {target.path} until {report['not_after']}, {left} s left")


def _is_authority_of(path: Path, member: str, key: Key) -> bool:
    if not path.exists():
        return False
    try:
        certificate = read_authority(path.read_bytes(), member)
    except VerificationError as error:
        raise VerificationError(f"{path}: {error}", remedy="move it away if it is not in use") from error
    public = certificate.public_key()
    if public != key.public_key:
        raise VerificationError(
            f"{path} is not the certificate of key {encode_public_key(key.public_key)}",
            remedy="rotate the TLS key, or name the other token",
        )
    return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", remedy="make it with `gchain-node tls ca`") from error
