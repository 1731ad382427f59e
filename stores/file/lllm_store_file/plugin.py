"""What this distribution contributes; cheap to import, the store itself is imported on first use."""

from __future__ import annotations

import lllm


@lllm.hookimpl
def lllm_stores() -> list[lllm.StoreSpec]:
    """Contribute the backend that keeps its events in a log of lines.

    Returns:
        The one store of this distribution.
    """
    return [
        lllm.StoreSpec(
            name="file",
            target="lllm_store_file.store:open_file",
            summary="Keeps everything in an append-only log that one can read with `less`.",
            schemes=("file",),
            markers=("meta.json",),
        )
    ]
