"""The memory store agrees with the plain model over random histories."""

from lllm.store import MemoryStore
from lllm.testing.store_machine import store_machine

TestMemoryMachine = store_machine(lambda directory: MemoryStore(), examples=40).TestCase
