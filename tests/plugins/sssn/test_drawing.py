"""Lineage as a tree, as Mermaid and as SVG."""

from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sssn import Event
from sssn.cli.graph import build_lineage, when
from sssn.cli.mermaid import draw_mermaid
from sssn.cli.svg import BOX_HEIGHT, BOX_WIDTH, draw_svg
from sssn.cli.tree import draw_tree

SVG = "{http://www.w3.org/2000/svg}"


def event(name, *parents, channel="raw", cursor=1, kind="event", source=None, payload=None):
    return Event(
        id=name,
        channel=channel,
        cursor=cursor,
        kind=kind,
        source=source,
        payload=payload,
        timestamp=1000.5,
        parent_ids=parents,
    )


@pytest.fixture
def lineage():
    """Two roots, one with a parent outside; a diamond; a second child."""
    return build_lineage(
        [
            event("a", kind="message", source="example"),
            event("b", "gone", cursor=2),
            event("c", "a", channel="mid", kind="step"),
            event("d", "a", "b", "a", channel="mid", cursor=2),
            event("e", "c", "d", channel="out"),
        ]
    )


def test_tree(lineage):
    """Each event stands once, under its first parent; its other parents are named."""
    assert list(draw_tree(lineage)) == [
        "raw #1  message  from example  1970-01-01T00:16:40.500Z  a",
        "├─ mid #1  step  1970-01-01T00:16:40.500Z  c",
        "│  └─ out #1  event  1970-01-01T00:16:40.500Z  e  (also after mid #2)",
        "└─ mid #2  event  1970-01-01T00:16:40.500Z  d  (also after raw #2)",
        "raw #2  event  1970-01-01T00:16:40.500Z  b  (also after gone)",
    ]


def test_mermaid(lineage):
    """Boxes for events, a dashed round for what lies outside, an arrow for each edge."""
    assert list(draw_mermaid(lineage)) == [
        "flowchart LR",
        '    e1["raw #35;1<br/>message"]',
        '    e2["raw #35;2<br/>event"]',
        '    e3["mid #35;1<br/>step"]',
        '    e4["mid #35;2<br/>event"]',
        '    e5["out #35;1<br/>event"]',
        '    x1(["gone"])',
        "    x1 -.-> e2",
        "    e1 --> e3",
        "    e1 --> e4",
        "    e2 --> e4",
        "    e3 --> e5",
        "    e4 --> e5",
    ]


def boxes(document):
    """Return the upper left corner of each box."""
    groups = [group.get("transform") for group in document.iter(f"{SVG}g")]
    return [tuple(map(float, text.removeprefix("translate(").rstrip(")").split())) for text in groups]


def test_svg(lineage):
    """One box an event, none on another, parents left of children, one arrow an edge."""
    document = ElementTree.fromstring("\n".join(draw_svg(lineage, label="Lineage of c")))
    assert document.find(f"{SVG}title").text == "Lineage of c"
    places = boxes(document)
    assert len(places) == 5
    for (x1, y1), (x2, y2) in combinations(places, 2):
        assert abs(x1 - x2) >= BOX_WIDTH or abs(y1 - y2) >= BOX_HEIGHT
    a, b, c, d, e = places
    assert a[0] == b[0] < c[0] == d[0] < e[0]
    assert max(x for x, _ in places) + BOX_WIDTH < float(document.get("width"))
    assert max(y for _, y in places) + BOX_HEIGHT < float(document.get("height"))
    arrows = [path for path in document.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(arrows) == 6
    assert sum(path.get("class") == "outside" for path in arrows) == 1
    assert "raw #1 · message" in [text.text for text in document.iter(f"{SVG}text")]


def test_nothing_to_draw():
    """An unknown correlation is an empty picture, not an error."""
    empty = build_lineage([])
    assert list(draw_tree(empty)) == []
    assert list(draw_mermaid(empty)) == ["flowchart LR"]
    assert boxes(ElementTree.fromstring("".join(draw_svg(empty, label="x")))) == []


HOSTILE = '<script>"&`\\#\x01\x0b\ud800]]>\u2028'


def test_hostile_texts():
    """No name, source or payload breaks out of its place in any of the pictures."""
    lineage = build_lineage([event("i", channel='"<x>`#&', source=HOSTILE, payload={"p": "<script>\x01"})])
    document = ElementTree.fromstring("\n".join(draw_svg(lineage, label=HOSTILE)).encode("utf-8", "strict"))
    assert not list(document.iter(f"{SVG}script"))
    _, box = draw_mermaid(lineage)
    assert box.count('"') == 2
    assert "<x>" not in box
    assert len(list(draw_tree(lineage))) == 1


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=3), max_size=30).map(
        lambda rows: [
            event(f"e{number}", *[f"e{parent}" for parent in parents if parent < number], cursor=number + 1)
            for number, parents in enumerate(rows)
        ]
    )
)
def test_any_lineage_is_drawn(events):
    """Whatever the shape, each event has one line and one box, and boxes never overlap."""
    lineage = build_lineage(events)
    assert len(list(draw_tree(lineage))) == len(events)
    places = boxes(ElementTree.fromstring("".join(draw_svg(lineage, label="x"))))
    assert len(places) == len(events)
    for (x1, y1), (x2, y2) in combinations(places, 2):
        assert abs(x1 - x2) >= BOX_WIDTH or abs(y1 - y2) >= BOX_HEIGHT


def test_a_deep_lineage():
    """A chain far beyond Python's recursion limit is drawn."""
    events = [
        event("e0"),
        *[event(f"e{number}", f"e{number - 1}", cursor=number + 1) for number in range(1, 3000)],
    ]
    lineage = build_lineage(events)
    assert sum(1 for _ in draw_tree(lineage)) == 3000
    assert "".join(draw_svg(lineage, label="x")).count("<g ") == 3000


def test_times():
    """A time that no calendar reaches is shown as a number."""
    assert when(0) == "1970-01-01T00:00:00.000Z"
    assert when(1e300) == "1e+300"
    assert when(-1e300) == "-1e+300"
