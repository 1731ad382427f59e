"""The hooks of this plugin: stores at `http://` and `https://` URLs."""

from __future__ import annotations

import lllm


@lllm.hookimpl
def lllm_stores() -> list[lllm.StoreSpec]:
    """Contribute the backend for served stores."""
    return [
        lllm.StoreSpec(
            name="http",
            target="lllm_store_http:HTTPStore",
            summary="A store that another process serves over HTTP.",
            schemes=("http", "https"),
            install="lllm-store-http",
        )
    ]
