"""The store half of a service: a store behind HTTP."""

from lllm_serve.stores.application import create_store_app, mount_store

__all__ = ["create_store_app", "mount_store"]
