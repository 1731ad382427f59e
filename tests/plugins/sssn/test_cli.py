"""The `sssn` command: what each subcommand prints, its errors, and what it leaves on disk."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys

import pytest

from sssn import Event, LocalStore
from sssn.cli import main


class Result:
    """What one call of the command did."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def only(self):
        (line,) = self.lines
        return line


@pytest.fixture
def sssn(tmp_path, monkeypatch, capsys):
    """Runs the command in an empty directory, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        try:
            code = main(list(arguments))
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


def fails(result, text):
    """Check a failure: usage and the error on stderr, nothing on stdout, code 2."""
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("usage: sssn")
    assert f"\nsssn: error: {text}" in result.err, result.err
    return True


@pytest.fixture
def filled(sssn):
    """A store with a channel, two events, a subscription, an artifact and a snapshot."""
    sssn("create-channel", "raw", "--schema", "demo.Raw")
    sssn(
        "append",
        "raw",
        '{"n":1}',
        "--id",
        "e1",
        "--kind",
        "message",
        "--correlation-id",
        "c",
        "--timestamp",
        "1.5",
    )
    sssn("append", "raw", '{"n":2}', "--id", "e2", "--correlation-id", "c", "--parent-id", "e1")
    sssn("create-subscription", "raw", "--id", "w")
    return sssn


def test_channels(sssn):
    """Creating prints the channel, listing one compact line for each by name."""
    line = '{"name":"raw","schema":"S","form":"topic","description":"d","metadata":{"a":1}}\n'
    made = sssn(
        "create-channel",
        "raw",
        "--schema",
        "S",
        "--form",
        "topic",
        "--description",
        "d",
        "--metadata",
        '{"a":1}',
    )
    assert (made.code, made.out, made.err) == (0, line, "")
    sssn("create-channel", "aaa")
    assert [channel["name"] for channel in sssn("channels").lines] == ["aaa", "raw"]
    assert sssn("get-channel", "raw").out == line
    assert fails(sssn("create-channel", "raw"), "Channel already exists: raw")
    assert fails(sssn("get-channel", "x"), "Channel not found: x")
    assert fails(sssn("get-channel", "a/b"), "channel.name must be a non-empty path segment.")
    assert fails(sssn("create-channel", "b", "--form", "nope"), "Invalid channel: ")
    assert sssn("delete-channel", "aaa").out == ""
    assert [channel["name"] for channel in sssn("channels").lines] == ["raw"]


def test_append(sssn):
    """All options of an event; the printed line is the stored event."""
    sssn("create-channel", "raw")
    first = sssn("append", "raw", "null", "--id", "root").only
    assert (first["id"], first["cursor"], first["kind"], first["payload"]) == ("root", 1, "event", None)
    made = sssn(
        *(
            "append",
            "raw",
            '{"é":[1]}',
            "--kind",
            "k",
            "--source",
            "s",
            "--schema",
            "S",
            "--timestamp",
            "2.5",
        ),
        *("--metadata", '{"m":1}', "--correlation-id", "c", "--parent-id", "root", "--parent-id", "root"),
    )
    event = made.only
    del event["id"]
    assert event == {
        "cursor": 2,
        "channel": "raw",
        "timestamp": 2.5,
        "source": "s",
        "kind": "k",
        "payload": {"é": [1]},
        "schema": "S",
        "metadata": {"m": 1},
        "correlation_id": "c",
        "parent_ids": ["root", "root"],
    }
    assert sssn("get-event", "root").only == first
    assert sssn("append", "raw", "null", "--id", "root").only == first
    assert fails(
        sssn("append", "raw", "1", "--id", "root"), "Event already exists with different content: root"
    )


def test_append_from_stdin(sssn):
    """A payload of `-` is read from stdin."""
    sssn("create-channel", "raw")
    assert sssn("append", "raw", "-", stdin=b'{"long": "text"}').only["payload"] == {"long": "text"}
    assert fails(sssn("append", "raw", "-", stdin=b"\xff"), "event payload on stdin must be UTF-8 text")


@pytest.mark.parametrize("payload", ["nope", "", "{", "NaN", "[Infinity]", "'x'", "[" * 100_000])
def test_bad_payloads(sssn, payload):
    """What is not JSON is refused, NaN included."""
    sssn("create-channel", "raw")
    assert fails(sssn("append", "raw", payload), "event payload must be valid JSON")
    assert fails(sssn("put-snapshot", "n", payload), "snapshot value must be valid JSON")


@pytest.mark.parametrize(
    "command",
    [
        ("create-channel", "x"),
        ("append", "raw", "1"),
        ("append-batch", "raw"),
        ("write-artifact", "x"),
        ("put-snapshot", "n", "1"),
    ],
)
def test_bad_metadata(sssn, command):
    """Metadata is a JSON object, and the two faults have two texts."""
    assert fails(sssn(*command, "--metadata", "nope"), "--metadata must be a valid JSON object")
    assert fails(sssn(*command, "--metadata", "[1]"), "--metadata must be a JSON object")


def test_query_events(filled):
    """Cursor, limit and kind narrow the list; an empty result prints nothing."""
    assert [event["id"] for event in filled("query-events", "raw").lines] == ["e1", "e2"]
    assert [event["id"] for event in filled("query-events", "raw", "--after-cursor", "1").lines] == ["e2"]
    assert [event["id"] for event in filled("query-events", "raw", "--limit", "1").lines] == ["e1"]
    assert [event["id"] for event in filled("query-events", "raw", "--kind", "message").lines] == ["e1"]
    empty = filled("query-events", "raw", "--kind", "none")
    assert (empty.code, empty.out, empty.err) == (0, "", "")
    assert fails(
        filled("query-events", "raw", "--after-cursor", "-1"), "after_cursor must be greater than or equal"
    )
    assert fails(filled("query-events", "raw", "--limit", "0"), "limit must be greater than 0.")
    assert fails(filled("query-events", "raw", "--limit", "x"), "argument --limit: invalid int value: 'x'")
    assert fails(filled("query-events", "raw", "--limit", "9" * 30), "limit must")
    assert fails(filled("query-events", "x"), "Channel not found: x")


def test_append_batch(sssn):
    """Each line is an event; options fill in what a line does not say."""
    sssn("create-channel", "raw")
    lines = b'{"payload":1,"id":"a"}\n\n{"payload":2,"kind":"k","parent_ids":["a"],"channel":"raw"}\n'
    events = sssn("append-batch", "raw", "--kind", "default", "--source", "s", stdin=lines).lines
    assert [(event["payload"], event["kind"], event["source"]) for event in events] == [
        (1, "default", "s"),
        (2, "k", "s"),
    ]
    events = sssn("append-batch", "raw", "--payloads", stdin=b'{"x":1}\n[2]\n').lines
    assert [event["payload"] for event in events] == [{"x": 1}, [2]]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (b"{}\nnope\n", "line 2: event must be valid JSON"),
        (b"{}\n\n[1]\n", "line 3: event must be a JSON object; use --payloads for lines of payloads"),
        (b'{"channel":"other"}\n', "line 1: event names another channel: 'other'"),
        (b'{}\n{"kind":"a b"}\n', "line 2: "),
        (b'{"id":"x"}\n{"id":"x","payload":1}\n', "line 2: Event already exists with different content: x"),
        (b"{}\n\xff\n", "line 2: "),
    ],
)
def test_bad_lines_store_nothing(sssn, lines, text):
    """The error names the line, and nothing of its batch is stored."""
    sssn("create-channel", "raw")
    assert fails(sssn("append-batch", "raw", stdin=lines), text)
    assert sssn("query-events", "raw").out == ""


def test_batches_of_a_thousand(sssn):
    """What came before the batch with the fault is stored, and was printed."""
    sssn("create-channel", "raw")
    result = sssn("append-batch", "raw", "--payloads", stdin=b"1\n" * 1000 + b"nope\n")
    assert (result.code, len(result.lines)) == (2, 1000)
    assert "line 1001: event payload must be valid JSON" in result.err


def test_tail(filled):
    """Events above the cursor, until the limit or the timeout."""
    assert [event["id"] for event in filled("tail", "raw", "--after-cursor", "0", "--limit", "2").lines] == [
        "e1",
        "e2",
    ]
    assert filled("tail", "raw", "--timeout", "0.05").out == ""
    kinds = filled("tail", "raw", "--after-cursor", "0", "--kind", "message", "--timeout", "0.05").lines
    assert [event["id"] for event in kinds] == ["e1"]
    assert fails(filled("tail", "raw", "--limit", "0"), "limit must be greater than 0.")
    assert fails(filled("tail", "x", "--timeout", "0.05"), "Channel not found: x")


def test_subscriptions(filled):
    """Create, show, pull with its advance, list, delete."""
    made = filled(
        *(
            "create-subscription",
            "raw",
            "--id",
            "s",
            "--consumer",
            "c",
            "--batch-size",
            "1",
            "--kind",
            "message",
        ),
        *("--lease-seconds", "2.5", "--max-deliveries", "3", "--dead-letter", "raw"),
    ).only
    assert made == {
        "id": "s",
        "channel": "raw",
        "cursor": 0,
        "consumer": "c",
        "batch_size": 1,
        "filters": {"kind": "message"},
        "metadata": {},
        "lease_seconds": 2.5,
        "max_deliveries": 3,
        "dead_letter": "raw",
    }
    assert filled("get-subscription", "s").only == made
    assert [event["id"] for event in filled("pull-subscription", "s").lines] == ["e1"]
    assert filled("pull-subscription", "s").out == ""
    assert [event["id"] for event in filled("pull-subscription", "w", "--limit", "1").lines] == ["e1"]
    assert [subscription["id"] for subscription in filled("subscriptions", "--channel", "raw").lines] == [
        "s",
        "w",
    ]
    assert filled("delete-subscription", "s").out == ""
    assert fails(filled("get-subscription", "s"), "Subscription not found: s")
    assert fails(filled("pull-subscription", "w", "--limit", "0"), "limit must be greater than 0.")
    assert fails(
        filled("create-subscription", "raw", "--kind", ""),
        "subscription filter 'kind' must be a non-empty token.",
    )
    assert fails(
        filled("create-subscription", "raw", "--batch-size", "0"), "batch_size must be greater than 0."
    )


def test_starts_of_subscriptions(filled):
    """The beginning, the end, or a cursor."""
    for start, ids in (("beginning", ["e1", "e2"]), ("end", []), ("1", ["e2"])):
        made = filled("create-subscription", "raw", "--start", start).only
        assert [event["id"] for event in filled("pull-subscription", made["id"]).lines] == ids
    assert fails(
        filled("create-subscription", "raw", "--start", "x"),
        "--start must be beginning, end or a cursor: 'x'",
    )


def test_leases(filled):
    """Lease, extend, nack and ack with the printed tokens."""
    (first, second) = filled("lease", "w", "--lease-seconds", "60", "--consumer", "me", "--wait", "0").lines
    assert (first["event"]["id"], first["attempt"], first["subscription"]) == ("e1", 1, "w")
    (longer,) = filled("extend", first["token"], "--seconds", "600").lines
    assert longer["deadline"] > first["deadline"]
    assert filled("nack", second["token"], "--delay", "0", "--error", "x").only == {"count": 1}
    (again,) = filled("lease", "w", "--limit", "5").lines
    assert (again["event"]["id"], again["attempt"]) == ("e2", 2)
    assert filled("ack", first["token"], again["token"]).only == {"count": 2}
    assert fails(filled("ack", second["token"]), f"Lease is not held: {second['token']}")
    assert filled("lag", "w", "--format", "json").only["undelivered"] == 0
    assert fails(filled("extend", "t"), "the following arguments are required: --seconds")


def test_reject(filled):
    """A rejected event is given up."""
    (first, _) = filled("lease", "w").lines
    assert filled("reject", first["token"], "--error", "broken").only == {"count": 1}
    assert filled("lag", "w").only["dead_lettered"] == 1


def test_seek(filled):
    """Exactly one place is named."""
    filled("pull-subscription", "w")
    assert filled("seek", "w", "--to", "beginning").only["cursor"] == 0
    assert filled("seek", "w", "--cursor", "1").only["cursor"] == 1
    assert [event["id"] for event in filled("pull-subscription", "w").lines] == ["e2"]
    assert filled("seek", "w", "--time", "0").only["cursor"] == 0
    assert fails(filled("seek", "w"), "one of the arguments --cursor --time --to is required")
    assert fails(
        filled("seek", "w", "--cursor", "1", "--to", "end"),
        "argument --to: not allowed with argument --cursor",
    )


def test_lag(filled):
    """One line for each subscription, as JSON or as a table."""
    filled("create-subscription", "raw", "--id", "a")
    assert [lag["subscription"] for lag in filled("lag").lines] == ["a", "w"]
    assert filled("lag", "w").only["undelivered"] == 2
    header, row, *rest = filled("lag", "w", "--format", "table").out.splitlines()
    assert header.split()[:5] == ["subscription", "channel", "head", "cursor", "undelivered"]
    assert row.split()[:5] == ["w", "raw", "2", "0", "2"]
    assert rest == []
    assert fails(filled("lag", "x"), "Subscription not found: x")


def test_lineage(filled):
    """Parents, children and the whole correlation."""
    filled("append", "raw", "1", "--id", "other")
    assert [event["id"] for event in filled("parents", "e2").lines] == ["e1"]
    assert [event["id"] for event in filled("children", "e1").lines] == ["e2"]
    assert [event["id"] for event in filled("trace", "c").lines] == ["e1", "e2"]
    assert [event["id"] for event in filled("trace", "c", "--limit", "1").lines] == ["e1"]
    assert filled("trace", "nothing").out == ""
    assert fails(filled("trace", "c", "--limit", "0"), "limit must be greater than 0.")
    assert fails(filled("parents", "x"), "Event not found: x")


def test_trace_pages(sssn, monkeypatch):
    """A lineage of several pages is printed whole."""
    monkeypatch.setattr("sssn.cli.lineage.PAGE", 4)
    sssn("create-channel", "raw")
    sssn("append-batch", "raw", "--payloads", "--correlation-id", "c", stdin=b"1\n" * 10)
    assert [event["cursor"] for event in sssn("trace", "c").lines] == list(range(1, 11))
    assert [event["cursor"] for event in sssn("trace", "c", "--limit", "6").lines] == list(range(1, 7))


def test_artifacts(filled, tmp_path):
    """Text, base64, files and stdin in; text, base64 and files out."""
    made = filled(
        *("write-artifact", "hé", "--channel", "raw", "--media-type", "text/plain", "--metadata", '{"m":1}'),
        *("--event-id", "e1", "--event-id", "e2"),
    ).only
    assert (made["size"], made["media_type"], made["event_ids"]) == (3, "text/plain", ["e1", "e2"])
    assert filled("get-artifact", made["id"]).only == made
    assert filled("read-artifact", made["id"]).out == "hé\n"
    binary = filled("write-artifact", "/w==", "--encoding", "base64").only
    assert filled("read-artifact", binary["id"], "--encoding", "base64").out == "/w==\n"
    assert fails(
        filled("read-artifact", binary["id"]), "artifact payload is not valid UTF-8; use --encoding base64"
    )
    assert filled("read-artifact", binary["id"], "--output", "out.bin").out == ""
    assert (tmp_path / "out.bin").read_bytes() == b"\xff"
    (tmp_path / "in.bin").write_bytes(b"\x00" * 3_000_000)
    assert filled("write-artifact", "--file", "in.bin").only["size"] == 3_000_000
    assert filled("write-artifact", "--file", "-", stdin=b"\xfe").only["size"] == 1
    assert filled("write-artifact", "-", stdin=b"\xfe\xfd").only["size"] == 2
    encoded = base64.b64encode(b"x" * 100)
    assert (
        filled("write-artifact", "--file", "-", "--encoding", "base64", stdin=encoded + b"\n").only["size"]
        == 100
    )
    assert len(filled("artifacts").lines) == 6
    assert [found["id"] for found in filled("artifacts", "--event-id", "e1").lines] == [made["id"]]


def test_bad_artifacts(filled, tmp_path):
    """Base64 that is none, both or neither of the sources, files that are not there."""
    for data in ("a", "a b", "é"):
        assert fails(filled("write-artifact", data, "--encoding", "base64"), "invalid base64 data")
    assert fails(filled("write-artifact"), "write-artifact takes either DATA or --file PATH")
    assert fails(
        filled("write-artifact", "x", "--file", "y"), "write-artifact takes either DATA or --file PATH"
    )
    assert fails(
        filled("write-artifact", "--file", "missing"), "[Errno 2] No such file or directory: 'missing'"
    )
    assert fails(filled("read-artifact", "x"), "Artifact not found: x")
    assert fails(filled("read-artifact", "x", "--output", "out.bin"), "Artifact not found: x")
    assert [path.name for path in tmp_path.iterdir()] == [".sssn"]


def test_snapshots(filled):
    """All options; the revision is printed and can be expected."""
    made = filled(
        *(
            "put-snapshot",
            "latest",
            '{"a":null}',
            "--channel",
            "raw",
            "--schema",
            "S",
            "--source-event-id",
            "e1",
        ),
        *("--metadata", '{"m":1}', "--timestamp", "2.5", "--expected-revision", "0"),
    ).only
    assert made == {
        "name": "latest",
        "channel": "raw",
        "timestamp": 2.5,
        "value": {"a": None},
        "schema": "S",
        "source_event_id": "e1",
        "metadata": {"m": 1},
        "revision": 1,
    }
    assert filled("get-snapshot", "latest").only == made
    assert filled("put-snapshot", "latest", "-", stdin=b"[1]").only["value"] == [1]
    assert fails(
        filled("put-snapshot", "latest", "1", "--expected-revision", "1"),
        "Snapshot revision conflict: latest (expected 1, current 2)",
    )
    assert [snapshot["name"] for snapshot in filled("snapshots").lines] == ["latest"]
    assert filled("delete-snapshot", "latest", "--expected-revision", "2").out == ""
    assert fails(filled("get-snapshot", "latest"), "Snapshot not found: latest")


def test_retention(filled):
    """Show, set, try and apply; the options explain themselves when they clash."""
    assert filled("retention", "raw").only["max_events"] is None
    made = filled("retention", "raw", "--max-events", "1", "--no-keep-unfinished").only
    assert (made["max_events"], made["keep_unfinished"]) == (1, False)
    assert filled("retention", "raw", "--apply", "--dry-run").only["removed_events"] == 1
    assert filled("retention", "--apply").only["removed_events"] == 1
    assert [event["id"] for event in filled("query-events", "raw").lines] == ["e2"]
    assert filled("retention", "raw", "--clear").only["max_events"] is None
    assert fails(filled("retention"), "retention needs a CHANNEL unless --apply is given alone")
    assert fails(filled("retention", "raw", "--dry-run"), "--dry-run goes with --apply")
    assert fails(filled("retention", "raw", "--clear", "--max-events", "1"), "--clear takes no limits")


def test_check(filled, tmp_path):
    """A sound store exits with 0, a damaged one with 1; both print the report."""
    artifact = filled("write-artifact", "content").only
    sound = filled("check", "--deep")
    assert (sound.code, sound.only["ok"], sound.only["problems"]) == (0, True, [])
    (tmp_path / ".sssn" / artifact["path"]).write_bytes(b"changed")
    damaged = filled("check", "--deep")
    assert (damaged.code, damaged.only["ok"], damaged.err) == (1, False, "")
    assert artifact["id"] in str(damaged.only["problems"])


def test_copies(filled, tmp_path):
    """Backup, export, import and migrate keep ids and cursors."""
    events = filled("query-events", "raw").out
    filled("backup", "copy")
    assert filled("--store", "copy", "query-events", "raw").out == events
    assert filled("export", "all.jsonl").out == ""
    assert json.loads((tmp_path / "all.jsonl").read_text().splitlines()[0]) == {
        "format": "lllm-store-export",
        "version": 1,
    }
    imported = filled("--store", "imported", "import", "all.jsonl").only
    assert imported["imported"] >= 4
    assert filled("--store", "imported", "query-events", "raw").out == events
    text = filled("export", "-").out
    assert filled("--store", "piped", "import", "-", stdin=text.encode()).only == imported
    assert filled("--store", "piped", "query-events", "raw").out == events
    assert filled("migrate", ".sssn", "migrated").only == imported
    assert filled("--store", "migrated", "query-events", "raw").out == events
    assert filled("migrate", ".sssn", "migrated", "--on-conflict", "skip").code == 0
    assert fails(filled("import", "missing"), "")


def test_stats(filled):
    """Figures as one JSON object, or as a table with dotted names."""
    assert filled("stats").only["counts"]["events"] == 2
    assert "counts.events" in filled("stats", "--format", "table").out


def test_a_missing_store_reads_as_empty(sssn, tmp_path):
    """Reading creates nothing and finds nothing."""
    for command in (
        ("channels",),
        ("subscriptions",),
        ("snapshots",),
        ("artifacts",),
        ("lag",),
        ("trace", "c"),
    ):
        result = sssn("--store", "deep/missing", *command)
        assert (result.code, result.out, result.err) == (0, "", "")
    for command, text in (
        (("get-channel", "a"), "Channel not found: a"),
        (("query-events", "a"), "Channel not found: a"),
        (("get-event", "a"), "Event not found: a"),
        (("get-subscription", "a"), "Subscription not found: a"),
        (("pull-subscription", "a"), "Subscription not found: a"),
        (("lease", "a"), "Subscription not found: a"),
        (("seek", "a", "--to", "end"), "Subscription not found: a"),
        (("append", "a", "1"), "Channel not found: a"),
        (("delete-channel", "a"), "Channel not found: a"),
        (("ack", "t"), "Lease is not held: t"),
        (("get-artifact", "a"), "Artifact not found: a"),
        (("get-snapshot", "a"), "Snapshot not found: a"),
    ):
        assert fails(sssn(*command), text)
    assert sssn("check").only["ok"] is True
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("store", ["", " ", " x", "x\t"])
def test_bad_stores(sssn, tmp_path, store):
    """A blank or padded store is refused before anything is created."""
    assert fails(sssn("--store", store, "channels"), "store root must be a non-empty path string")
    assert fails(sssn("--store", store, "serve"), "store root must be a non-empty path string")
    assert list(tmp_path.iterdir()) == []


def test_store_urls(sssn, tmp_path):
    """Any store URL will do; an unknown scheme is an error that says what there is."""
    sssn("--store", "sqlite:data/one", "create-channel", "raw")
    assert (tmp_path / "data" / "one" / "sssn.sqlite").is_file()
    assert [channel["name"] for channel in sssn("--store", "data/one", "channels").lines] == ["raw"]
    assert fails(sssn("--store", "nope:x", "channels"), "No backend serves the store nope:x")
    assert fails(sssn("--store", "http://127.0.0.1:1/?x", "channels"), "Store URL must not carry a query")


def test_tokens_come_from_the_environment(sssn, monkeypatch):
    """A variable that holds nothing is an error that names it."""
    monkeypatch.delenv("SSSN_TEST_TOKEN", raising=False)
    for arguments in (
        ("--store-token-env", "SSSN_TEST_TOKEN", "channels"),
        ("serve", "--token-env", "SSSN_TEST_TOKEN"),
    ):
        assert fails(sssn(*arguments), "environment variable `SSSN_TEST_TOKEN` holds no token")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--host", ""), "serve host must be a non-empty string"),
        (("--host", "  "), "serve host must be a non-empty string"),
        (("--host", "http://localhost"), "serve host must be a host name or address, not a URL or path"),
        (("--host", "a/b"), "serve host must be a host name or address, not a URL or path"),
        (("--host", "localhost:80"), "serve host must be a host name or address, not a URL or path"),
        (("--host", "a b"), "serve host must be a host name or address, not a URL or path"),
        (("--port", "0"), "serve port must be an integer between 1 and 65535"),
        (("--port", "65536"), "serve port must be an integer between 1 and 65535"),
        (("--port", "x"), "serve port must be an integer between 1 and 65535"),
        (("--port", "-1"), "serve port must be an integer between 1 and 65535"),
        (("--port", "٣"), "serve port must be an integer between 1 and 65535"),
        (
            ("--log-level", "loud"),
            "serve log level must be one of: critical, debug, error, info, trace, warning",
        ),
    ],
)
def test_serve_checks_its_flags_first(sssn, tmp_path, arguments, text):
    """Nothing is created and nothing imported before the flags are right."""
    assert fails(sssn("serve", *arguments), text)
    assert list(tmp_path.iterdir()) == []


def test_serve_without_its_libraries(sssn, tmp_path, monkeypatch):
    """The error names the extra, and nothing is created."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert fails(sssn("serve"), "Install sssn[server] to use the FastAPI server.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0"])
def test_serve_hands_over_to_uvicorn(sssn, tmp_path, monkeypatch, caplog, host):
    """The store is created and its application run; other than loopback without a token is warned about."""
    runs = []
    app = object()
    monkeypatch.setattr(
        "sssn.server.create_app", lambda store, **options: (options, app)[1] if store else None
    )
    monkeypatch.setattr("uvicorn.run", lambda served, **options: runs.append((served, options)))
    result = sssn("serve", "--host", host, "--port", "7701", "--log-level", "INFO")
    assert (result.code, result.out) == (0, "")
    assert runs == [(app, {"host": host.strip("[]"), "port": 7701, "log_level": "info"})]
    assert (tmp_path / ".sssn" / "sssn.sqlite").is_file()
    assert ("without a token" in caplog.text) == (host == "0.0.0.0")


def test_usage_errors(sssn):
    """A missing or unknown command and abbreviated options are usage errors."""
    assert fails(sssn(), "the following arguments are required: COMMAND")
    assert fails(sssn("nope"), "argument COMMAND: invalid choice: 'nope'")
    assert fails(sssn("append", "raw"), "the following arguments are required: PAYLOAD")
    assert fails(sssn("append", "raw", "1", "--tim", "1"), "unrecognized arguments: --tim 1")


def test_version(sssn):
    """The version of the distribution."""
    from sssn import __version__

    assert sssn("--version").out == f"sssn {__version__}\n"


def test_an_interrupt_ends_quietly(filled, monkeypatch):
    """Ctrl-C exits with 130 and prints nothing."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalStore, "tail", interrupt)
    result = filled("tail", "raw")
    assert (result.code, result.out, result.err) == (130, "", "")


def run(*arguments, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "sssn", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_as_a_program(tmp_path):
    """`python -m sssn` is the command, and prints UTF-8 whatever the locale says."""
    assert run("create-channel", "raw", cwd=tmp_path).returncode == 0
    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = run("append", "raw", '"é"', cwd=tmp_path, env=environment, encoding="utf-8")
    assert (done.returncode, json.loads(done.stdout)["payload"]) == (0, "é")
    failed = run("get-channel", "x", cwd=tmp_path)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("usage: sssn get-channel [-h] NAME\nsssn: error: Channel not found: x\n")


def test_a_reader_that_goes_away(tmp_path):
    """`sssn query-events ... | head` ends without a traceback."""
    with LocalStore(tmp_path / ".sssn") as store:
        store.create_channel({"name": "raw"})
        store.append_events([Event(channel="raw", payload="x" * 1000) for _ in range(300)])
    command = f"{sys.executable} -m sssn query-events raw --limit 300 | head -1 | wc -l"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("1", "")


def test_help_needs_no_pydantic(tmp_path):
    """Help and version come up without the models."""
    code = (
        "import sys\n"
        "from sssn.cli import main\n"
        "try:\n    main(['--version'])\n"
        "except SystemExit:\n    pass\n"
        "print('pydantic' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False"
