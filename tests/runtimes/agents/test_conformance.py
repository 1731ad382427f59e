"""Agent groups, and objects that are adapted, pass what every runtime's tactics pass."""

from lllm import NativeTacticAdapter, Tactic
from lllm.testing import Answer, Question, TacticConformance


class TestAgentGroups(TacticConformance):
    """A group whose `call` does the work."""

    def make(self, work):
        class Group(Tactic[Question, Answer], register=False):
            """Answers questions."""

            name = "group"
            agent_group = []

            def call(self, task, **kwargs):
                return work(task)

        return Group()

    def make_async(self, work):
        class Group(Tactic[Question, Answer], register=False):
            """Answers questions."""

            name = "group"
            agent_group = []

            async def call(self, task, **kwargs):
                return await work(task)

        return Group()


class TestNativeObjects(TacticConformance):
    """An object whose methods do the work."""

    def make(self, work):
        return self._adapted(run=work)

    def make_async(self, work):
        return self._adapted(arun=work)

    def make_stream(self, work):
        return self._adapted(run=len, stream=work)

    def make_astream(self, work):
        return self._adapted(run=len, astream=work)

    def _adapted(self, **methods):
        native = type("Native", (), {"__doc__": "Answers questions."})()
        for name, method in methods.items():
            setattr(native, name, method)
        return NativeTacticAdapter(native, name="native", input_type=Question, output_type=Answer)
