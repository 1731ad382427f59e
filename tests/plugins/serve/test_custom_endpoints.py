"""Custom endpoints: what they are called with and what they answer."""

import asyncio
import json

import pytest
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse

from lllm import Tactic, create_service_app, create_tactic_app, endpoint


class Query(BaseModel):
    words: list[str]
    limit: int = 10


class Search(Tactic[Query, list], register=False):
    """Finds words."""

    name = "search"

    async def _arun(self, input_value, *, context=None):
        return input_value.words

    @endpoint.get("/find")
    def find(self, value, *, loud: bool = False):
        words = value.words[: value.limit]
        return [word.upper() for word in words] if loud else words

    @endpoint.post("/act", tags=["deeds"])
    async def act_now(self, value, context):
        """Acts."""
        return {"words": value.words, "endpoint": context.endpoint, "id": context.request_id}

    @endpoint.put("/all/{key}")
    def everything(self, value, **kwargs):
        return {"key": kwargs["key"], "endpoint": kwargs["context"].endpoint}

    @endpoint.get("/items/{item}/{part}")
    def item(self, item: int, part: str, *, tag: list[str] = (), deep: bool = False):
        return [item, part, list(tag), deep]

    @endpoint.get("/items/newest/part")
    def newest(self):
        return "literal"

    @endpoint.get("/count")
    def count(self, start: int, stop: int = 3):
        return list(range(start, stop))

    @endpoint.delete("/gone/{key}")
    async def gone(self, key: str):
        raise HTTPException(410, f"{key} is gone")

    @endpoint.post("/response")
    def response(self, value):
        return PlainTextResponse("made here", 201, {"X-Own": "1"})

    @endpoint.post("/download")
    def download(self, value):
        return StreamingResponse(iter([b"a", b"b"]), media_type="text/csv")

    @endpoint.post("/raw")
    def raw(self, value, request: Request):
        return request.headers["x-own"]

    @endpoint.post("/nothing")
    def nothing(self):
        return None

    @endpoint.post("/words", mode="stream")
    def words(self, value):
        return iter(value.words)

    @endpoint.post("/slow-words", mode="events")
    async def slow_words(self, value):
        async def each():
            for word in value.words:
                yield word

        return each()

    @endpoint.post("/single", mode="stream")
    def single(self, value):
        return {"words": value.words}

    @staticmethod
    @endpoint.get("/static")
    def fixed():
        return "static"


@pytest.fixture
def http(client):
    """A client of the tactic."""
    return client(Search())


INPUT = {"input": {"words": ["a", "b"]}}


def test_the_input_is_validated_and_the_result_is_bare(http, error_of):
    """The envelope is read as for a run; the endpoint's name is in the context."""
    body = {**INPUT, "context": {"request_id": "r1", "endpoint": "spoof"}}
    response = http.post("/act", json=body)
    assert response.text == '{"words":["a","b"],"endpoint":"act_now","id":"r1"}'
    assert http.post("/act", json={"words": ["raw"]}).json()["words"] == ["raw"]
    error = error_of(http.post("/act", json={"input": {"words": 1}}))
    assert (error["type"], error["endpoint"], error["tactic"]) == ("SchemaError", "act_now", "search")


def test_keyword_arguments_bring_context_and_path(http):
    """A method that takes everything is given everything."""
    assert http.put("/all/k1", json=INPUT).json() == {"key": "k1", "endpoint": "everything"}


def test_a_get_builds_the_input_from_the_query(http, error_of):
    """Lists from repeated or single names; parameters of the method are not part of the input."""
    assert http.get("/find?words=a&words=b&limit=1").json() == ["a"]
    assert http.get("/find?words=a&loud=true").json() == ["A"]
    refused = http.get("/find?words=a&limit=many")
    assert (refused.status_code, error_of(refused)["type"]) == (400, "SchemaError")
    assert http.get("/find").status_code == 400
    assert http.request("GET", "/find", json=INPUT).json() == ["a", "b"]


def test_path_and_query_are_bound_by_name_and_type(http, error_of):
    """With conversions, defaults and lists."""
    assert http.get("/items/3/x").json() == [3, "x", [], False]
    assert http.get("/items/3/a%20b?tag=1&tag=2&deep=yes").json() == [3, "a b", ["1", "2"], True]
    bad = http.get("/items/three/x")
    assert (bad.status_code, error_of(bad)["message"].startswith("path.item: ")) == (400, True)
    assert error_of(http.get("/items/3/x?deep=perhaps"))["message"].startswith("query.deep: ")


def test_typed_parameters_of_a_get_come_from_the_query(http, error_of):
    """One that is no input is filled by name; a required one must be there."""
    assert http.get("/count?start=1").json() == [1, 2]
    assert http.get("/count?start=1&stop=2").json() == [1]
    missing = http.get("/count")
    assert (missing.status_code, error_of(missing)["message"]) == (400, "query.start: Field required")


def test_literal_routes_win(http):
    """A path with parameters does not shadow one without."""
    assert http.get("/items/newest/part").json() == "literal"


def test_responses_pass_through(http):
    """What a method builds itself is sent as it is."""
    made = http.post("/response", json=INPUT)
    assert (made.status_code, made.text, made.headers["x-own"]) == (201, "made here", "1")
    assert made.headers["content-type"].startswith("text/plain")
    download = http.post("/download", json=INPUT)
    assert (download.text, download.headers["content-type"]) == ("ab", "text/csv; charset=utf-8")
    assert http.post("/raw", json=INPUT, headers={"X-Own": "seen"}).json() == "seen"
    assert http.post("/nothing").text == "null"
    assert http.get("/static").json() == "static"


def test_http_exceptions_keep_their_status(http, error_of):
    """In the envelope."""
    response = http.delete("/gone/k1")
    assert (response.status_code, error_of(response)["message"]) == (410, "k1 is gone")


@pytest.mark.parametrize(
    ("path", "items"),
    [("/words", ["a", "b"]), ("/slow-words", ["a", "b"]), ("/single", [{"words": ["a", "b"]}])],
)
def test_streams_give_raw_items(http, path, items):
    """Iterables and async iterables are flattened, anything else is one item."""
    response = http.post(path, json=INPUT)
    lines = [line for line in response.text.split("\n") if line.startswith("data: ")]
    assert [json.loads(line[6:]) for line in lines] == items
    assert response.text.startswith("id: 1\ndata: ")
    assert response.text.endswith("event: end\n\n")
    assert http.post(path, json={"input": 1}).status_code == 400


def test_sync_endpoints_leave_the_loop_alone(make):
    """They run in threads of the service."""
    import threading

    class Threads(Tactic, register=False):
        name = "threads"

        async def _arun(self, input_value, *, context=None):
            return None

        @endpoint.get("/where")
        def where(self):
            return threading.current_thread().name

    from starlette.testclient import TestClient

    with TestClient(create_tactic_app(Threads()), base_url="http://127.0.0.1") as client:
        assert client.get("/where").json().startswith("lllm-serve")


def test_a_deadline_ends_an_endpoint(client, error_of):
    """Asynchronous ones are cancelled."""

    class Slow(Tactic, register=False):
        name = "slow"

        @endpoint.post("/wait")
        async def wait(self, value):
            await asyncio.sleep(30)

        async def _arun(self, input_value, *, context=None):
            return None

    response = client(Slow()).post("/wait", json=1, headers={"X-LLLM-Timeout-Ms": "50"})
    assert (response.status_code, error_of(response)["type"]) == (504, "DeadlineExceeded")


def tactic_with(path, method="post", name="mine"):
    """Return a tactic with one endpoint."""

    class Made(Tactic, register=False):
        @getattr(endpoint, method)(path, name=name)
        def mine(self, value, **kwargs):
            return value

        async def _arun(self, input_value, *, context=None):
            return None

    return Made(name=f"t{abs(hash((path, method, name)))}")


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/ready",
        "/tactics",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/tactics/x/run",
        "/tactics/{n}/info",
    ],
)
def test_built_in_routes_are_reserved(path):
    """Also those of tactics that are not there."""
    with pytest.raises(ValueError, match=r"conflicts with a reserved LLLM service route\."):
        create_service_app([tactic_with(path)])


def test_a_path_with_parameters_hides_nothing(client):
    """The service's own routes and its documentation come first."""

    class Greedy(Tactic, register=False):
        name = "greedy"

        async def _arun(self, input_value, *, context=None):
            return input_value

        @endpoint.get("/{anything}")
        def any(self, anything: str):
            return {"got": anything}

        @endpoint.get("/{a}/{b}/{c}")
        def more(self, a: str, b: str, c: str):
            return {"got": [a, b, c]}

    http = client(Greedy())
    assert http.get("/else").json() == {"got": "else"}
    assert http.get("/one/two/three").json() == {"got": ["one", "two", "three"]}
    assert http.get("/openapi.json").json()["paths"]["/run"]
    assert "swagger" in http.get("/docs").text
    assert http.get("/health").json() == {"ok": True, "tactics": ["greedy"]}
    assert http.get("/tactics/greedy/info").json()["name"] == "greedy"


def test_short_paths_are_reserved_for_a_single_tactic():
    """And free where several tactics are served."""
    for path in ("/run", "/stream", "/info"):
        with pytest.raises(ValueError, match="reserved LLLM service route"):
            create_tactic_app(tactic_with(path))
        create_service_app([tactic_with(path)])


def test_two_tactics_cannot_have_one_route():
    """Names of parameters make no difference."""
    with pytest.raises(ValueError, match="Duplicate custom endpoint route: POST"):
        create_service_app([tactic_with("/a/{x}"), tactic_with("/a/{y}", name="other")])
    create_service_app([tactic_with("/a/{x}"), tactic_with("/a/{x}", "get", "other")])


def test_a_path_parameter_must_be_taken():
    """A route that could only fail is refused when it is built."""

    class Forgetful(Tactic, register=False):
        @endpoint.get("/a/{key}")
        def a(self):
            return 1

    with pytest.raises(ValueError, match="it does not take `key`"):
        create_tactic_app(Forgetful())


def test_openapi_describes_them(http):
    """Summary, tags, parameters and bodies."""
    paths = http.get("/openapi.json").json()["paths"]
    assert paths["/act"]["post"]["summary"] == "Act Now"
    assert (paths["/act"]["post"]["description"], paths["/act"]["post"]["tags"]) == ("Acts.", ["deeds"])
    found = {each["name"]: each for each in paths["/items/{item}/{part}"]["get"]["parameters"]}
    assert (found["item"]["in"], found["item"]["schema"]) == ("path", {"type": "integer"})
    assert (found["tag"]["in"], found["tag"]["required"]) == ("query", False)
    assert {"words", "limit", "loud"} <= {each["name"] for each in paths["/find"]["get"]["parameters"]}
    assert "text/event-stream" in paths["/words"]["post"]["responses"]["200"]["content"]
