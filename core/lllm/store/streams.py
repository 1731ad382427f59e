"""The bytes of artifacts as callers hand them over, and as they get them back: verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256 as new_sha256
from typing import BinaryIO, cast

from lllm.errors import ArtifactCorruptError, ArtifactNotFoundError, InvalidPayloadError
from lllm.store.blobs import Blobs
from lllm.store.models import Artifact

__all__ = ["chunks_of", "data_of", "digest_of", "open_payload", "ranged", "read_payload", "verify"]

_CHUNK = 1024 * 1024
_HEX_DIGITS = frozenset("0123456789abcdef")


def data_of(data: object) -> memoryview:
    """Return the bytes of `write_artifact`.

    Args:
        data: bytes, bytearray or memoryview.

    Raises:
        InvalidPayloadError: It is something else.
    """
    if isinstance(data, (bytes, bytearray)):
        return memoryview(data)
    if isinstance(data, memoryview):
        return data.cast("B") if data.c_contiguous else memoryview(data.tobytes())
    raise InvalidPayloadError("artifact data must be bytes.")


def chunks_of(source: object) -> Iterator[bytes]:
    """Return the chunks of a binary file or an iterable of bytes.

    Args:
        source: A binary file, or an iterable of bytes.

    Raises:
        InvalidPayloadError: It is something else; while iterating, a chunk is something else.
    """
    if hasattr(source, "read"):
        return _file_chunks(cast("BinaryIO", source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _checked_chunks([bytes(source)])
    if isinstance(source, Iterable) and not isinstance(source, (str, Mapping)):
        return _checked_chunks(source)
    raise InvalidPayloadError("artifact data must be bytes.")


def digest_of(sha256: object) -> str | None:
    """Return a hash that content must have.

    Args:
        sha256: 64 hex digits, or None.

    Raises:
        InvalidPayloadError: It is something else.
    """
    if sha256 is None:
        return None
    if isinstance(sha256, str) and len(sha256) == 64 and _HEX_DIGITS.issuperset(sha256.lower()):
        return sha256.lower()
    raise InvalidPayloadError("sha256 must be 64 hex digits.")


def open_payload(blobs: Blobs, artifact: Artifact) -> BinaryIO:
    """Open the bytes of an artifact.

    Args:
        blobs: Where they are.
        artifact: Its record.

    Raises:
        ArtifactNotFoundError: They are gone, or the record leads elsewhere.
    """
    try:
        return blobs.open(artifact.path)
    except OSError as error:
        raise ArtifactNotFoundError(f"Artifact payload not found: {artifact.id}") from error


def verify(file: BinaryIO, artifact: Artifact) -> None:
    """Compare the bytes of an artifact with its record and go back to their beginning.

    Args:
        file: The bytes, at their beginning.
        artifact: The record.

    Raises:
        ArtifactCorruptError: They do not match.
    """
    for _ in ranged(file, artifact, 0, None, _CHUNK):
        pass
    file.seek(0)


def read_payload(file: BinaryIO, artifact: Artifact) -> bytes:
    """Return the verified bytes of an artifact.

    Args:
        file: The bytes, at their beginning.
        artifact: The record.

    Raises:
        ArtifactCorruptError: They do not match.
    """
    try:
        data = file.read()
    except OSError as error:
        raise _corrupt(artifact) from error
    if len(data) != artifact.size or _differs(artifact, new_sha256(data).hexdigest()):
        raise _corrupt(artifact)
    return data


def ranged(
    file: BinaryIO, artifact: Artifact, start: int, stop: int | None, chunk_size: int
) -> Iterator[bytes]:
    """Yield a part of an artifact; a complete pass is verified before its end.

    Args:
        file: The bytes.
        artifact: The record.
        start: Offset of the first byte.
        stop: Offset behind the last byte; the end when None.
        chunk_size: Length of a chunk in bytes.

    Raises:
        ArtifactCorruptError: They do not match the record.
    """
    end = artifact.size if stop is None else min(stop, artifact.size)
    digest = new_sha256() if start == 0 and end == artifact.size else None
    file.seek(start)
    left = end - start
    while left > 0:
        try:
            chunk = file.read(min(chunk_size, left))
        except OSError as error:
            raise _corrupt(artifact) from error
        if not chunk:
            raise _corrupt(artifact)
        left -= len(chunk)
        if digest is not None:
            digest.update(chunk)
            if left == 0 and (file.read(1) or _differs(artifact, digest.hexdigest())):
                raise _corrupt(artifact)
        yield chunk
    if artifact.size == 0 and digest is not None and file.read(1):
        raise _corrupt(artifact)


def _differs(artifact: Artifact, digest: str) -> bool:
    return artifact.sha256 is not None and artifact.sha256 != digest


def _corrupt(artifact: Artifact) -> ArtifactCorruptError:
    return ArtifactCorruptError(f"Artifact payload is corrupt: {artifact.id}")


def _file_chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := _checked(file.read(_CHUNK)):
        yield chunk


def _checked_chunks(chunks: Iterable[object]) -> Iterator[bytes]:
    for chunk in chunks:
        yield _checked(chunk)


def _checked(chunk: object) -> bytes:
    if isinstance(chunk, (bytes, bytearray, memoryview)):
        return bytes(chunk) if not isinstance(chunk, bytes) else chunk
    raise InvalidPayloadError("artifact data must be bytes.")
