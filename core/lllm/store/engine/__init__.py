"""The semantics of a store, written once on the primitives of `lllm.store.backend`.

Every function takes a transaction and works on it alone, so that it can run in any thread, share a commit
with others, and be run again.
"""
