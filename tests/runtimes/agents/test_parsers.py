"""Blocks in replies, and the parser of tags."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lllm_runtime_agents import DefaultTagParser, ParseError, find_md_blocks, find_xml_blocks


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("<a>1</a> <a> 2\n</a>", ["1", " 2\n"]),
        ("<a>x<a>y</a>", ["x<a>y"]),
        ("<A>1</A><a k='v'>2</a>", []),
        ("<a>open", []),
        ("</a><a>1</a>", ["1"]),
        ("<a></a>", [""]),
        ("<ab>1</ab>", []),
    ],
)
def test_xml_blocks_are_the_shortest_matches(text, blocks):
    """Across lines, case-sensitive, without attributes, not stripped."""
    assert find_xml_blocks(text, "a") == blocks


def test_xml_blocks_have_options():
    """Attributes, case and nesting can be asked for."""
    text = '<A k="1">x<a>y</a>z</A>'
    assert find_xml_blocks(text, "a", attributes=True, ignore_case=True) == ["x<a>y"]
    assert find_xml_blocks(text, "a", attributes=True, ignore_case=True, nested=True) == ["x<a>y</a>z", "y"]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("```json\n{}\n```", ["{}"]),
        ('```json {"a": 1}```', ['{"a": 1}']),
        ("```python\nx\n```", []),
        ("```\nx\n```", []),
        ("````json\na ```inner``` b\n````", ["a ```inner``` b"]),
        ('```json title="x" n=1\n{}\n```', ["{}"]),
        ("```json\nopen", []),
        ("a ``` b ```json\n{}\n``` c", ["{}"]),
        ("```json\n1\n``` and ```json\n2\n```", ["1", "2"]),
    ],
)
def test_md_blocks_match_the_whole_info_word(text, blocks):
    """A fence ends at the next run of as many backticks; the rest of the info line is no content."""
    assert find_md_blocks(text, "json") == blocks
    assert find_md_blocks("```python\nx\n```", "py") == []


@pytest.mark.parametrize("find", [find_xml_blocks, find_md_blocks])
@pytest.mark.parametrize("tag", ["", " ", "a b", "<a>", "a>", "`", "a/b", ".."])
def test_bad_tags_are_refused(find, tag):
    """A tag is a token without delimiters."""
    with pytest.raises(ValueError, match="tag"):
        find("text", tag)


@pytest.mark.parametrize("find", [find_xml_blocks, find_md_blocks])
def test_only_text_is_searched(find):
    """Bytes are not decoded."""
    with pytest.raises(TypeError, match="text must be a string"):
        find(b"text", "a")
    with pytest.raises(TypeError, match="tag must be a string"):
        find("text", b"a")


@pytest.mark.parametrize(
    ("find", "unit"), [(find_xml_blocks, "<a>"), (find_xml_blocks, "<a>1</a>"), (find_md_blocks, "```a x ")]
)
def test_the_time_grows_with_the_length(find, unit):
    """Eight times the text takes about eight times as long, whatever stands in it."""

    def seconds(count):
        text = unit * count
        best = 1.0
        for _ in range(5):
            start = time.perf_counter()
            find(text, "a")
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(40_000) < 40 * max(seconds(5_000), 1e-4)


def test_descending_fences_take_linear_time():
    """Fences that never close are not each searched to the end."""
    text = "".join("`" * length + "a " for length in range(400, 2, -1))
    start = time.perf_counter()
    assert find_md_blocks(text, "a") == []
    assert time.perf_counter() - start < 1.0


@given(st.text(alphabet="<>/a`\n x", max_size=80))
def test_every_block_stands_in_the_text(text):
    """A found block is a part of what was searched."""
    for block in find_xml_blocks(text, "a"):
        assert f"<a>{block}</a>" in text
    for block in find_md_blocks(text, "a"):
        assert block in text


def test_the_parser_returns_all_kinds_of_tags():
    """XML tags, fences and signals stand side by side; required tags need not be repeated."""
    parser = DefaultTagParser(
        xml_tags=["a"], md_tags=("json",), signal_tags=["DONE", "STOP"], required_xml_tags=["b", "a"]
    )
    text = "<a>1</a><b>2</b><a>3</a>\n```json\n{}\n```<DONE>"
    assert parser.parse(text, unused=1) == {
        "raw": text,
        "xml_tags": {"a": ["1", "3"], "b": ["2"]},
        "md_tags": {"json": ["{}"]},
        "signal_tags": {"DONE": True, "STOP": False},
    }


def test_everything_that_is_missing_is_reported_at_once():
    """One error lists all missing tags."""
    parser = DefaultTagParser(xml_tags=["a"], required_md_tags=["json"])
    with pytest.raises(ParseError) as caught:
        parser.parse("nothing")
    assert str(caught.value) == (
        "Parsing errors:\nMissing required XML tag: <a>...</a>\nMissing required markdown block: ```json"
    )
    assert caught.value.message == str(caught.value)
    assert caught.value.detail == ""


@pytest.mark.parametrize(
    "fields",
    [{"xml_tags": "a"}, {"md_tags": [1]}, {"signal_tags": ["a b"]}, {"xml_tags": None}, {"parser_args": 1}],
)
def test_bad_fields_are_refused(fields):
    """Tags come in lists of tokens."""
    with pytest.raises(ValidationError):
        DefaultTagParser(**fields)


def test_a_single_tag_is_no_list():
    """The error says what is wanted."""
    with pytest.raises(ValidationError, match="must be a list of tag strings"):
        DefaultTagParser(xml_tags="a")


def test_only_text_is_parsed():
    """Bytes are refused."""
    with pytest.raises(TypeError, match="content must be a string"):
        DefaultTagParser().parse(b"x")
