"""What `import sssn` offers, that it costs nothing, and that `lllm sssn` is the command."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

import lllm
import sssn

PUBLIC = [
    "Artifact",
    "ArtifactCorruptError",
    "ArtifactNotFoundError",
    "AsyncSSSNClient",
    "Channel",
    "ChannelExistsError",
    "ChannelForm",
    "ChannelNotFoundError",
    "CommitResult",
    "Delivery",
    "EndpointScope",
    "Event",
    "EventConflictError",
    "EventNotFoundError",
    "InvalidPayloadError",
    "LeaseLostError",
    "LocalStore",
    "ResolvedSSSNRef",
    "SSSNClient",
    "SSSNClientError",
    "SSSNError",
    "SSSNRef",
    "SSSNRefError",
    "SSSNResolver",
    "Snapshot",
    "SnapshotConflictError",
    "SnapshotNotFoundError",
    "StoreBusyError",
    "StoreClosedError",
    "StoreEndpointSpec",
    "StoreFormatError",
    "StoreURLError",
    "Subscription",
    "SubscriptionExistsError",
    "SubscriptionLag",
    "SubscriptionNotFoundError",
    "__version__",
    "channel_resource",
    "create_app",
    "endpoint",
    "open_store",
    "process",
    "snapshot_resource",
]
MODULES = {
    "sssn.server": "HttpMethod endpoint_spec endpoint_specs endpoint_route_key endpoint_path_key ErrorDetail "
    "ErrorResponse SubscriptionRequest ArtifactWriteRequest SnapshotWriteRequest create_app",
    "sssn.client": "AsyncSSSNClient SSSNClient SSSNClientError",
    "sssn.resolver": "ResolvedSSSNRef SSSNRef SSSNResolver",
    "sssn.integrations": "channel_resource snapshot_resource",
    "sssn.cli": "main",
}


def test_public_names():
    """The list is the contract, sorted, and every name resolves."""
    assert sssn.__all__ == PUBLIC == sorted(PUBLIC)
    assert dir(sssn) == PUBLIC
    for name in PUBLIC:
        assert getattr(sssn, name) is not None
    namespace = {}
    exec("from sssn import *", namespace)
    assert set(PUBLIC) <= set(namespace)


def test_unknown_names():
    """An unknown name is an AttributeError that says whose."""
    with pytest.raises(AttributeError, match="module 'sssn' has no attribute 'nope'"):
        sssn.nope


@pytest.mark.parametrize("module", MODULES)
def test_names_of_modules(module):
    """Names that are not at the top level have one home each."""
    found = importlib.import_module(module)
    for name in MODULES[module].split():
        assert getattr(found, name) is not None
        assert name in found.__all__


def test_models_and_errors_are_those_of_the_core():
    """There is one `Event` and one `SSSNError`, whatever they are imported from."""
    from lllm import errors, store

    for name in PUBLIC:
        for home in (errors, store):
            if name in home.__all__:
                assert getattr(sssn, name) is getattr(home, name)
    assert sssn.__version__ == lllm.__version__
    assert sssn.LocalStore.__name__ == "SQLiteStore"


def test_errors_have_their_bases():
    """A ref error is a store error and a ValueError; a client's error is neither."""
    assert issubclass(sssn.SSSNRefError, sssn.SSSNError)
    assert issubclass(sssn.SSSNRefError, ValueError)
    assert not issubclass(sssn.SSSNClientError, sssn.SSSNError)
    assert issubclass(sssn.SSSNClientError, RuntimeError)


def test_the_import_is_cheap():
    """`import sssn` brings neither pydantic nor a backend nor any library for HTTP."""
    code = (
        "import sys, sssn\n"
        "heavy = 'pydantic fastapi httpx uvicorn sqlite3 lllm_store_sqlite lllm_store_http lllm_serve pluggy'\n"
        "print([name for name in heavy.split() if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def run(*arguments, cwd):
    command = [sys.executable, "-m", "lllm", *arguments]
    environment = {**os.environ, "LLLM_PLUGINS_ALLOW": "sssn,sqlite"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_lllm_sssn_is_the_same_command(tmp_path):
    """`lllm sssn ...` passes every argument on, help included, and keeps the exit code."""
    made = run("sssn", "--store", "s", "create-channel", "raw", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert run("sssn", "--store", "s", "channels", cwd=tmp_path).stdout == made.stdout
    failed = run("sssn", "get-channel", "x", cwd=tmp_path)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "sssn: error: Channel not found: x" in failed.stderr
    assert run("sssn", "--help", cwd=tmp_path).stdout.startswith("usage: sssn")
