"""`node.toml`: where the node's state, engine, keys and listeners are. The file's shape is in docs/interfaces.md."""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gchain_node.errors import ConfigurationError, VerificationError
from gchain_node.tlog.note import COSIGNATURE, VerifierKey

__all__ = [
    "ALL_READS",
    "ARCHIVE",
    "BLOCKS",
    "COSIGNED",
    "DATABASE",
    "REPORTS",
    "SNAPSHOTS",
    "AbciConfig",
    "EngineConfig",
    "HttpConfig",
    "KeysConfig",
    "Listen",
    "LogConfig",
    "NodeConfig",
    "ReadGroup",
    "SignerSection",
    "SnapshotsConfig",
    "StorageConfig",
    "load_config",
    "parse_listen",
]


ReadGroup = Literal["status", "state", "blocks", "receipts", "events", "log", "export"]
ALL_READS: Final[tuple[ReadGroup, ...]] = get_args(ReadGroup)
DATABASE: Final = "state.db"  # in the node's home
ARCHIVE: Final = "archive.db"  # likewise
BLOCKS: Final = "blocks.db"  # likewise, where the embedded engine runs
_LEAST_RETENTION: Final = 10
SNAPSHOTS: Final = "snapshots"  # likewise
REPORTS: Final = "reports"  # anchored ones, by their SHA-256
COSIGNED: Final = "cosigned-checkpoint"  # likewise


class Listen(NamedTuple):
    """An address to listen at: a host's own IP address and a TCP port."""

    host: str
    port: int


def parse_listen(text: str) -> Listen:
    """`0.0.0.0:8443` or `[::]:8443` in its parts; port 0 lets the system choose.

    Raises:
        ValueError: not an IP address and a port.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"expected address:port such as 0.0.0.0:8443, got {text!r}")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(f"expected an IP address before the port, got {host!r}") from None
    return Listen(host, int(port))


def _listen_text(text: str) -> str:
    parse_listen(text)
    return text


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"expected an absolute path, got {path}")
    return path


def _unix_address(text: str) -> str:
    if not text.startswith("unix:///"):
        raise ValueError(f"expected unix:///absolute/path, got {text!r}")
    return text


def _loopback_url(text: str) -> str:
    if not re.fullmatch(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}", text):
        raise ValueError(
            f"expected http://127.0.0.1:port, since the engine's RPC must not leave the host; got {text!r}"
        )
    return text


def _retention(blocks: int) -> int:
    if blocks != 0 and blocks < _LEAST_RETENTION:
        raise ValueError(f"expected 0 (keep all) or at least {_LEAST_RETENTION}")
    return blocks


def _witness_key(text: str) -> str:
    try:
        key = VerifierKey.parse(text)
    except VerificationError as error:
        raise ValueError(str(error)) from None
    if key.kind != COSIGNATURE:
        raise ValueError(f"expected the key of a witness (type 4, cosignature/v1), got type {key.kind}")
    return text


_ListenText = Annotated[str, AfterValidator(_listen_text)]
_AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AbciConfig(_Section):
    socket: Annotated[str, AfterValidator(_unix_address)] = "unix:///run/gchain/abci/abci.sock"


class EngineConfig(_Section):
    """`stalled_after`: seconds without a block after which the node is not ready. An engine that has nothing to commit
    makes an empty block every two seconds.
    """

    rpc: Annotated[str, AfterValidator(_loopback_url)] = "http://127.0.0.1:26657"
    stalled_after: Annotated[float, Field(gt=0)] = 30.0


class HttpConfig(_Section):
    """`status` is read-only and plain; `api` is TLS, with the leaf and CA bundle that `tls_dir` holds.

    `max_body` bounds a request's body in bytes; `submit_rate` is transactions a second that one client address may
    submit for long, `submit_burst` how many at once; `read_rate` and `read_burst` say the same of reads. A member with
    a client certificate counts as itself, from whatever address. `public`: groups of reads that need no certificate.

    `request_seconds`: how long a client may take to send a request; `unread_seconds`: how long it may take nothing of
    what it was sent; `connections_per_client`: connections that one address may have open at a listener.
    """

    status: _ListenText = "0.0.0.0:8080"
    api: _ListenText = "0.0.0.0:8443"
    tls_dir: _AbsolutePath = Path("/run/gchain/tls")
    max_body: Annotated[int, Field(ge=1024, le=16_777_216)] = 1_048_576
    submit_rate: Annotated[float, Field(gt=0)] = 200.0
    submit_burst: Annotated[int, Field(ge=1)] = 400
    read_rate: Annotated[float, Field(gt=0)] = 300.0
    read_burst: Annotated[int, Field(ge=1)] = 600
    request_seconds: Annotated[float, Field(gt=0, le=600)] = 20.0
    unread_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    connections_per_client: Annotated[int, Field(ge=1)] = 128
    public: tuple[ReadGroup, ...] = ALL_READS


class KeysConfig(_Section):
    """The member's receipt key, which signs the log's checkpoints; without one the node signs nothing.

    `receipt` is its URI, as `gchain_node.keys.open_key` takes it. `receipt_file` holds the URI instead, and is looked
    at before each signature: a rotation changes it, and no node has to start anew.
    """

    receipt: str | None = None
    receipt_file: _AbsolutePath | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.receipt is not None and self.receipt_file is not None:
            raise ValueError("receipt and receipt_file both name the receipt key: leave one out")
        return self


class SnapshotsConfig(_Section):
    """A snapshot of the state every `interval` heights (0: none), the latest `keep` of them, in `home`/snapshots."""

    interval: Annotated[int, Field(ge=0)] = 1000
    keep: Annotated[int, Field(ge=1, le=100)] = 2


class StorageConfig(_Section):
    """`retain_blocks`: how many of the latest blocks the engine keeps (0: all of them). Before it prunes a block the
    node has archived what receipts need of it in `home`; a peer that is further behind must use state sync.
    """

    retain_blocks: Annotated[int, AfterValidator(_retention)] = 0


class LogConfig(_Section):
    """`witnesses`: verifier keys (`<name>+<id>+<base64>`) of bodies whose cosignatures on the log this node takes."""

    witnesses: tuple[Annotated[str, AfterValidator(_witness_key)], ...] = ()


class SignerSection(_Section):
    """`view`: the file in which the signer of this host reads what was committed (docs/keys.md); none: not written."""

    view: _AbsolutePath | None = None


class NodeConfig(_Section):
    chain_id: Annotated[str, Field(min_length=1, max_length=50)]
    home: _AbsolutePath
    genesis: _AbsolutePath
    member: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]
    abci: AbciConfig = AbciConfig()
    engine: EngineConfig = EngineConfig()
    http: HttpConfig = HttpConfig()
    keys: KeysConfig = KeysConfig()
    storage: StorageConfig = StorageConfig()
    snapshots: SnapshotsConfig = SnapshotsConfig()
    log: LogConfig = LogConfig()
    signer: SignerSection = SignerSection()


_SECTIONS: dict[str, type[BaseModel]] = {
    "abci": AbciConfig,
    "engine": EngineConfig,
    "http": HttpConfig,
    "keys": KeysConfig,
    "storage": StorageConfig,
    "snapshots": SnapshotsConfig,
    "log": LogConfig,
    "signer": SignerSection,
}


def load_config(path: Path) -> NodeConfig:
    """Read and check a `node.toml`.

    Raises:
        ConfigurationError: the file is missing, no TOML, or a key is missing, unknown or wrong; it names file and key.
    """
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {error.strerror or error}", remedy="name the node's configuration with --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not a TOML file: {error}") from error
    try:
        return NodeConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(path, document, problem) for problem in error.errors())) from error


def _explain(path: Path, document: dict[str, Any], problem: Any) -> str:
    """One problem of pydantic's as a sentence that names file, key and what was found."""
    location = [str(part) for part in problem["loc"]]
    key = ".".join(location)
    if problem["type"] == "extra_forbidden":
        return f"{path}: {key}: unknown key{_near_match(location)}"
    if problem["type"] == "missing":
        return f"{path}: {key}: missing"
    return f"{path}: {key}: {problem['msg'].removeprefix('Value error, ')} (found {problem['input']!r})"


def _near_match(location: list[str]) -> str:
    model = _SECTIONS[location[0]] if len(location) > 1 else NodeConfig
    near = difflib.get_close_matches(location[-1], model.model_fields, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(model.model_fields)}"
