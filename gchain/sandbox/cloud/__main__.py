"""`python -m gchain.sandbox.cloud --port P`: the local cloud on loopback, until it is told to stop."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="gchain.sandbox.cloud", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument(
        "--company-token", type=Path, help="file with the token that lets the cloud company act anywhere"
    )
    parser.add_argument("--consoles", type=Path, help="directory with <instance id>/console.log of the real hosts")
    given = parser.parse_args(arguments)
    # An instance is whatever image the zone names; moto's own list of images would only cost start-up time.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    os.environ["MOTO_PORT"] = str(given.port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    from gchain.sandbox.cloud.server import serve

    token = given.company_token.read_text().strip() if given.company_token else None
    serve(given.port, token, given.consoles)


if __name__ == "__main__":
    main()
