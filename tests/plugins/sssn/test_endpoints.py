"""The endpoint decorator, its record, and the rules for names and routes."""

from __future__ import annotations

import dataclasses

import pytest

from sssn import StoreEndpointSpec, endpoint
from sssn.endpoints import check_endpoint_specs, check_reserved_routes
from sssn.server import endpoint_path_key, endpoint_route_key, endpoint_spec, endpoint_specs


def test_decorator_records_a_spec_and_returns_the_function():
    """The decorated function stays itself and carries the spec with its own name and docstring."""

    def count_events(store, name):
        """
        Count the events.
        """
        return store.head(name)

    decorated = endpoint.get("/channels/{name}/count", scope="channel", tags=["stats"])(count_events)
    assert decorated is count_events
    assert decorated.__sssn_endpoint__ == StoreEndpointSpec(
        method="GET",
        path="/channels/{name}/count",
        name="count_events",
        scope="channel",
        description="Count the events.",
        tags=("stats",),
    )


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_each_method_has_a_decorator(method):
    """The attribute's name is the HTTP method; explicit name and description win."""

    @getattr(endpoint, method)("state", name="other", description="text")
    def function():
        """Not used."""

    spec = endpoint_spec(function)
    assert (spec.method, spec.path, spec.name, spec.description) == (
        method.upper(),
        "/state",
        "other",
        "text",
    )
    assert (spec.scope, spec.tags) == ("store", ())


def test_spec_is_frozen_and_upper_cases_its_method():
    """A spec normalises itself and cannot change afterwards."""
    spec = StoreEndpointSpec("get", "state", "state")
    assert (spec.method, spec.path) == ("GET", "/state")
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "x"


@pytest.mark.parametrize(
    "path", ["", "  ", None, 3, b"/x", "/a b", "/a\n", "//x", "http://x/y", "/a?b", "/a#b", "/%41"]
)
def test_bad_paths_are_refused(path):
    """A path that is not a plain path is a ValueError naming the path, before anything is decorated."""
    with pytest.raises(ValueError, match="endpoint path must"):
        endpoint.get(path)


@pytest.mark.parametrize("path", ["/{p:path}", "{rest:path}", "/{p:path}/"])
def test_a_catch_all_at_the_root_is_refused(path):
    """A catch-all at the root would swallow every other route."""
    with pytest.raises(ValueError, match="catch-all at the root"):
        endpoint.get(path)
    assert StoreEndpointSpec("GET", "/files/{p:path}", "files").path == "/files/{p:path}"


@pytest.mark.parametrize("name", ["", "a b", "a%b", "\t", 3, b"x"])
def test_bad_names_are_refused(name):
    """A name is a non-empty string without whitespace and percent escapes."""
    with pytest.raises(ValueError, match="endpoint name must"):
        endpoint.get("/x", name=name)


@pytest.mark.parametrize("tags", ["tag", b"tag", None, 3, {"tag"}, ["a b"], [""], ["a%"], [3]])
def test_bad_tags_are_refused(tags):
    """Tags are a sequence, not a string, of names."""
    with pytest.raises(ValueError, match="endpoint tag"):
        endpoint.get("/x", tags=tags)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("scope", "world", "unsupported endpoint scope"),
        ("scope", ["store"], "unsupported endpoint scope"),
        ("description", 3, "endpoint description must be a string"),
        ("method", "HEAD", "unsupported endpoint method"),
        ("method", " get", "unsupported endpoint method"),
        ("method", None, "unsupported endpoint method"),
    ],
)
def test_other_bad_fields_are_refused(field, value, text):
    """Scope, description and method are checked with a text that names them."""
    fields = {"method": "GET", "path": "/x", "name": "x", field: value}
    with pytest.raises(ValueError, match=text):
        StoreEndpointSpec(**fields)


def test_specs_skip_undecorated_functions():
    """`endpoint_specs` keeps order and leaves out what was never decorated."""

    @endpoint.get("/a")
    def a(): ...

    @endpoint.post("/b")
    def b(): ...

    assert [(function, spec.name) for function, spec in endpoint_specs([b, len, a])] == [(b, "b"), (a, "a")]
    assert endpoint_spec(len) is None


def test_route_keys_ignore_parameter_names():
    """Two paths that differ only in parameter names are one route."""
    assert endpoint_path_key("/channels/{name}/x/{p:path}") == "/channels/{}/x/{}"
    spec = StoreEndpointSpec("GET", "/channels/{name}/count", "count")
    assert endpoint_route_key(spec) == ("GET", "/channels/{}/count")


def test_duplicates_are_refused():
    """One name, or one route, twice is an error with the exact text."""
    first = StoreEndpointSpec("GET", "/x", "x")
    with pytest.raises(ValueError) as name:
        check_endpoint_specs([first, StoreEndpointSpec("POST", "/y", "x")])
    assert str(name.value) == "duplicate custom endpoint name: 'x'"
    with pytest.raises(ValueError) as route:
        check_endpoint_specs([first, StoreEndpointSpec("GET", "/x", "y")])
    assert str(route.value) == "duplicate custom endpoint route: GET '/x'"
    check_endpoint_specs([first, StoreEndpointSpec("POST", "/x", "y")])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("POST", "/channels"),
        ("GET", "/channels/{other}"),
        ("POST", "/subscriptions/{id}/pull"),
        ("PUT", "/snapshots/{x}"),
        ("DELETE", "/v1"),
        ("GET", "/v1/anything"),
    ],
)
def test_reserved_routes_are_refused(method, path):
    """Built-in routes, documentation and everything under /v1 belong to the service."""
    with pytest.raises(ValueError) as error:
        check_reserved_routes([StoreEndpointSpec(method, path, "x")])
    assert (
        str(error.value)
        == f"custom endpoint route conflicts with reserved SSSN service route: {method} {path}"
    )


def test_routes_beside_the_reserved_ones_are_free():
    """Other methods, deeper paths and literals under a parameter route may be used."""
    check_reserved_routes(
        StoreEndpointSpec(method, path, f"e{number}")
        for number, (method, path) in enumerate(
            [
                ("POST", "/health"),
                ("GET", "/channels/{name}/count"),
                ("GET", "/snapshots/latest-analysis"),
                ("GET", "/v1x"),
            ]
        )
    )
