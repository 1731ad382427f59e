"""Custom endpoints: everything is checked when they are declared."""

import pytest

from lllm import EndpointSpec, Tactic, endpoint
from lllm.tactic import custom_endpoints, endpoint_path_key, endpoint_route_key, tactic_resource


class Service(Tactic):
    @endpoint.post("act", tags=["x"])
    def act(self, value):
        """Acts.

        Really.
        """

    @endpoint.get("/items/{id}", name="item", mode="events", description="One item.")
    async def read_item(self, value):
        pass

    @endpoint.delete("/static")
    @staticmethod
    def static(value):
        pass

    @endpoint.put("/hidden")
    def _hidden(self, value):
        pass

    @property
    def explosive(self):
        raise RuntimeError("evaluated")


def test_endpoints_are_found_sorted_and_bound():
    """Names default to the method, descriptions to its docstring; private methods and properties are left."""
    tactic = Service()
    found = custom_endpoints(tactic)
    assert [spec.name for spec, _ in found] == ["act", "item", "static"]
    act = found[0][0]
    assert act == EndpointSpec("POST", "/act", "act", "run", "Acts.\n\nReally.", ("x",))
    assert found[0][1] == tactic.act
    assert tactic_resource(tactic)["endpoints"][1] == {
        "name": "item",
        "method": "GET",
        "path": "/items/{id}",
        "mode": "events",
        "description": "One item.",
        "tags": [],
    }


def test_an_override_replaces_the_inherited_endpoint():
    """The nearest definition of an attribute counts, also one that is no endpoint."""

    class Quiet(Service):
        act = None

    assert [spec.name for spec, _ in custom_endpoints(Quiet())] == ["item", "static"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        None,
        "a b",
        "//a",
        "a%20",
        "http://x",
        "a?b",
        "a#b",
        "a\\b",
        "a:b",
        "a;b",
        "/",
        "a/",
        "a//b",
        "./a",
        "a/..",
    ],
)
def test_bad_paths(path):
    """Nothing but plain absolute routes; the text says `endpoint path must`."""
    with pytest.raises(ValueError, match=r"^endpoint path must"):
        endpoint.get(path)(lambda self: None)


@pytest.mark.parametrize("name", ["", "a b", "a/b", 5, b"x"])
def test_bad_names_and_tags(name):
    """Names and tags are tokens."""
    with pytest.raises(ValueError, match="endpoint name must be a non-empty token"):
        EndpointSpec("GET", "/a", name)
    with pytest.raises(ValueError, match="endpoint tag must be a non-empty token"):
        EndpointSpec("GET", "/a", "n", tags=(name,))


def test_other_bad_fields():
    """Mode, method, description and the type of tags."""
    with pytest.raises(ValueError, match="unsupported endpoint mode"):
        endpoint.get("/a", mode="x")(lambda self: None)
    with pytest.raises(ValueError, match="unsupported endpoint method"):
        EndpointSpec("HEAD", "/a", "n")
    with pytest.raises(ValueError, match="description"):
        EndpointSpec("GET", "/a", "n", description=5)
    for tags in ("abc", b"abc", 5):
        with pytest.raises(ValueError, match="tags"):
            EndpointSpec("GET", "/a", "n", tags=tags)
    assert EndpointSpec("get", "a", "n").method == "GET"


def test_duplicates_are_refused():
    """One name and one route each, whatever the parameters are called."""

    class SameName(Tactic):
        @endpoint.get("/a", name="x")
        def a(self, value):
            pass

        @endpoint.get("/b", name="x")
        def b(self, value):
            pass

    class SameRoute(Tactic):
        @endpoint.get("/a/{one}")
        def a(self, value):
            pass

        @endpoint.get("/a/{two}")
        def b(self, value):
            pass

    with pytest.raises(ValueError, match="Duplicate endpoint name"):
        custom_endpoints(SameName())
    with pytest.raises(ValueError, match="Duplicate custom endpoint route"):
        custom_endpoints(SameRoute())


def test_route_keys():
    """Parameters do not tell routes apart."""
    assert endpoint_path_key("/a/{x}/b/{y:path}") == "/a/{}/b/{}"
    assert endpoint_route_key(EndpointSpec("GET", "/a/{x}", "n")) == ("GET", "/a/{}")
