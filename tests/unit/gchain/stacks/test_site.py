from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

import pytest

from gchain.environment import Environment
from gchain.errors import ConfigurationError
from gchain.stacks.site import Site, endpoint_of, site
from gchain.workspace import Workspace


def test_the_backend_is_the_members_own_bucket_in_its_region(treasury: Site) -> None:
    url = urlsplit(treasury.backend_url)
    assert (url.scheme, url.netloc) == ("s3", "gchain-state-treasury-111122223333")
    assert parse_qs(url.query) == {"region": ["eu-central-1"]}


def test_a_local_cloud_is_reached_by_path_style_without_tls(
    environment: Environment, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4999")
    query = parse_qs(urlsplit(site(environment, workspace, "treasury").backend_url).query)
    assert query["endpoint"] == ["127.0.0.1:4999"]
    assert query["disableSSL"] == query["s3ForcePathStyle"] == ["true"]


def test_secrets_are_encrypted_by_a_key_of_the_members_account(treasury: Site) -> None:
    assert treasury.secrets_provider == "awskms://alias/gchain-treasury-state?region=eu-central-1"


def test_the_foundation_uses_the_convenors_account(environment: Environment, workspace: Workspace) -> None:
    foundation = site(environment, workspace, "foundation")
    assert foundation.member.name == "treasury"
    assert foundation.stack == "sandbox-foundation"


def test_the_callers_cloud_keys_do_not_reach_the_engine(treasury: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEONEELSE")
    variables = {**os.environ, **treasury.variables()}
    assert variables["AWS_ACCESS_KEY_ID"] == ""
    assert variables["AWS_SHARED_CREDENTIALS_FILE"].endswith("members/treasury/aws/credentials")


def test_a_member_without_credentials_is_refused_by_the_files_name(
    environment: Environment, workspace: Workspace
) -> None:
    workspace.member("health").aws_credentials.unlink()
    with pytest.raises(ConfigurationError, match=r"members/health/aws/credentials: no cloud credentials"):
        site(environment, workspace, "health")


def test_an_unknown_member_is_refused(environment: Environment, workspace: Workspace) -> None:
    with pytest.raises(ConfigurationError, match="no member 'mallory'"):
        site(environment, workspace, "mallory")


def test_without_a_sandbox_or_a_setting_the_partitions_own_api_is_used(workspace: Workspace) -> None:
    assert endpoint_of(workspace) is None
