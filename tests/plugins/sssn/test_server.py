"""Request models, error bodies, and `create_app` without its libraries."""

from __future__ import annotations

import subprocess
import sys
from types import MappingProxyType

import pytest
from pydantic import ValidationError

from lllm.errors import InvalidPayloadError
from sssn import create_app
from sssn.server import (
    ArtifactWriteRequest,
    ErrorDetail,
    ErrorResponse,
    SnapshotWriteRequest,
    SubscriptionRequest,
)


def test_subscription_request_defaults():
    """Only the channel is needed."""
    assert SubscriptionRequest(channel="raw").model_dump() == {
        "id": None,
        "channel": "raw",
        "consumer": None,
        "batch_size": 100,
        "filters": {},
        "metadata": {},
        "start": "beginning",
        "lease_seconds": None,
        "max_deliveries": None,
        "dead_letter": None,
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"channel": b"raw"},
        {"channel": 3},
        {"channel": "raw", "id": 3},
        {"channel": "raw", "consumer": b"x"},
        {"channel": "raw", "filters": None},
        {"channel": "raw", "metadata": [1]},
        {"channel": "raw", "batch_size": True},
        {"channel": "raw", "batch_size": "many"},
        {"channel": "raw", "start": "middle"},
    ],
)
def test_subscription_request_refuses(body):
    """Strings are strict, maps are maps, a boolean is not a number."""
    with pytest.raises(ValidationError):
        SubscriptionRequest(**body)


def test_request_models_copy_their_inputs():
    """A read-only mapping becomes a dict, and the caller's objects are never shared."""
    inner = {"a": [1]}
    request = SubscriptionRequest(
        channel="raw", metadata=MappingProxyType(inner), filters=MappingProxyType({})
    )
    inner["a"].append(2)
    assert request.metadata == {"a": [1]}
    assert type(request.metadata) is dict
    value = {"x": [1]}
    snapshot = SnapshotWriteRequest(value=value)
    value["x"].append(2)
    assert snapshot.value == {"x": [1]}
    artifact = ArtifactWriteRequest(data="", metadata=MappingProxyType({"m": MappingProxyType({})}))
    assert artifact.metadata == {"m": {}}
    assert type(artifact.metadata["m"]) is dict


def test_artifact_bytes():
    """Text is encoded as UTF-8, base64 is decoded."""
    assert ArtifactWriteRequest(data="héllo").bytes() == "héllo".encode()
    assert ArtifactWriteRequest(data="/w==", encoding="base64").bytes() == b"\xff"
    assert ArtifactWriteRequest(data="x", event_ids=["a", "b"]).event_ids == ("a", "b")


@pytest.mark.parametrize("data", ["a", "a===", "aGVs bG8=", "aGVsbG8=\n", "é==="])
def test_artifact_bad_base64(data):
    """Anything that is not exactly base64 has one text."""
    with pytest.raises(InvalidPayloadError) as error:
        ArtifactWriteRequest(data=data, encoding="base64").bytes()
    assert str(error.value) == "Invalid base64 artifact data."


def test_artifact_text_that_is_no_text():
    """A lone surrogate cannot be encoded and is an error of the contract."""
    with pytest.raises(InvalidPayloadError, match="Invalid text artifact data"):
        ArtifactWriteRequest(data="\ud800").bytes()


@pytest.mark.parametrize(
    "body",
    [
        {"data": b"x"},
        {"data": "x", "encoding": "hex"},
        {"data": "x", "event_ids": "abc"},
        {"data": "x", "media_type": 1},
    ],
)
def test_artifact_request_refuses(body):
    """Bytes are not text, the encodings are two, event ids are a list."""
    with pytest.raises(ValidationError):
        ArtifactWriteRequest(**body)


def test_snapshot_request_reads_the_alias():
    """The key on the wire is `schema`."""
    request = SnapshotWriteRequest.model_validate({"name": "ignored", "schema": "S", "timestamp": "2.5"})
    assert (request.schema_ref, request.timestamp, request.value) == ("S", 2.5, None)
    assert request.model_dump(by_alias=True)["schema"] == "S"


def test_error_bodies():
    """The type is a token, and both fields are required."""
    assert ErrorResponse(error=ErrorDetail(type="SSSNError", message="m")).model_dump() == {
        "error": {"type": "SSSNError", "message": "m"}
    }
    for body in (
        {"type": "a b", "message": "m"},
        {"type": "", "message": "m"},
        {"type": "x"},
        {"type": 3, "message": ""},
    ):
        with pytest.raises(ValidationError):
            ErrorDetail.model_validate(body)


@pytest.mark.parametrize("missing", ["fastapi", "lllm_serve"])
def test_create_app_without_its_libraries(missing, monkeypatch, tmp_path):
    """The error names the extra, and nothing is created on disk."""
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError) as error:
        create_app()
    assert str(error.value) == "Install sssn[server] to use the FastAPI server."
    assert list(tmp_path.iterdir()) == []


def test_import_is_light():
    """`import sssn` and its request models import neither FastAPI nor httpx nor uvicorn."""
    code = (
        "import sys, sssn\n"
        "assert 'pydantic' not in sys.modules, 'pydantic'\n"
        "import sssn.server, sssn.integrations, sssn.resolver, sssn.cli\n"
        "print([name for name in ('fastapi', 'httpx', 'uvicorn') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
