"""Callables pass the suite that every runtime's tactics must pass."""

from lllm.testing import TacticConformance
from lllm_runtime_callable import CallableTactic


class TestCallables(TacticConformance):
    """Functions, coroutine functions, generators and async generators."""

    def make(self, work):
        return CallableTactic(work)

    make_async = make_stream = make_astream = make
