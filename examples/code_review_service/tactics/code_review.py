"""A code review with typed input and output, done by two agents."""

from typing import Literal

from pydantic import BaseModel, Field

from lllm import Prompt, Tactic


class ReviewRequest(BaseModel):
    """What is to be reviewed."""

    diff: str = Field(description="A unified diff")
    focus: str = "correctness"


class Finding(BaseModel):
    """One thing that should be looked at."""

    file: str
    line: int
    severity: Literal["note", "warning", "error"]
    text: str


class Findings(BaseModel):
    """What the reviewer answers with."""

    findings: list[Finding]


class Review(BaseModel):
    """What the caller gets."""

    summary: str
    findings: list[Finding]
    approved: bool


FIND = Prompt(
    path="code_review/find",
    prompt="Review this change with an eye on {focus}. Summary: {summary}\n\n{diff}",
    format=Findings,
)


class CodeReview(Tactic[ReviewRequest, Review]):
    """Review a change: a summary, findings by file and line, and a verdict."""

    name = "code_review"
    agent_group = ["summarizer", "reviewer"]

    def call(self, task: ReviewRequest, **kwargs) -> Review:
        summarizer, reviewer = self.agents["summarizer"], self.agents["reviewer"]

        summarizer.open("summary")
        summarizer.receive(f"What does this change do?\n\n{task.diff}")
        summary = summarizer.respond().content

        reviewer.open("review")
        reviewer.receive_prompt(FIND, {"focus": task.focus, "summary": summary, "diff": task.diff})
        findings = reviewer.respond().parsed["value"].findings

        approved = all(finding.severity != "error" for finding in findings)
        return Review(summary=summary, findings=findings, approved=approved)


CONFIG = {
    "global": {"model_name": "gpt-4o", "model_args": {"temperature": 0}, "max_exception_retry": 2},
    "agent_configs": [
        {"name": "summarizer", "system_prompt": "You say in one sentence what a change does."},
        {"name": "reviewer", "system_prompt": "You review code. You report only what you are sure of."},
    ],
    # What the models say under LLLM_INVOKER=mock; other invokers ignore it.
    "invoker_config": {
        "replies": {
            "summarizer": ["It divides by the number of items."],
            "reviewer": [
                '{"findings": [{"file": "mean.py", "line": 2, "severity": "error", '
                '"text": "An empty list divides by zero."}]}'
            ],
        }
    },
}


def build_code_review() -> CodeReview:
    """Return the tactic as it is served: `lllm serve tactics.code_review:build_code_review`."""
    return CodeReview(CONFIG)
