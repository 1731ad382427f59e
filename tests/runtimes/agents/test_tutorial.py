"""Lesson 5 of the user's tutorial: its code blocks, verbatim, with a fake registered as `litellm`."""

import asyncio
import contextlib
import io
from types import SimpleNamespace

import pytest

from lllm import TacticCallSession, get_tactic_class
from lllm.invokers import BaseInvoker, register_invoker
from lllm_runtime_agents import InvokeResult, Message

DEFINING = """\
from lllm import Tactic, Prompt
from lllm.invokers import build_invoker
from lllm import Agent
class SummarizerTactic(Tactic):
    name = "summarizer"
    agent_group = ["writer"]
    def call(self, task: str, **kwargs) -> str:
        writer = self.agents["writer"]
        writer.open("session")
        writer.receive(f"Summarize this text in 3 bullet points:\\n\\n{task}")
        response = writer.respond()
        return response.content
"""

CONFIGURING = """\
config = {
    "tactic_type": "summarizer",
    "global": {
        "model_name": "gpt-4o",
        "model_args": {"temperature": 0.2},
    },
    "agent_configs": [
        {
            "name": "writer",
            "system_prompt": "You are a concise technical writer.",
            "model_args": {"max_completion_tokens": 1000},
        },
    ],
}
"""

CALLING = """\
tactic = SummarizerTactic(config)
result = tactic("Large bodies of text about machine learning concepts...")
print(result)
"""

RESEARCH = """\
class ResearchTactic(Tactic):
    name = "researcher"
    agent_group = ["finder", "synthesizer"]
    def call(self, task: str, **kwargs) -> str:
        finder = self.agents["finder"]
        synthesizer = self.agents["synthesizer"]
        # Step 1: gather raw facts
        finder.open("gather")
        finder.receive(f"List 5 key facts about: {task}")
        facts = finder.respond().content
        # Step 2: synthesize into a coherent paragraph
        synthesizer.open("synthesize")
        synthesizer.receive(f"Facts:\\n{facts}\\n\\nWrite a short paragraph.")
        return synthesizer.respond().content
config = {
    "tactic_type": "researcher",
    "global": {"model_name": "gpt-4o"},
    "agent_configs": [
        {"name": "finder", "system_prompt": "You gather accurate factual information."},
        {"name": "synthesizer", "system_prompt": "You write clear, concise summaries."},
    ],
}
tactic = ResearchTactic(config)
print(tactic("quantum computing"))
"""

SESSION = """\
session = tactic("quantum computing", return_session=True)
print(session.state) # "success" or "failure"
print(session.total_cost.cost) # dollar cost (float)
print(session.agent_call_count) # number of LLM calls made
print(session.summary()) # compact dict overview
"""

PIPELINE = """\
class PipelineTactic(Tactic):
    name = "pipeline"
    agent_group = ["coordinator"]
    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        # Declare a sub-tactic; sessions are tracked automatically
        self.researcher = ResearchTactic(config)
    def call(self, task: str, **kwargs) -> str:
        # Call the sub-tactic
        facts = self.researcher(task)
        coordinator = self.agents["coordinator"]
        coordinator.open("plan")
        coordinator.receive(f"Based on this research:\\n{facts}\\n\\nCreate an action plan.")
        return coordinator.respond().content
"""

BATCH = """\
tasks = ["topic A", "topic B", "topic C", "topic D"]
# Synchronous batch (thread pool)
results = tactic.bcall(tasks, max_workers=4)
# Async (for use inside an async framework)
import asyncio
result = asyncio.run(tactic.acall("single async task"))
# Async streaming results as they complete
async def run():
    async for idx, result in tactic.ccall(tasks, max_workers=4):
        print(f"Task {idx} done: {result}")
asyncio.run(run())
"""

WRITING = '''\
# examples/advanced/multi_agent_tactic.py
class WritingPipeline(Tactic):
    """Two-agent pipeline: outline → article."""
    name = "writing_pipeline"
    agent_group = ["outliner", "writer"]
    def call(self, task: str) -> str:
        outliner = self.agents["outliner"]
        writer = self.agents["writer"]
        outliner.open("outline")
        outliner.receive(f"Create a concise 5-point outline about: {task}")
        outline = outliner.respond().content
        writer.open("write")
        writer.receive(f"Expand this outline into a short article:\\n\\n{outline}")
        return writer.respond().content
'''

EDITED = """\
class EditedWritingPipeline(WritingPipeline):
    name = "edited_writing_pipeline"
    agent_group = ["outliner", "writer", "editor"] # adds a third agent
    def call(self, task: str) -> str:
        draft = super().call(task) # reuse parent's outline→draft logic
        editor = self.agents["editor"]
        editor.open("edit")
        editor.receive(f"Polish this draft for clarity and concision:\\n\\n{draft}")
        return editor.respond().content
"""

EDITED_CONFIG = """\
config = {
    "global": {"model_name": "gpt-4o", "model_args": {"temperature": 0.7}},
    "agent_configs": [
        {"name": "outliner", "system_prompt": "You create concise, structured outlines."},
        {"name": "writer", "system_prompt": "You expand outlines into engaging articles."},
        {"name": "editor", "system_prompt": "You polish prose for clarity and concision."},
    ],
}
tactic = EditedWritingPipeline(config)
print(tactic("the rise of agentic AI"))
"""

SHARED_BASE = '''\
class BaseWritingTactic(Tactic, register=False):
    """Shared writing utilities — not directly instantiable from config."""
    agent_group = ["writer"]
    def _polish(self, text: str) -> str:
        writer = self.agents["writer"]
        writer.open("polish")
        writer.receive(f"Polish this:\\n\\n{text}")
        return writer.respond().content
class BlogPostTactic(BaseWritingTactic):
    name = "blog_post"
    agent_group = ["writer", "seo_reviewer"]
    def call(self, task: str) -> str:
        draft = self._polish(task) # inherited helper
        reviewer = self.agents["seo_reviewer"]
        reviewer.open("seo")
        reviewer.receive(f"Add SEO keywords to:\\n\\n{draft}")
        return reviewer.respond().content
'''

REGISTRATION = """\
class MyTactic(Tactic):
    name = "my_tactic"
    agent_group = ["agent_a"]
    ...
# Now available via:
from lllm import build_tactic
t = build_tactic(config, name="my_tactic")
"""


class Fake(BaseInvoker):
    """Answers with what it was told, for a cent a call."""

    def __init__(self, config):
        super().__init__(config)
        self.calls = []

    def call(
        self,
        dialog,
        model,
        model_args=None,
        parser_args=None,
        responder="assistant",
        metadata=None,
        api_type=None,
        stream_handler=None,
    ):
        self.calls.append(
            SimpleNamespace(agent=responder, model=model, args=model_args, said=dialog.messages)
        )
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "response_cost": 0.01}
        text = f"{responder}[{dialog.tail.content.splitlines()[0]}]"
        return InvokeResult(message=Message(role="assistant", content=text, name=responder, usage=usage))


class Lesson:
    """The tutorial's program: blocks run one after the other in one namespace."""

    def __init__(self):
        self.names = {}

    def run(self, *blocks):
        """Run blocks and return what they print."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            for block in blocks:
                exec(compile(block, "lesson", "exec", dont_inherit=True), self.names)
        return printed.getvalue()

    def __getitem__(self, name):
        return self.names[name]


@pytest.fixture
def lesson():
    """A lesson in which models are fake, after the imports of its first block."""
    register_invoker("litellm", Fake, overwrite=True)
    started = Lesson()
    started.run(DEFINING)
    return started


@pytest.fixture
def pipeline(lesson):
    """The pipeline of the lesson, with a coordinator added to the config."""
    lesson.run(RESEARCH, PIPELINE)
    config = lesson["config"]
    config["agent_configs"].append({"name": "coordinator", "system_prompt": "You make plans."})
    return lesson["PipelineTactic"](config)


def test_a_tactic_is_defined_configured_and_called(lesson):
    """Global arguments lie under those of the agent, and the system prompt comes first."""
    printed = lesson.run(CONFIGURING, CALLING)
    assert printed == "writer[Summarize this text in 3 bullet points:]\n"
    (call,) = lesson["tactic"].llm_invoker.calls
    assert (call.agent, call.model) == ("writer", "gpt-4o")
    assert call.args == {"temperature": 0.2, "max_completion_tokens": 1000}
    assert [message.content.split("\n")[0] for message in call.said] == [
        "You are a concise technical writer.",
        "Summarize this text in 3 bullet points:",
    ]


def test_two_agents_work_in_sequence(lesson):
    """The second one reads what the first one found."""
    assert lesson.run(RESEARCH) == "synthesizer[Facts:]\n"
    calls = lesson["tactic"].llm_invoker.calls
    assert [call.agent for call in calls] == ["finder", "synthesizer"]
    assert "finder[List 5 key facts about: quantum computing]" in calls[1].said[-1].content


def test_a_session_tells_state_cost_and_calls(lesson):
    """Printed as the lesson prints it."""
    printed = lesson.run(RESEARCH, SESSION).splitlines()
    assert printed[1:4] == ["success", "0.02", "2"]
    assert isinstance(lesson["session"], TacticCallSession)
    summary = lesson["session"].summary()
    assert (summary["tactic"], summary["state"], summary["agent_calls"]) == ("researcher", "success", 2)
    assert summary["cost_usd"] == pytest.approx(0.02)


def test_sub_tactics_fold_into_the_pipeline(pipeline):
    """Registered by assignment; cost and calls of the child reach the parent."""
    assert list(pipeline.sub_tactics) == ["researcher"]
    session = pipeline("batteries", return_session=True)
    assert session.delivery == "coordinator[Based on this research:]"
    assert session.agent_call_count == 1
    assert session.sub_tactic_call_count == 1
    assert session.total_cost.cost == pytest.approx(0.03)
    assert session.sub_tactic_sessions["researcher"][0].agent_call_count == 2


def test_batches_and_asynchronous_calls(lesson):
    """In order, awaited, and as they complete."""
    printed = lesson.run(RESEARCH, BATCH)
    assert lesson["results"] == ["synthesizer[Facts:]"] * 4
    done = sorted(line for line in printed.splitlines() if line.startswith("Task"))
    assert done == [f"Task {number} done: synthesizer[Facts:]" for number in range(4)]


def test_a_tactic_is_extended_by_inheritance(lesson):
    """`super().call` runs the stages of the base on the agents of the extension."""
    printed = lesson.run(WRITING, EDITED, EDITED_CONFIG)
    assert printed == "editor[Polish this draft for clarity and concision:]\n"
    calls = lesson["tactic"].llm_invoker.calls
    assert [call.agent for call in calls] == ["outliner", "writer", "editor"]
    assert calls[0].args == {"temperature": 0.7}


def test_a_base_stays_out_of_the_table(lesson):
    """`register=False` keeps it out; what inherits from it is in."""
    lesson.run(SHARED_BASE)
    assert get_tactic_class("blog_post") is lesson["BlogPostTactic"]
    config = {
        "global": {"model_name": "gpt-4o"},
        "agent_configs": [{"name": name, "system_prompt": name} for name in ("writer", "seo_reviewer")],
    }
    assert lesson["BlogPostTactic"](config)("draft") == "seo_reviewer[Add SEO keywords to:]"
    with pytest.raises(KeyError):
        get_tactic_class("BaseWritingTactic")


def test_defining_a_class_registers_it(lesson):
    """And `build_tactic` finds it by its name, or by the config's `tactic_type`."""
    lesson.names["config"] = {
        "agent_configs": [{"name": "agent_a", "model_name": "gpt-4o", "system_prompt": "x"}],
    }
    lesson.run(REGISTRATION)
    assert type(lesson["t"]) is lesson["MyTactic"]
    named = {**lesson["config"], "tactic_type": "my_tactic"}
    assert type(lesson["build_tactic"](named)) is lesson["MyTactic"]


def test_the_lesson_works_inside_of_a_running_loop(lesson):
    """A synchronous call in asynchronous code is answered too."""
    lesson.run(CONFIGURING, "tactic = SummarizerTactic(config)")

    async def inside():
        return lesson["tactic"]("x")

    assert asyncio.run(inside()).startswith("writer[")
