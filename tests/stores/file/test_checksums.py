"""CRC-32C, whichever way it is computed."""

from __future__ import annotations

import random

import pytest

from lllm_store_file.checksums import crc32c, crc32c_many


def bit_by_bit(data: bytes) -> int:
    """Return the CRC-32C of data as its definition says."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_known_values(data: bytes, checksum: int) -> None:
    """The values of RFC 3720, appendix B.4."""
    assert crc32c(data) == checksum


@pytest.mark.parametrize("length", [1, 3, 4, 1023, 1024, 1025, 2048, 5000, 16384, 16385])
def test_long_data_has_the_same_checksum(length: int) -> None:
    """Lanes that are combined give what one byte after the other gives."""
    data = random.Random(length).randbytes(length)
    assert crc32c(data) == bit_by_bit(data)


def test_many_at_once_have_the_same_checksums() -> None:
    """Pieces of all lengths, side by side, give what each gives alone."""
    noise = random.Random(7)
    pieces = [noise.randbytes(length) for length in (*range(40), 500, 1024, 1025, 3000)] * 15
    assert crc32c_many(pieces) == [crc32c(piece) for piece in pieces]
    assert crc32c_many([]) == []
