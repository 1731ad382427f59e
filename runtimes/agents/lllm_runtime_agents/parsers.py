"""Parsers: what a prompt makes of the text that a model wrote."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from lllm_runtime_agents.blocks import check_tag, find_md_blocks, find_xml_blocks
from lllm_runtime_agents.errors import ParseError

__all__ = ["BaseParser", "DefaultTagParser", "Parser", "run_parser"]


class BaseParser(ABC):
    """Reads what a model wrote; subclass it and hand an instance to a `Prompt`."""

    @abstractmethod
    def parse(self, content: str, **runtime_args: Any) -> dict[str, Any]:
        """Return what the content says.

        Args:
            content: The model's text.
            **runtime_args: The `parser_args` of `Agent.respond`.

        Raises:
            ParseError: The content is malformed; the model is told and asked again.
        """


Parser = BaseParser | Callable[..., Any]


def run_parser(parser: Parser | None, content: str, runtime_args: dict[str, Any]) -> dict[str, Any]:
    """Apply a parser, or none, and return a map that always holds `raw`.

    Args:
        parser: A parser object, or a callable `(content, **runtime_args)`; what it returns stands under `value`
            unless it is a map.
        content: The model's text.
        runtime_args: Passed on to the parser.
    """
    if parser is None:
        return {"raw": content}
    parse = parser.parse if isinstance(parser, BaseParser) else parser
    result = parse(content, **runtime_args)
    return {"raw": content, **(result if isinstance(result, dict) else {"value": result})}


def _tag_list(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise ValueError("must be a list of tag strings")  # noqa: TRY004 - pydantic reports only ValueErrors
    return list(value)


Tags = Annotated[list[Annotated[StrictStr, AfterValidator(check_tag)]], BeforeValidator(_tag_list)]


class DefaultTagParser(BaseModel, BaseParser):
    """Reads XML tags, fenced Markdown blocks and signal tags.

    Attributes:
        xml_tags: Tags whose contents are returned; every one of them must occur.
        md_tags: Info words of fences whose contents are returned; every one of them must occur.
        signal_tags: Tags of which only the presence of `<TAG>` counts.
        required_xml_tags: Further required tags; they need not stand in `xml_tags`.
        required_md_tags: Further required fences; they need not stand in `md_tags`.
        parser_args: Kept for subclasses.
    """

    model_config = ConfigDict(defer_build=True)

    xml_tags: Tags = Field(default_factory=list)
    md_tags: Tags = Field(default_factory=list)
    signal_tags: Tags = Field(default_factory=list)
    required_xml_tags: Tags = Field(default_factory=list)
    required_md_tags: Tags = Field(default_factory=list)
    parser_args: dict[StrictStr, Any] = Field(default_factory=dict)

    def parse(self, content: str, **runtime_args: Any) -> dict[str, Any]:
        """Return `raw`, `xml_tags`, `md_tags` and `signal_tags`.

        Args:
            content: The model's text.
            **runtime_args: Ignored here; for subclasses.

        Raises:
            TypeError: `content` is not a string.
            ParseError: A tag is missing; all that are missing stand in one message.
        """
        if not isinstance(content, str):
            raise TypeError("content must be a string.")
        xml = {tag: find_xml_blocks(content, tag) for tag in _once(self.xml_tags, self.required_xml_tags)}
        fenced = {tag: find_md_blocks(content, tag) for tag in _once(self.md_tags, self.required_md_tags)}
        problems = [
            f"Missing required XML tag: <{tag}>...</{tag}>" for tag, found in xml.items() if not found
        ]
        problems += [
            f"Missing required markdown block: ```{tag}" for tag, found in fenced.items() if not found
        ]
        if problems:
            raise ParseError("\n".join(["Parsing errors:", *problems]))
        return {
            "raw": content,
            "xml_tags": xml,
            "md_tags": fenced,
            "signal_tags": {tag: f"<{tag}>" in content for tag in self.signal_tags},
        }


def _once(*tags: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(tag for group in tags for tag in group))
