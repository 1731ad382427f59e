"""Answers of a served store: models as compact JSON, by alias, straight to bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import Response
from pydantic import BaseModel
from pydantic_core import to_json

__all__ = ["body_of", "many", "named", "one", "plain"]

_JSON = "application/json"


def body_of(model: BaseModel) -> bytes:
    """Return the JSON form of a model."""
    return model.model_dump_json(by_alias=True).encode()


def one(model: BaseModel) -> Response:
    """Answer with one model."""
    return Response(body_of(model), media_type=_JSON)


def _array(models: Iterable[BaseModel]) -> bytes:
    return b"[" + b",".join(map(body_of, models)) + b"]"


def many(models: Iterable[BaseModel]) -> Response:
    """Answer with a bare list of models."""
    return Response(_array(models), media_type=_JSON)


def named(key: str, models: Iterable[BaseModel], **further: Any) -> Response:
    """Answer with an object that holds a list of models under a key.

    Args:
        key: The key.
        models: The models.
        **further: Plain values under further keys.
    """
    parts = [b'"%s":%s' % (key.encode(), _array(models))]
    parts += [b'"%s":%s' % (name.encode(), to_json(value)) for name, value in further.items()]
    return Response(b"{" + b",".join(parts) + b"}", media_type=_JSON)


def plain(value: Any) -> Response:
    """Answer with plain data."""
    return Response(to_json(value), media_type=_JSON)
