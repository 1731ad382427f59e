"""Ids in the tables: UUIDs as bytes, everything else as it is, and always back to the same text."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from lllm.store.ids import new_id
from lllm_store_sqlite.ids import pack_id, unpack_id

NEAR_UUIDS = st.uuids().flatmap(
    lambda uuid: st.sampled_from(
        [
            str(uuid),
            str(uuid).upper(),
            uuid.hex,
            f"{{{uuid}}}",
            f"{uuid}"[:-1] + "g",
            f"{uuid}"[:-1] + " ",
            str(uuid).replace("-", "_"),
            f" {uuid}"[:36],
        ]
    )
)


@given(st.text() | NEAR_UUIDS)
def test_every_text_comes_back(text: str) -> None:
    """Packing loses nothing, also where a text is nearly a UUID."""
    assert unpack_id(pack_id(text)) == text


@given(st.uuids())
def test_a_uuid_is_sixteen_bytes(uuid: UUID) -> None:
    """The usual form of a UUID is what is packed."""
    assert pack_id(str(uuid)) == uuid.bytes


def test_generated_ids_are_packed() -> None:
    """The ids that stores make take the short form."""
    assert isinstance(pack_id(new_id()), bytes)


@given(st.lists(st.text() | NEAR_UUIDS, unique=True))
def test_different_texts_stay_different(texts: list[str]) -> None:
    """No two ids share a packed form."""
    assert len({pack_id(text) for text in texts}) == len(texts)
