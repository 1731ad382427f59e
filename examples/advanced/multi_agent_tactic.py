"""Extending a tactic by inheritance: `python multi_agent_tactic.py [TOPIC]`.

With LLLM_INVOKER=mock no model is asked; otherwise OPENAI_API_KEY is needed, or OPENAI_BASE_URL for another
OpenAI-compatible server.
"""

import sys

from lllm import Tactic


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
        writer.receive(f"Expand this outline into a short article:\n\n{outline}")
        return writer.respond().content


class EditedWritingPipeline(WritingPipeline):
    """The same with an editor at the end."""

    name = "edited_writing_pipeline"
    agent_group = ["outliner", "writer", "editor"]

    def call(self, task: str) -> str:
        draft = super().call(task)
        editor = self.agents["editor"]
        editor.open("edit")
        editor.receive(f"Polish this draft for clarity and concision:\n\n{draft}")
        return editor.respond().content


class BaseWritingTactic(Tactic, register=False):
    """Shared writing utilities, not registered: nobody builds it from a config."""

    agent_group = ["writer"]

    def _polish(self, text: str) -> str:
        writer = self.agents["writer"]
        writer.open("polish")
        writer.receive(f"Polish this:\n\n{text}")
        return writer.respond().content


class BlogPostTactic(BaseWritingTactic):
    """Polish a draft and add keywords."""

    name = "blog_post"
    agent_group = ["writer", "seo_reviewer"]

    def call(self, task: str) -> str:
        draft = self._polish(task)
        reviewer = self.agents["seo_reviewer"]
        reviewer.open("seo")
        reviewer.receive(f"Add SEO keywords to:\n\n{draft}")
        return reviewer.respond().content


CONFIG = {
    "global": {"model_name": "gpt-4o", "model_args": {"temperature": 0.7}},
    "agent_configs": [
        {"name": "outliner", "system_prompt": "You create concise, structured outlines."},
        {"name": "writer", "system_prompt": "You expand outlines into engaging articles."},
        {"name": "editor", "system_prompt": "You polish prose for clarity and concision."},
        {"name": "seo_reviewer", "system_prompt": "You add keywords without spoiling the style."},
    ],
    # What the models say under LLLM_INVOKER=mock; other invokers ignore it.
    "invoker_config": {
        "replies": {
            "outliner": ["1. Why  2. How  3. What next"],
            "writer": ["Agents plan. Agents act. We review.", "Agents plan, act, and are reviewed."],
            "editor": ["Agents plan and act; we review."],
            "seo_reviewer": ["Agents plan, act, and are reviewed. #agents"],
        }
    },
}


def main() -> None:
    topic = sys.argv[1] if len(sys.argv) > 1 else "the rise of agentic AI"
    session = EditedWritingPipeline(CONFIG)(topic, return_session=True)
    print(session.delivery)
    print(f"-- {session.agent_call_count} agent calls, ${session.total_cost.cost:.4f}")
    print(BlogPostTactic(CONFIG)(session.delivery))


if __name__ == "__main__":
    main()
