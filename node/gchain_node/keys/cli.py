"""`gchain-node keys`: tokens and the keys in them."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Annotated, Any

import typer

from gchain_node.errors import ConfigurationError, KeyAccessError
from gchain_node.keys.pin import ensure_pin, pin_source
from gchain_node.keys.provider import open_key
from gchain_node.keys.public import cometbft_address, encode_public_key
from gchain_node.keys.softhsm import SoftHsmStore
from gchain_node.keys.uri import DEFAULT_MODULE, Pkcs11Uri

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Tokens and the keys in them.")

UriOption = Annotated[str, typer.Option("--uri", help="PKCS#11 URI with token=, object= and pin-source=file:PATH.")]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="SoftHSM store to use; without it SOFTHSM2_CONF, or another vendor's module."),
]
UserOption = Annotated[
    str | None,
    typer.Option("--user", help="Become this user once the PIN is read, so that the token's files are its own."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("token-init")
def token_init(
    label: Annotated[str, typer.Option(help="Name of the token: validator, member, officer.")],
    pin_file: Annotated[Path, typer.Option(help="User PIN; made (0600) if the file is missing.")],
    so_pin_file: Annotated[Path, typer.Option(help="Security officer PIN; made (0600) if the file is missing.")],
    module: Annotated[str, typer.Option(help="PKCS#11 module.")] = DEFAULT_MODULE,
    store: StoreOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Initialise a token with random PINs; one that is there and takes the PIN is left as it is."""
    from gchain_node.keys.token import init_token

    so_pin, pin = ensure_pin(so_pin_file, create=True), ensure_pin(pin_file, create=True)
    _become(user, store)
    _enter(store, create=True)
    report = init_token(Pkcs11Uri(token=label, module_path=module), lambda: so_pin, lambda: pin)
    _print(report, as_json, f"token {label} serial {report['serial']}: {'created' if report['created'] else 'present'}")


@app.command()
def generate(
    uri: UriOption,
    key_type: Annotated[str, typer.Option("--type", help="p256, ed25519 or secp256k1.")],
    registered: Annotated[str | None, typer.Option(help="The public key that is registered (base64url DER).")] = None,
    store: StoreOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key inside the token, or use the one that is there if it is the registered one."""
    from gchain_node.keys import token

    kind = token.as_key_type(key_type)
    parsed, pin = _prepare(uri, store, user)
    report = token.generate(parsed, lambda: pin, kind, registered)
    line = f"key {report['label']} ({key_type}) {report['public_key']}: {'created' if report['created'] else 'present'}"
    _print(report, as_json, line)


@app.command("list")
def list_keys(uri: UriOption, store: StoreOption = None, user: UserOption = None, as_json: JsonOption = False) -> None:
    """The private keys in a token."""
    from gchain_node.keys import token

    parsed, pin = _prepare(uri, store, user)
    report = token.list_keys(parsed, lambda: pin)
    lines = [f"{row['label']:<20} {row['key_type']:<10} id={row['id']} kid={row['kid'][:16]}" for row in report]
    _print(report, as_json, "\n".join(lines) or "no private keys")


@app.command()
def attributes(uri: UriOption, store: StoreOption = None, user: UserOption = None, as_json: JsonOption = False) -> None:
    """The attributes of a key: the evidence that it cannot leave its token."""
    from gchain_node.keys import token

    parsed, pin = _prepare(uri, store, user)
    report = token.attributes(parsed, lambda: pin)
    _print(report, as_json, "\n".join(f"{name:<18} {value}" for name, value in report.items()))


@app.command()
def probe(
    uri: UriOption,
    require: Annotated[list[str] | None, typer.Option(help="Key type that must work; may be repeated.")] = None,
    store: StoreOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the HSM can do: its mechanisms and a trial key of each type. Fails if a required type does not work."""
    from gchain_node.keys import token

    parsed, pin = _prepare(uri, store, user)
    table = token.probe(parsed, lambda: pin)
    lines = [f"{'key type':<12}{'listed':<8}{'works':<7}trial"]
    lines += [f"{row.key_type:<12}{_yes(row.listed):<8}{_yes(row.works):<7}{row.trial}" for row in table]
    _print(token.rows(table), as_json, "\n".join(lines))
    missing = sorted(set(require or []) - {row.key_type for row in table if row.works})
    if missing:
        raise KeyAccessError(
            f"this HSM cannot do {', '.join(missing)}",
            remedy="choose the other validator_key_type in consortium.yaml, or another HSM",
        )


@app.command()
def public(uri: UriOption, store: StoreOption = None, user: UserOption = None, as_json: JsonOption = False) -> None:
    """The public half of a key."""
    parsed, pin = _prepare(uri, store, user)
    key = open_key(str(parsed), pin=pin)
    report = {"algorithm": key.algorithm, "public_key": encode_public_key(key.public_key), "kid": key.kid.hex()}
    if key.algorithm != "ES256":
        report["address"] = cometbft_address(key.public_key).hex().upper()
    _print(report, as_json, report["public_key"])


@app.command("prove")
def prove_possession(
    uri: UriOption,
    consortium: Annotated[str, typer.Option(help="Name of the consortium.")],
    member: Annotated[str, typer.Option(help="The agency whose key it is.")],
    purpose: Annotated[str, typer.Option(help="validator, member, receipt or officer/NAME.")],
    store: StoreOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that the token holds a key: what registers it on the ledger, with its attributes as evidence."""
    from gchain_node.keys import token
    from gchain_node.keys.possession import prove

    parsed, pin = _prepare(uri, store, user)
    evidence = token.attributes(parsed, lambda: pin)
    key = open_key(str(parsed), pin=pin)
    pop = prove(key, consortium=consortium, member=member, purpose=purpose)
    report = {"purpose": purpose, "public_key": encode_public_key(key.public_key), "pop": pop, "attributes": evidence}
    if key.algorithm != "ES256":
        report["address"] = cometbft_address(key.public_key).hex()
    _print(report, as_json, f"{report['public_key']} {pop}")


@app.command()
def destroy(
    uri: UriOption,
    public_key: Annotated[str, typer.Option(help="Public key (base64url DER) of the key that must go.")],
    store: StoreOption = None,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy a replaced key in its token, for good; one that is gone already is no error, another one is."""
    from gchain_node.keys import token

    parsed, pin = _prepare(uri, store, user)
    report = token.destroy(parsed, lambda: pin, public_key)
    _print(report, as_json, f"key {parsed.object}: {'destroyed' if report['destroyed'] else 'was not there'}")


def _prepare(uri: str, store: Path | None, user: str | None) -> tuple[Pkcs11Uri, str]:
    """The URI, and the PIN read while we may still read it."""
    parsed = Pkcs11Uri.parse(uri)
    pin = pin_source(parsed)()
    _become(user, None)
    _enter(store, create=False)
    return parsed, pin


def _enter(store: Path | None, *, create: bool) -> None:
    if store is None:
        return
    softhsm = SoftHsmStore(store)
    if create:
        softhsm.create()
    elif not softhsm.configuration.exists():
        raise KeyAccessError(
            f"there is no SoftHSM store at {store}", remedy="make it with `gchain-node keys token-init`"
        )
    softhsm.enter()


def _become(user: str | None, store: Path | None) -> None:
    """Drop to `user` for good; a store that has yet to be made gets a directory of theirs first."""
    if user is None:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigurationError(f"there is no user {user!r} on this host") from None
    if os.geteuid() == entry.pw_uid:
        return
    try:
        if store is not None and not store.exists():
            store.mkdir(mode=0o700, parents=True)
            os.chown(store, entry.pw_uid, entry.pw_gid)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except PermissionError:
        raise ConfigurationError(f"only root or {user} may run this with --user {user}") from None


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _print(report: Any, as_json: bool, text: str) -> None:
    typer.echo(json.dumps(report, indent=2, sort_keys=True) if as_json else text)
