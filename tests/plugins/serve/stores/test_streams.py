"""Large and live things over a real connection: artifacts, ranges, tails, long polls, export."""

import hashlib
import json
import threading
import time

import httpx
import pytest

from lllm.store import open_store


def test_artifacts_are_streamed_both_ways(url, store):
    """Several megabytes, with their hash as the entity tag."""
    data = bytes(range(256)) * 12_000
    digest = hashlib.sha256(data).hexdigest()
    parts = (data[start : start + 65_536] for start in range(0, len(data), 65_536))
    with httpx.Client(base_url=url) as client:
        query = {"media_type": "application/x-bin", "sha256": digest, "id": "big", "metadata": '{"k": 1}'}
        record = client.post("/v1/artifacts", params=query, content=parts).json()
        assert (record["id"], record["size"], record["metadata"]) == ("big", len(data), {"k": 1})
        got = client.get("/artifacts/big")
        assert got.content == data
        assert got.headers["etag"] == f'"{digest}"'
        wrong = client.post("/v1/artifacts", params={"sha256": "0" * 64}, content=b"other")
        assert wrong.json()["detail"]["error"]["type"] == "ArtifactCorruptError"
        assert client.post("/v1/artifacts", params={"metadata": "[1]"}, content=b"x").status_code == 400
    assert store.read_artifact("big") == data


@pytest.mark.parametrize(
    ("header", "status", "content", "span"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
        ("items=1-2", 200, b"0123456789", None),
    ],
)
def test_ranges(client, header, status, content, span):
    """One range is cut out, one outside is refused, what cannot be read means all."""
    artifact = client.post("/v1/artifacts", content=b"0123456789").json()
    response = client.get(f"/artifacts/{artifact['id']}", headers={"Range": header})
    assert (response.status_code, response.content) == (status, content)
    assert response.headers.get("content-range") == span


def test_head_gives_size_and_no_bytes(client):
    """HEAD answers with the headers of GET."""
    artifact = client.post("/v1/artifacts", content=b"0123456789").json()
    response = client.head(f"/artifacts/{artifact['id']}")
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "10")
    assert client.head("/artifacts/none").status_code == 404


def test_a_corrupt_artifact_is_never_delivered_whole(url, store, tmp_path):
    """A small one is an error, a large one an answer that breaks off."""
    small = store.write_artifact(b"small")
    large = store.write_artifact(b"x" * 3_000_000)
    for artifact in (small, large):
        path = tmp_path / "store" / artifact.path
        path.chmod(0o644)
        with path.open("r+b") as file:
            file.seek(artifact.size - 1)
            file.write(b"!")
    with httpx.Client(base_url=url) as client:
        response = client.get(f"/artifacts/{small.id}")
        assert response.status_code == 500
        assert response.json()["detail"]["error"]["type"] == "ArtifactCorruptError"
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"/artifacts/{large.id}")


def read_frames(response, count):
    """Return the ids and payloads of the first events of a tail."""
    frames, fields = [], {}
    for line in response.iter_lines():
        if line.startswith(("id:", "data:", "event:")):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and "data" in fields:
            assert fields["event"] == "event"
            frames.append((int(fields["id"]), json.loads(fields["data"])["payload"]))
            fields = {}
            if len(frames) == count:
                return frames
    return frames


def test_a_tail_follows_the_channel(url, store):
    """Events come as they are appended; Last-Event-ID goes on where a reader left off."""
    store.create_channel({"name": "raw"})
    store.append_event({"channel": "raw", "payload": 0})

    def append():
        for number in (1, 2, 3):
            time.sleep(0.05)
            store.append_event({"channel": "raw", "payload": number})

    thread = threading.Thread(target=append)
    with httpx.Client(base_url=url, timeout=10) as client:
        with client.stream("GET", "/v1/channels/raw/tail") as live:
            thread.start()
            assert read_frames(live, 2) == [(2, 1), (3, 2)]
        thread.join()
        with client.stream("GET", "/v1/channels/raw/tail", headers={"Last-Event-ID": "3"}) as resumed:
            assert read_frames(resumed, 1) == [(4, 3)]
        with client.stream("GET", "/v1/channels/raw/tail?after_cursor=0") as whole:
            assert [cursor for cursor, _ in read_frames(whole, 4)] == [1, 2, 3, 4]
        for path, status in (("none/tail", 404), ("raw/tail?after_cursor=-1", 400)):
            assert client.get(f"/v1/channels/{path}").status_code == status
        assert client.get("/v1/channels/raw/tail", headers={"Last-Event-ID": "x"}).status_code == 400


def test_long_polls_wait_and_block_nobody(url, store):
    """A waiting lease and a waiting read answer when an event comes; health answers meanwhile."""
    store.create_channel({"name": "raw"})
    store.create_subscription("raw", subscription_id="w")
    results = {}

    def lease():
        body = {"wait": 5, "limit": 1}
        results["lease"] = httpx.post(f"{url}/v1/subscriptions/w/lease", json=body, timeout=10).json()

    def read():
        query = {"channel": "raw", "wait": 5}
        results["read"] = httpx.get(f"{url}/v1/events", params=query, timeout=10).json()

    threads = [threading.Thread(target=work) for work in (lease, read)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    start = time.monotonic()
    assert httpx.get(f"{url}/health").status_code == 200
    assert time.monotonic() - start < 3
    store.append_event({"channel": "raw", "payload": 1})
    for thread in threads:
        thread.join(10)
    assert results["lease"]["deliveries"][0]["event"]["payload"] == 1
    assert (results["read"]["events"][0]["payload"], results["read"]["next_cursor"]) == (1, 1)


def test_export_and_import_over_http(url, store, tmp_path):
    """What one server exports another store takes in, and the other way round."""
    store.create_channel({"name": "raw"})
    store.append_events([{"channel": "raw", "payload": number} for number in range(200)])
    store.write_artifact(b"bytes", channel="raw")
    with httpx.Client(base_url=url) as client:
        text = client.get("/v1/export").text
    target = tmp_path / "copy.jsonl"
    target.write_text(text)
    with open_store(tmp_path / "copy") as copy:
        copy.import_(target)
        assert [event.payload for event in copy.iter_events("raw")] == list(range(200))
        copy.create_channel({"name": "more"})
        copy.export(tmp_path / "back.jsonl")
    with httpx.Client(base_url=url) as client:
        query = {"on_conflict": "skip"}
        back = client.post("/v1/import", params=query, content=(tmp_path / "back.jsonl").read_bytes())
        assert back.status_code == 200, back.text
        broken = client.post("/v1/import", content=b"\xff\xfe\n")
        assert (broken.status_code, broken.json()["detail"]["error"]["type"]) == (400, "InvalidPayloadError")
    assert store.get_channel("more").name == "more"
