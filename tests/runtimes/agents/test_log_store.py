"""The log store: what is kept of sessions, and how they are found."""

import json
import logging
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lllm import AgentCallSession, Tactic, TacticCallSession
from lllm_runtime_agents import (
    LocalFileBackend,
    LogStore,
    Message,
    NoOpBackend,
    Roles,
    SQLiteBackend,
    local_store,
    noop_store,
    setup_logging,
    sqlite_store,
    tool,
)

SECRET = "sk-verysecretverysecret99"


@pytest.fixture(params=["files", "sqlite", "memory"])
def backend(request, tmp_path):
    """Each kind of backend that keeps something."""
    if request.param == "files":
        yield LocalFileBackend(tmp_path / "logs")
        return
    made = SQLiteBackend(":memory:" if request.param == "memory" else tmp_path / "deep" / "log.db")
    yield made
    made.close()


@pytest.fixture
def store(backend):
    """A log store on each kind of backend."""
    return LogStore(backend)


def session_of(name="t", state="success", path=None, **fields):
    return TacticCallSession(tactic_name=name, tactic_path=path, state=state, **fields)


def test_backends_keep_bytes_by_key(backend):
    """Put, get, list and delete."""
    assert backend.get("a/b") is None
    backend.put("a/b", b"1")
    backend.put("a/b", b"2")
    backend.put("a/c d", b"3")
    backend.put("b/x", b"4")
    assert backend.get("a/b") == b"2"
    assert backend.list_keys() == ["a/b", "a/c d", "b/x"]
    assert backend.list_keys("a/") == ["a/b", "a/c d"]
    backend.delete("a/b")
    backend.delete("never/there")
    assert backend.list_keys("a") == ["a/c d"]


def test_prefixes_are_taken_literally(backend):
    """Wild cards of the storage are none."""
    for key in ("a_b/1", "axb/1", "a%b/1"):
        backend.put(key, b"x")
    assert backend.list_keys("a_b/") == ["a_b/1"]
    assert backend.list_keys("a%") == ["a%b/1"]


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_no_key_leaves_the_folder(tmp_path_factory, key):
    """Whatever a key holds, its file is below the root, and it comes back under its name."""
    root = tmp_path_factory.mktemp("logs")
    backend = LocalFileBackend(root / "inner")
    try:
        backend.put(key, b"x")
    except (ValueError, OSError):
        assert sorted(os.listdir(root)) == ["inner"]
        return
    assert backend.get(key) == b"x"
    assert backend.list_keys() == [key]
    assert sorted(os.listdir(root)) == ["inner"]


@pytest.mark.parametrize("key", ["../out", "a/../../out", "/etc/x", "", "a//b", ".hidden"])
def test_keys_that_try_to_leave_are_refused_or_escaped(tmp_path, key):
    """Parent folders, absolute paths and empty parts."""
    backend = LocalFileBackend(tmp_path / "inner")
    try:
        backend.put(key, b"x")
    except ValueError:
        pass
    else:
        assert backend.list_keys() == [key]
    assert sorted(os.listdir(tmp_path)) == ["inner"]


def test_both_names_of_the_place_are_accepted(tmp_path):
    """`path=` works for files and for SQLite."""
    assert LocalFileBackend(path=tmp_path / "x").root_dir == tmp_path / "x"
    made = SQLiteBackend(path=tmp_path / "x.db")
    made.close()
    for kind in (LocalFileBackend, SQLiteBackend):
        with pytest.raises(ValueError, match="needs"):
            kind()


def test_home_folders_are_expanded(tmp_path, monkeypatch):
    """By the factories and by the backends."""
    monkeypatch.setenv("HOME", str(tmp_path))
    local_store("~/logs").save_session(session_of())
    store = sqlite_store("~/log.db", "part")
    store.save_session(session_of())
    store.backend.close()
    assert sorted(os.listdir(tmp_path)) >= ["log.db", "logs"]


def test_sessions_are_saved_and_loaded(store):
    """With labels, metadata and the moment."""
    session = session_of(task={"a": 1}, error_traceback="Traceback ...")
    saved = store.save_session(session, tags={"env": "test"}, metadata={"n": 1})
    assert store.load_session(saved).model_dump() == session.model_dump()
    record = store.load_session_record(saved)
    assert (record.session_id, record.tags, record.metadata) == (saved, {"env": "test"}, {"n": 1})
    assert record.traceback == "Traceback ..."
    assert abs(datetime.now(UTC) - record.timestamp) < timedelta(minutes=1)
    assert record.timestamp.utcoffset() == timedelta(0)
    keys = store.backend.list_keys()
    assert keys == [f"default/index/{saved}", f"default/sessions/{saved}"]


def test_unknown_sessions_are_key_errors(store):
    """Also when the id is no id at all."""
    for name in ("20200101_000000_00000000", "../x", ""):
        with pytest.raises(KeyError, match=f"Session '{name}' not found"):
            store.load_session(name)


def test_lists_are_filtered_before_they_are_cut(store):
    """Newest first; every given tag must match."""
    ids = []
    for number in range(8):
        state = "failure" if number % 2 else "success"
        path = "pkg::brief" if number < 4 else "other::brief"
        ids.append(store.save_session(session_of("brief", state, path), tags={"n": number, "all": "x"}))
    assert [each.session_id for each in store.list_sessions()] == ids[::-1]
    assert [each.session_id for each in store.list_sessions(limit=2)] == ids[:-3:-1]
    found = store.list_sessions(state="success", limit=2)
    assert [each.session_id for each in found] == [ids[6], ids[4]]
    assert [each.session_id for each in store.list_sessions(tags={"n": 3, "all": "x"})] == [ids[3]]
    assert store.list_sessions(tags={"n": 3, "all": "y"}) == []
    assert store.list_sessions(tags={"missing": None}) == []
    for form in ("pkg::brief", "pkg.tactics:brief", "pkg:brief"):
        assert [each.session_id for each in store.list_sessions(tactic_path=form)] == ids[3::-1]
    assert len(store.list_sessions(tactic_path="brief")) == 8
    assert len(store.list_sessions(limit=None)) == 8


def test_times_filter_with_and_without_a_zone(store, monkeypatch):
    """A naive time is local; both ends can be texts."""
    first = store.save_session(session_of())
    time.sleep(0.01)
    middle = datetime.now()
    time.sleep(0.01)
    second = store.save_session(session_of())
    assert [each.session_id for each in store.list_sessions(after=middle)] == [second]
    assert [each.session_id for each in store.list_sessions(before=middle.isoformat())] == [first]
    aware = middle.astimezone(timezone(timedelta(hours=9)))
    assert [each.session_id for each in store.list_sessions(after=aware)] == [second]
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        local = middle.astimezone().replace(tzinfo=None) if False else datetime.now()
        assert store.list_sessions(after=local) == []
        assert len(store.list_sessions(before=local)) == 2
    finally:
        monkeypatch.undo()
        time.tzset()


def test_costs_are_summed_without_a_limit(store):
    """Every matching session counts."""
    for _ in range(120):
        session = session_of()
        session.fold_usage("model", {"cost": 0.01, "calls": 1})
        store.save_session(session, tags={"k": "v"})
    summary = store.export_cost_summary(tags={"k": "v"})
    assert summary["session_count"] == 120
    assert summary["total_cost_usd"] == pytest.approx(1.2)
    assert summary["sessions"][0]["total_cost"] == pytest.approx(0.01)
    assert store.export_cost_summary(tags={"k": "w"})["session_count"] == 0
    json.dumps(summary)


def test_sessions_are_exported_as_json(store):
    """The record as it is kept; other formats are refused."""
    saved = store.save_session(session_of(task="äöü"))
    exported = json.loads(store.export_session(saved))
    assert exported["format_version"] == 1
    assert exported["session"]["task"] == "äöü"
    with pytest.raises(ValueError, match="Unsupported export format"):
        store.export_session(saved, format="xml")


def test_sessions_are_deleted(store):
    """Record and index together."""
    saved = store.save_session(session_of())
    store.delete_session(saved)
    store.delete_session(saved)
    assert store.backend.list_keys() == []


def test_partitions_do_not_see_each_other(backend):
    """In the same backend."""
    one, two = LogStore(backend, "one"), LogStore(backend, "two")
    saved = one.save_session(session_of())
    assert two.list_sessions() == []
    with pytest.raises(KeyError):
        two.load_session(saved)
    for partition in ("", "a/b"):
        with pytest.raises(ValueError, match="partition"):
            LogStore(backend, partition)


def test_errors_without_a_session_are_saved(store):
    """With their traceback, without secrets."""
    try:
        raise ValueError(f"bad {SECRET}")
    except ValueError as error:
        saved = store.save_error(error, {"api_key": "x", "step": 1, "thing": object()})
    data = json.loads(store.backend.get(f"default/errors/{saved}"))
    assert (data["type"], data["message"], data["context"]["api_key"]) == ("ValueError", "bad ***", "***")
    assert "Traceback" in data["traceback"]
    assert SECRET not in json.dumps(data)
    assert store.save_error("plain text") != saved


def test_a_store_that_keeps_nothing():
    """Saves and finds nothing, without complaint."""
    store = noop_store()
    saved = store.save_session(session_of())
    assert isinstance(store.backend, NoOpBackend)
    assert store.list_sessions() == []
    with pytest.raises(KeyError):
        store.load_session(saved)


class Talk(Tactic, register=False):
    name = "talk"
    agent_group = ["writer"]

    def call(self, task, **kwargs):
        writer = self.agents["writer"]
        writer.open("x")
        writer.receive(str(task))
        return writer.respond(args={"authorization": f"Bearer {SECRET}"}).content


def test_root_calls_are_saved(store, group_config):
    """Children are inside of them; a failed call is saved, too."""

    class Outer(Tactic, register=False):
        name = "outer"
        agent_group = []

        def __init__(self, config, **kwargs):
            super().__init__(config, **kwargs)
            self.inner = Talk(config, log_store=self.log_store)

        def call(self, task, **kwargs):
            return self.inner(task)

    tactic = Outer(group_config("writer", script=["fine", KeyError("x")]), log_store=store)
    tactic("hi", tags={"k": 1}, metadata={"password": "p", "ok": 2})
    with pytest.raises(KeyError):
        tactic("again")
    failed, good = store.list_sessions()
    assert (good.tactic_name, good.state, good.tags) == ("outer", "success", {"k": 1})
    assert good.total_cost == pytest.approx(0.01)
    assert failed.state == "failure"
    session = store.load_session(good.session_id)
    assert session.sub_tactic_sessions["inner"][0].agent_sessions["writer"][0].delivery.content == "fine"
    assert session.metadata == {"password": "***", "ok": 2}
    assert session.task == "hi"
    assert session.duration_ms > 0


def test_secrets_are_never_stored(store, group_config):
    """In keys and in texts, of arguments, tasks, metadata and replies."""

    @tool
    def login(user: str, password: str) -> str:
        return f"token {SECRET}"

    script = [[{"name": "login", "arguments": {"user": "u", "password": "hunter2hunter2"}}], "done"]
    config = group_config("writer", script=script)
    config["global"]["tools"] = [login]
    config["global"]["model_args"] = {"api_key": SECRET, "max_tokens": 5}
    Talk(config, log_store=store)(f"my key is {SECRET}", metadata={"session_id": "abcdefabcdef"})
    (summary,) = store.list_sessions()
    raw = b"".join(store.backend.get(key) for key in store.backend.list_keys()).decode()
    assert SECRET not in raw
    assert '"password":"***"' in raw
    session = store.load_session(summary.session_id)
    assert session.metadata == {"session_id": "***"}
    assert len(session.session_id) == 32
    trace = session.agent_sessions["writer"][0].traces[0]
    assert trace.model_args == {"api_key": "***", "max_tokens": 5, "authorization": "***"}
    assert session.total_cost.prompt_tokens == 20


def test_odd_values_are_stored_as_text(store):
    """One strange object does not lose the session."""
    session = session_of(task=object(), metadata={"when": datetime(2026, 1, 2), "set": {1}, "bad": object()})
    session.success({"result": object()})
    loaded = store.load_session(store.save_session(session, metadata={"x": object()}))
    assert loaded.task.startswith("<object object")
    assert loaded.metadata["when"] == "2026-01-02T00:00:00"


class Unshowable:
    """Not even its `repr` works."""

    def __repr__(self):
        raise RuntimeError("no text")


def _cycle():
    found = {"name": "cycle"}
    found["self"] = [found]
    return found


def _nest():
    found = []
    for _ in range(2000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (Unshowable(), "<Unshowable>"),
        ("lone \ud800 half", "lone ? half"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (_cycle(), {"name": "cycle", "self": ["<the dict around this>"]}),
        ({1: {2}, "bad": b"\xff", Roles.USER: float("nan")}, {"1": [2], "bad": "\ufffd", "user": "nan"}),
    ],
    ids=["unshowable", "surrogate", "bytes", "cycle", "keys"],
)
def test_no_value_loses_a_session(store, value, stored):
    """Whatever stands in it, the rest can be loaded and found; secrets are hidden then too."""
    session = session_of(task=value, metadata={"again": value, "text": SECRET})
    session.record_agent_call("writer", AgentCallSession(agent_name="writer", state="success"))
    saved = store.save_session(session, tags={"odd": value}, metadata={"odd": value})
    loaded = store.load_session_record(saved)
    assert loaded.session.task == stored
    assert (loaded.tags["odd"], loaded.metadata["odd"]) == (stored, stored)
    assert loaded.session.agent_sessions["writer"][0].state == "success"
    assert [summary.session_id for summary in store.list_sessions()] == [saved]
    assert SECRET not in store.export_session(saved)


def test_what_is_nested_without_end_is_cut(store):
    """The session itself stays."""
    loaded = store.load_session(store.save_session(session_of(task=_nest(), metadata={"kept": 1})))
    assert "nested too deep" in str(loaded.task)
    assert loaded.metadata == {"kept": 1}


def test_errors_that_cannot_be_shown_are_saved(store):
    """By their type."""

    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    saved = store.save_error(Mute(), {"half": "\ud800"})
    data = json.loads(store.backend.get(f"default/errors/{saved}"))
    assert (data["type"], data["context"]) == ("Mute", {"half": "?"})


def test_log_probabilities_are_no_secrets(store):
    """A field called `token` of a probability keeps its text."""
    session = session_of()
    session.delivery = Message(
        role="assistant", content="x", name="a", logprobs=[{"token": "tok", "logprob": -1}]
    )
    session.metadata = {"token": "hidden-value"}
    loaded = store.load_session(store.save_session(session))
    assert loaded.delivery["logprobs"][0]["token"] == "tok"
    assert loaded.metadata["token"] == "***"


def test_a_failing_store_does_not_fail_the_call(group_config, caplog):
    """The error is logged, and the result is there."""

    class Broken:
        def save_session(self, session, tags=None, metadata=None):
            raise OSError("disk full")

    with caplog.at_level(logging.ERROR):
        assert Talk(group_config("writer"), log_store=Broken())("x") == "echo:x"
    assert "disk full" in caplog.text


def test_backends_of_others_need_four_methods():
    """Anything with put, get, list_keys and delete will do."""

    class Plain(dict):
        put = dict.__setitem__

        def list_keys(self, prefix=""):
            return sorted(key for key in self if key.startswith(prefix))

        def delete(self, key):
            self.pop(key, None)

    store = LogStore(Plain())
    saved = store.save_session(session_of())
    assert [each.session_id for each in store.list_sessions()] == [saved]
    store.delete_session(saved)
    assert store.list_sessions() == []


def test_many_threads_save_at_once(tmp_path):
    """Every session arrives, with few commits."""
    store = sqlite_store(tmp_path / "log.db")
    threads = [
        threading.Thread(target=lambda: [store.save_session(session_of()) for _ in range(25)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.list_sessions(limit=None)) == 200
    ids = [each.session_id for each in store.list_sessions(limit=None)]
    assert ids == sorted(ids, reverse=True)
    store.backend.close()


def test_a_failed_commit_fails_everybody_in_it(tmp_path):
    """Nobody believes that something was saved that was not."""
    backend = SQLiteBackend(tmp_path / "log.db")
    backend.put("a", b"1")
    with pytest.raises(sqlite3.Error):
        backend.put("b", object())
    assert backend.list_keys() == ["a"]
    backend.put("c", b"3")
    assert backend.list_keys() == ["a", "c"]
    backend.close()


def test_two_processes_share_a_file(tmp_path):
    """What another connection wrote is seen."""
    one, two = sqlite_store(tmp_path / "log.db"), sqlite_store(tmp_path / "log.db")
    saved = one.save_session(session_of())
    assert [each.session_id for each in two.list_sessions()] == [saved]
    one.backend.close()
    two.backend.close()


def test_older_records_can_be_loaded(store):
    """A record without the newer fields is no error."""
    old = {"timestamp": "2024-05-01T12:00:00+00:00", "session": {"tactic_name": "t", "state": "success"}}
    name = "20240501_120000_abcdef01"
    store.backend.put(f"default/sessions/{name}", json.dumps(old).encode())
    index = {"session_id": name, "timestamp": "2024-05-01T12:00:00"}
    store.backend.put(f"default/index/{name}", json.dumps(index).encode())
    assert store.load_session(name).tactic_name == "t"
    record = store.load_session_record(name)
    assert (record.tags, record.traceback) == ({}, None)
    assert store.list_sessions()[0].total_cost == 0.0


def test_logging_goes_to_stderr_once(capsys):
    """A further call changes the handler instead of adding one."""
    logger = logging.getLogger("lllm")
    before = (list(logger.handlers), logger.level, logger.propagate)
    try:
        setup_logging("debug", fmt="first %(message)s")
        setup_logging("WARNING", fmt="second %(message)s")
        logging.getLogger("lllm.agents").info("quiet")
        logging.getLogger("lllm.agents").warning("loud")
        assert capsys.readouterr().err == "second loud\n"
        assert len(logger.handlers) == len(before[0]) + 1
    finally:
        logger.handlers, logger.level, logger.propagate = list(before[0]), before[1], before[2]
