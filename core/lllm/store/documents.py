"""Records other than events as the JSON documents that a backend keeps.

Reading builds records without validating them, so that what an older store accepted stays readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel

from lllm.errors import StoreFormatError
from lllm.store.encoding import decode_json, record_text
from lllm.store.models import Artifact, Channel, Snapshot, Subscription
from lllm.store.reports import Retention

__all__ = [
    "artifact_of",
    "channel_of",
    "document",
    "retention_of",
    "settings_of",
    "snapshot_of",
    "subscription_of",
]

ModelT = TypeVar("ModelT", bound=BaseModel)


def document(record: BaseModel) -> str:
    """Return the document of a record: its JSON with the keys of the wire, canonical.

    Args:
        record: A channel, subscription, artifact, snapshot or retention in its JSON form.
    """
    return record_text(record.model_dump(by_alias=True))


def channel_of(doc: str) -> Channel:
    """Return the channel of a document.

    Args:
        doc: The document.

    Raises:
        StoreFormatError: It cannot be read.
    """
    return _record(Channel, doc)


def artifact_of(doc: str) -> Artifact:
    """Return the artifact of a document.

    Args:
        doc: The document.

    Raises:
        StoreFormatError: It cannot be read.
    """
    return _record(Artifact, doc)


def snapshot_of(doc: str) -> Snapshot:
    """Return the snapshot of a document.

    Args:
        doc: The document.

    Raises:
        StoreFormatError: It cannot be read.
    """
    return _record(Snapshot, doc)


def retention_of(doc: str) -> Retention:
    """Return the retention of a document.

    Args:
        doc: The document.

    Raises:
        StoreFormatError: It cannot be read.
    """
    return _record(Retention, doc)


def subscription_of(doc: str, cursor: int) -> Subscription:
    """Return the subscription of a document.

    Args:
        doc: The document.
        cursor: The floor, which is kept outside of the document.

    Raises:
        StoreFormatError: It cannot be read.
    """
    subscription = _record(Subscription, doc)
    subscription.cursor = cursor
    return subscription


@lru_cache(maxsize=1024)
def settings_of(doc: str) -> Subscription:
    """Return the settings of a subscription, to be read only: the same object is returned every time.

    Args:
        doc: The document of the subscription.

    Raises:
        StoreFormatError: It cannot be read.
    """
    return _record(Subscription, doc)


def _record(model: type[ModelT], doc: str) -> ModelT:
    try:
        values = _fields(model, decode_json(doc))
    except (ValueError, TypeError, KeyError) as error:
        label = model.__name__.lower()
        raise StoreFormatError(f"Unsupported store format: a {label} record cannot be read") from error
    return model.model_construct(_fields_set=set(values), **values)


def _fields(model: type[BaseModel], stored: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        key = info.alias or name
        if key in stored:
            value = stored[key]
            values[name] = tuple(value) if name in _TUPLES else value
        elif info.is_required():
            raise KeyError(key)
    return values


_TUPLES: Iterable[str] = frozenset({"event_ids"})
