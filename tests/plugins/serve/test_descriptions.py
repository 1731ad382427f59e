"""What a service says about itself: lists, descriptions, OpenAPI, health."""

import logging
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from lllm import Tactic, TacticEvent, create_service_app, create_tactic_app, endpoint
from lllm.store import MemoryStore
from lllm_serve import mount_store


class Shared(BaseModel):
    """Two tactics have a type of this name."""

    a: int


def other_shared():
    """Return another type of the same name."""

    class Shared(BaseModel):
        b: str

    return Shared


class Login(BaseModel):
    user: str = "guest"
    password: str = "hunter2"
    api_key_ref: str = "vault.main"


class Described(Tactic[Login, dict], register=False):
    """Shows what is public."""

    name = "described"

    async def _arun(self, input_value, *, context=None):
        return {}


def test_metadata_is_filtered(client):
    """Secret-shaped keys go, refs stay, values that look like keys are masked."""
    tactic = Described(
        metadata={"owner": "me", "token": "t", "nested": {"apiKey": "k", "ok": 1}, "api_key_ref": "v"},
        examples=[{"input": {"user": "u", "password": "p"}}],
    )
    http = client(tactic)
    for info in (http.get("/info").json(), http.get("/tactics").json()[0]):
        assert info["metadata"] == {"owner": "me", "nested": {"ok": 1}, "api_key_ref": "v"}
        assert info["examples"] == [{"input": {"user": "u"}}]
    assert http.get("/tactics/described/info").json() == http.get("/info").json()


def test_defaults_of_secret_fields_are_not_shown(client):
    """Neither in the description nor in the OpenAPI document."""
    http = client(Described())
    properties = http.get("/info").json()["input_schema"]["properties"]
    assert "default" not in properties["password"]
    assert properties["user"]["default"] == "guest"
    assert properties["api_key_ref"]["default"] == "vault.main"
    assert "hunter2" not in http.get("/openapi.json").text


def test_metadata_that_is_not_json_is_shown_as_text(client, caplog):
    """And reported once, with the name of the tactic; the list always works."""
    from datetime import date

    class Opaque:
        def __str__(self):
            return "opaque thing"

    with caplog.at_level(logging.WARNING, "lllm.serve"):
        http = client(
            [Described(metadata={"x": Opaque(), "n": float("nan"), "s": {1}, "d": date(2026, 1, 2)})]
        )
    assert http.get("/tactics").json()[0]["metadata"] == {
        "x": "opaque thing",
        "n": "nan",
        "s": [1],
        "d": "2026-01-02",
    }
    assert "'described' hold a Opaque" in caplog.text


def test_lists_keep_their_order_and_health_is_sorted(client, make):
    """As the contract has it."""
    tactics = {"zoo": make(lambda value, context: 1, name="own"), "ant": make(lambda value, context: 2)}
    http = client(tactics)
    assert [info["name"] for info in http.get("/tactics").json()] == ["own", "work"]
    assert http.get("/health").text == '{"ok":true,"tactics":["ant","zoo"]}'
    assert http.get("/ready").text == '{"ready":true}'
    response = http.post("/tactics/zoo/run", json=1)
    assert response.json()["tactic"] == "own"
    assert http.app.state.lllm_tactics == tactics


def test_short_paths_are_for_one_tactic_that_asks_for_them(client, echo, make):
    """A service has them only when it is told to and has one tactic."""
    two = make(lambda value, context: 2, name="two")
    assert client([echo]).post("/run", json={"text": "x"}).status_code == 404
    assert (
        client([echo], expose_single_tactic_routes=True).post("/run", json={"text": "x"}).status_code == 200
    )
    assert client([echo, two], expose_single_tactic_routes=True).get("/info").status_code == 404


def test_titles_and_descriptions(echo):
    """From the tactic, unless they are given."""
    app = create_tactic_app(echo)
    assert (app.title, app.description) == ("echo", "Says it louder.")
    app = create_tactic_app(echo, title="T", description="")
    assert (app.title, app.description) == ("T", "")
    assert create_service_app([echo]).title == "LLLM Tactic Service"


@pytest.mark.parametrize("name", ["add numbers", "a\u00a0b", "a\tb"])
def test_display_names_are_not_routable(make, name):
    """Legal as names, not as parts of a URL."""
    tactic = make(lambda value, context: 1, name=name)
    with pytest.raises(ValueError, match=r"tactic\.name must be a non-empty path segment\."):
        create_tactic_app(tactic)
    create_service_app({"fine": tactic})
    for key in ("", "a/b", "..", "a%20b", 5):
        with pytest.raises(ValueError, match=r"tactic\.name"):
            create_service_app({key: tactic})


def test_other_objects_cannot_be_served(echo):
    """Each with the words of the contract."""
    for wrong in ([object()], {"a": object()}, "echo", [Described]):
        with pytest.raises(ValueError, match="must be Tactic instances"):
            create_service_app(wrong)
    with pytest.raises(ValueError, match="must be Tactic instances"):
        create_tactic_app(Described)
    with pytest.raises(ValueError, match="must be Tactic instances"):
        create_service_app(echo)
    for empty in ([], {}):
        with pytest.raises(ValueError, match="requires at least one tactic"):
            create_service_app(empty)
    with pytest.raises(ValueError, match=r"Duplicate tactic\.name route: echo"):
        create_service_app([echo, echo])


def resolve(document, schema):
    """Follow a reference."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def test_openapi_has_the_types_of_every_tactic(client, make):
    """Envelope and raw; equal names of different types do not mix."""
    first = make(lambda value, context: 1, name="first", input_type=Shared, output_type=list[Shared])
    second = make(lambda value, context: 1, name="second", input_type=list[other_shared()])
    document = client([first, second]).get("/openapi.json").json()
    body = document["paths"]["/tactics/first/run"]["post"]["requestBody"]["content"]["application/json"]
    envelope, raw = (resolve(document, part) for part in body["schema"]["anyOf"])
    assert resolve(document, envelope["properties"]["input"]) == raw
    assert list(raw["properties"]) == ["a"]
    answer = document["paths"]["/tactics/first/run"]["post"]["responses"]["200"]["content"][
        "application/json"
    ]
    shape = resolve(document, answer["schema"])
    assert list(shape["properties"]) == ["output", "request_id", "tactic"]
    output = resolve(document, shape["properties"]["output"])
    assert list(resolve(document, output["items"])["properties"]) == ["a"]
    second_raw = document["paths"]["/tactics/second/run"]["post"]["requestBody"]["content"][
        "application/json"
    ]
    items = resolve(document, resolve(document, second_raw["schema"]["anyOf"][1])["items"])
    assert list(items["properties"]) == ["b"]


def test_openapi_shows_outputs_as_they_are_written(client, make):
    """By alias and with computed fields; secrets as secrets."""
    from pydantic import computed_field

    class Written(BaseModel):
        inner: int = Field(default=1, serialization_alias="outer")
        hidden: SecretStr = SecretStr("x")

        @computed_field
        @property
        def twice(self) -> int:
            return 2 * self.inner

    document = client(make(lambda value, context: Written(), output_type=Written)).get("/openapi.json").json()
    assert set(document["components"]["schemas"]["work_output"]["properties"]) == {"outer", "hidden", "twice"}


def test_openapi_is_made_once_and_names_security(client, echo, monkeypatch):
    """With a token, everything but health asks for it."""
    monkeypatch.setenv("SERVE_TOKEN", "t0ken")
    http = client(echo, auth="SERVE_TOKEN", headers={"authorization": "Bearer t0ken"})
    document = http.get("/openapi.json").json()
    assert document["paths"]["/run"]["post"]["security"] == [{"bearer": []}]
    assert "security" not in document["paths"]["/health"]["get"]
    assert http.app.openapi() is http.app.openapi()


class Calculation(BaseModel):
    """Strict, since pydantic otherwise takes what JSON Schema does not, such as true for 1."""

    model_config = ConfigDict(extra="forbid", strict=True)
    numbers: list[int] = Field(max_length=5)
    note: str | None = None


class Sum(Tactic[Calculation, int], register=False):
    """Adds."""

    name = "sum"

    async def _arun(self, input_value, *, context=None):
        return sum(input_value.numbers)

    async def _astream(self, input_value, *, context=None):
        for number in input_value.numbers:
            yield number
        yield TacticEvent.result(sum(input_value.numbers))

    @endpoint.get("/power/{base}")
    def power(self, base: int, exponent: int = 2) -> Any:
        return base * exponent

    @endpoint.post("/mean")
    async def mean(self, value, context):
        return sum(value.numbers) / max(1, len(value.numbers))


schema = schemathesis.openapi.from_asgi(
    "/openapi.json", create_tactic_app(Sum()), headers={"Host": "127.0.0.1"}
)


@schema.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_service_does_what_its_document_says(case):
    """Requests made from the document are answered as the document says, good ones and bad ones."""
    headers = {**(case.headers or {}), "Host": "127.0.0.1"}
    headers.pop("X-LLLM-Timeout-Ms", None)  # a few milliseconds are rightly answered with 504
    case.headers = headers
    case.call_and_validate(excluded_checks=[unsupported_method, missing_required_header])


def beside_a_store():
    """Return an application of a tactic and a store."""
    app = create_service_app([Sum()])
    mount_store(app, MemoryStore())
    return app


both = schemathesis.openapi.from_asgi("/openapi.json", beside_a_store(), headers={"Host": "127.0.0.1"})


@both.parametrize()
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_breaks_a_service_with_a_store(case):
    """Whatever is sent, the answer is one that the document announces, and never a failure of the service itself."""
    headers = {**(case.headers or {}), "Host": "127.0.0.1"}
    headers.pop("X-LLLM-Timeout-Ms", None)
    case.headers = headers
    case.call_and_validate(
        checks=[
            not_a_server_error,
            content_type_conformance,
            response_schema_conformance,
            status_code_conformance,
        ]
    )
