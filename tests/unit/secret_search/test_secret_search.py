"""The search for copies of private keys finds every one that was planted, and nothing where there is none."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gchain_node.keys.uri import DEFAULT_MODULE
from tests.secret_search.places import disk_images, files, processes
from tests.secret_search.search import SecretSearch, compiled
from tests.secret_search.softhsm_store import private_keys

SECRET = hashlib.sha256(b"a secret that lies nowhere by chance").digest()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler (cc) on PATH: the search is compiled here")
    return compiled(tmp_path_factory.mktemp("search"))


@pytest.fixture
def search(library: Path) -> SecretSearch:
    return SecretSearch(library, {"planted": SECRET, "other": os.urandom(32)})


def _forms(found: set[object]) -> set[str]:
    return {str(each.form) for each in found}  # type: ignore[attr-defined]


def _pem(secret: bytes) -> bytes:
    key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("raw", lambda secret: secret),
        ("reversed", lambda secret: secret[::-1]),
        ("hex", lambda secret: secret.hex().encode()),
        ("hex", lambda secret: secret.hex().upper().encode()),
        *(("base64", lambda secret, n=n: base64.b64encode(bytes(n) + secret + b"more")) for n in range(3)),
        *(("base64", lambda secret, n=n: base64.urlsafe_b64encode(b"\xff" * n + secret)) for n in range(3)),
        ("base64", _pem),
        ("raw", lambda secret: secret[:16]),
        ("hex", lambda secret: b"\n".join([secret.hex().encode()[:32], secret.hex().encode()[32:]])),
    ],
)
def test_each_way_of_writing_a_secret_is_found_wherever_the_chunks_break(
    search: SecretSearch, form: str, written: Callable[[bytes], bytes]
) -> None:
    stream = os.urandom(100) + written(SECRET) + os.urandom(100)
    for size in (1, 7, 64, len(stream)):
        found = search.run(stream[at : at + size] for at in range(0, len(stream), size))
        assert {each.secret for each in found} == {"planted"}
        assert _forms(found) == {form}


def test_nothing_is_found_where_there_is_nothing(search: SecretSearch) -> None:
    assert search.run([os.urandom(1_000_000), SECRET[:15], SECRET[17:], SECRET.hex().encode()[:31]]) == set()


def test_a_search_for_nothing_or_for_too_little_is_refused(library: Path) -> None:
    with pytest.raises(ValueError, match="nothing to search for"):
        SecretSearch(library, {})
    with pytest.raises(ValueError, match="short"):
        SecretSearch(library, {"short": b"123"})


def test_files_are_searched_and_an_images_written_blocks(search: SecretSearch, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(b"x" * 5000 + SECRET)
    (tmp_path / "link").symlink_to("/etc/passwd")
    seen = {name: search.run(chunks) for name, chunks in files(tmp_path, named="/host")}
    assert {name: bool(found) for name, found in seen.items()} == {"/host/below/file": True}
    with (tmp_path / "volume.img").open("wb") as image:
        image.seek(900_000_000)
        image.write(SECRET)
        image.truncate(2_000_000_000)
    ((name, chunks),) = disk_images(tmp_path)
    sizes: list[int] = []
    found = search.run((sizes.append(len(chunk)), chunk)[1] for chunk in chunks)
    assert (name, _forms(found)) == ("image volume.img", {"raw"})
    assert sum(sizes) < 1_000_000


def test_the_memory_of_a_process_is_searched(search: SecretSearch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    program = "import sys; held = open(sys.argv[1], 'rb').read(); print(flush=True); sys.stdin.read()"
    for path, expected in ((tmp_path / "secret", {"planted"}), (Path("/dev/null"), set())):
        with subprocess.Popen(
            [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            (process,) = processes([child.pid])
            assert {each.secret for each in search.run(process.memory())} == expected
            assert not process.has_module
            child.communicate()


@pytest.mark.skipif(not Path(DEFAULT_MODULE).exists(), reason=f"SoftHSM2 is not installed: {DEFAULT_MODULE}")
def test_the_keys_of_a_softhsm_store_are_learned_with_its_pin_alone(tmp_path: Path) -> None:
    def keys(*arguments: str) -> str:
        line = [sys.executable, "-m", "gchain_node", "keys", *arguments, "--store", str(tmp_path / "store")]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout

    pins = ["--pin-file", str(tmp_path / "pin"), "--so-pin-file", str(tmp_path / "so-pin")]
    keys("token-init", "--label", "member", *pins)
    uri = "pkcs11:token=member;object={};type=private?pin-source=file:" + str(tmp_path / "pin")
    made = {kind: keys("generate", "--uri", uri.format(kind), "--type", kind, "--json") for kind in KINDS}
    (token,) = (tmp_path / "store" / "tokens").iterdir()
    learned = private_keys(token, (tmp_path / "pin").read_text().strip())
    assert set(learned) == set(KINDS)
    assert all(f'"public_key": "{learned[kind].public_key}"' in made[kind] for kind in KINDS)
    with pytest.raises(ValueError, match=r"PIN|padding"):
        private_keys(token, "0" * 32)


KINDS = ("p256", "secp256k1", "ed25519")
