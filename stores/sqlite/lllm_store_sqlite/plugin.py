"""What this distribution contributes; cheap to import, the store itself is imported on first use."""

from __future__ import annotations

import lllm


@lllm.hookimpl
def lllm_stores() -> list[lllm.StoreSpec]:
    """Contribute the SQLite backend, which also opens new and empty directories.

    Returns:
        The one store of this distribution.
    """
    return [
        lllm.StoreSpec(
            name="sqlite",
            target="lllm_store_sqlite.store:open_sqlite",
            summary="Keeps everything in one SQLite file; the embedded default.",
            schemes=("sqlite",),
            markers=("sssn.sqlite",),
        )
    ]
