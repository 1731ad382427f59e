"""Dialogs: messages, forks, images and storing."""

import base64
import json
import re
from pathlib import Path

import pytest

from lllm_runtime_agents import (
    Dialog,
    DialogTreeNode,
    Message,
    Modalities,
    Prompt,
    Roles,
    register_prompt,
    tool,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
IMAGES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"\0" * 16,
    "image/gif": b"GIF89a" + b"\0" * 16,
    "image/webp": b"RIFF\0\0\0\0WEBPVP8 " + b"\0" * 8,
}


@pytest.fixture
def dialog():
    """A dialog of five numbered messages."""
    filled = Dialog("chat", owner="writer")
    for number in range(5):
        filled.put_text(f"m{number}")
    return filled


def texts(dialog):
    return [message.content for message in dialog.messages]


def test_a_dialog_names_itself():
    """Without a name it is called after the moment, with six random characters."""
    assert re.fullmatch(r"\d{8}_\d{6}_[0-9a-f]{6}", Dialog().session_name)
    assert Dialog("mine").session_name == "mine"


def test_an_empty_dialog_has_no_ends():
    """Head and tail are None, and it costs nothing."""
    dialog = Dialog()
    assert (dialog.head, dialog.tail, dialog.messages, dialog.children) == (None, None, [], [])
    assert dialog.is_root
    assert dialog.depth == 0
    assert dialog.cost.cost == 0.0


def test_appending_stamps_the_dialog(dialog):
    """Every message knows the dialog it stands in, and `messages` is the live list."""
    message = Message(role="user", content="x", name="u")
    dialog.append(message)
    assert dialog.tail is message
    assert message.metadata["dialog_id"] == dialog.dialog_id
    dialog.messages.pop()
    assert dialog.tail.content == "m4"


def test_text_is_never_a_template():
    """Braces in received text stand for themselves, and a first prompt is there afterwards."""
    dialog = Dialog()
    message = dialog.put_text(
        "a {lone brace and {another}", name="bob", metadata={"k": 1}, role=Roles.ASSISTANT
    )
    assert message.content == "a {lone brace and {another}"
    assert (message.name, message.role, message.metadata["k"]) == ("bob", Roles.ASSISTANT, 1)
    assert dialog.top_prompt is not None


def test_text_keeps_the_active_prompt_unless_it_is_bare():
    """Tools, parser and format stay active; `bare=True` drops them."""
    dialog = Dialog()
    prompt = Prompt(path="p", prompt="hi", parser=len)
    dialog.put_prompt(prompt)
    dialog.put_text("more")
    assert dialog.top_prompt is prompt
    dialog.put_text("plain", bare=True)
    assert dialog.top_prompt is not prompt
    assert dialog.top_prompt.parser is None


def test_a_prompt_is_rendered_and_becomes_active():
    """Its variables are filled, and it can be named by its path."""
    dialog = Dialog()
    prompt = Prompt(path="tests/dialog/greet", prompt="Hello {who}")
    register_prompt(prompt)
    message = dialog.put_prompt("tests/dialog/greet", {"who": "you"}, name="n", role=Roles.SYSTEM)
    assert (message.content, message.name, message.role) == ("Hello you", "n", Roles.SYSTEM)
    assert dialog.top_prompt is prompt
    with pytest.raises(ValueError, match="who"):
        dialog.put_prompt(prompt)
    with pytest.raises(KeyError):
        dialog.put_prompt("tests/dialog/nowhere")


@pytest.mark.parametrize("media_type", IMAGES)
def test_images_are_recognised_by_their_bytes(media_type, tmp_path):
    """A path, a path as text and base64 text give the same message, with the true media type."""
    data = IMAGES[media_type]
    file = tmp_path / "picture.bin"
    file.write_bytes(data)
    encoded = base64.b64encode(data).decode()
    dialog = Dialog()
    dialog.put_text("look")
    active = dialog.top_prompt
    for given in (file, str(file), encoded):
        message = dialog.put_image(given, caption="a picture")
        assert message.content == encoded
        assert message.modality is Modalities.IMAGE
        assert message.metadata["media_type"] == media_type
        assert message.metadata["caption"] == "a picture"
    assert dialog.top_prompt is active


def test_an_image_object_is_saved():
    """Anything that saves itself like a PIL image is taken."""

    class Picture:
        mode = "RGB"
        format = None

        def save(self, stream, format):
            assert format == "PNG"
            stream.write(PNG)

    assert Dialog().put_image(Picture()).content == base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("not base64!", "Invalid base64 encoded image string"),
        (base64.b64encode(b"plain text, no image").decode(), "does not appear to be a supported image"),
        (42, "Invalid image type"),
        ("x" * 5000, "Invalid base64 encoded image string|does not appear"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    """The error says which of the three things went wrong."""
    with pytest.raises(ValueError, match=message):
        Dialog().put_image(image)


@pytest.mark.parametrize(
    ("last_n", "first_k", "expected"),
    [
        (0, 1, "m0 m1 m2 m3 m4"),
        (9, 1, "m0 m1 m2 m3 m4"),
        (5, 0, "m0 m1 m2 m3 m4"),
        (2, 1, "m0 m3 m4"),
        (2, 0, "m3 m4"),
        (2, 2, "m0 m1 m3 m4"),
        (4, 3, "m0 m1 m2 m3 m4"),
    ],
)
def test_a_fork_takes_over_messages_without_overlap(dialog, last_n, first_k, expected):
    """The first `first_k` and the last `last_n` messages are taken, none of them twice."""
    child = dialog.fork(last_n=last_n, first_k=first_k)
    assert texts(child) == expected.split()
    assert child.tree_node.split_point == len(expected.split())
    assert (child.session_name, child.owner, child.top_prompt) == ("chat", "writer", dialog.top_prompt)


def test_forks_and_parents_do_not_disturb_each_other(dialog):
    """Additions on either side, and changed metadata, stay where they were made."""
    child = dialog.fork()
    dialog.put_text("parent only")
    child.put_text("child only")
    child.messages[0].metadata["seen"] = True
    assert texts(child) == ["m0", "m1", "m2", "m3", "m4", "child only"]
    assert texts(dialog)[-1] == "parent only"
    assert "seen" not in dialog.messages[0].metadata
    assert {message.metadata["dialog_id"] for message in child.messages} == {child.dialog_id}
    assert {message.metadata["dialog_id"] for message in dialog.messages} == {dialog.dialog_id}


def test_forks_share_what_their_parents_said(dialog):
    """A message's content is not copied for each fork."""
    dialog.put_text("a long text " * 1000)
    child = dialog.fork()
    assert child.messages[-1].content is dialog.messages[-1].content


@pytest.mark.parametrize("numbers", [{"last_n": -1}, {"first_k": -1}])
def test_negative_numbers_are_refused(dialog, numbers):
    """A fork cannot take fewer than no messages."""
    with pytest.raises(ValueError, match="negative"):
        dialog.fork(**numbers)


def test_the_tree_knows_its_shape(dialog):
    """Parents, children, depth and the ids of the subtree agree."""
    child = dialog.fork(last_n=1)
    grandchild = child.fork()
    other = dialog.fork()
    assert child.parent is dialog
    assert dialog.children == [child, other]
    assert (dialog.depth, child.depth, grandchild.depth) == (0, 1, 2)
    assert dialog.tree_node.subtree_ids() == [
        dialog.dialog_id,
        child.dialog_id,
        other.dialog_id,
        grandchild.dialog_id,
    ]
    assert not child.is_root
    lines = dialog.tree_overview().splitlines()
    assert lines[0] == f"[{dialog.dialog_id[:8]}] owner=writer msgs=5"
    assert lines[1] == f"  [{child.dialog_id[:8]}] owner=writer msgs=2 split@2 (last_n=1, first_k=1)"
    assert lines[2].startswith("    [")


def test_an_overview_shows_one_line_a_message(dialog):
    """Texts are cut, the tail can be left out, and a divider can stand between."""
    dialog.put_text("x" * 200)
    assert dialog.overview(max_length=5).splitlines()[-1] == "[5. user (user)]: xxxxx..."
    assert dialog.overview(remove_tail=True).splitlines()[-1] == "[4. user (user)]: m4"
    assert dialog.overview(divider=True).splitlines()[1] == "-" * 40


def test_working_views_leave_the_dialog_alone(dialog):
    """What is added to a view does not reach the dialog, which has no child because of it."""
    view = dialog.working_view()
    view.put_text("repair")
    assert len(dialog.messages) == 5
    assert dialog.children == []
    assert view.dialog_id == dialog.dialog_id


def test_dialogs_survive_a_round_trip():
    """Messages, the tree, and a prompt that is registered nowhere all come back."""

    @tool(description="adds")
    def add(a: int, b: int = 1) -> int:
        return a + b

    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    prompt = Prompt(path="ad hoc", prompt="Say {what}", function_list=[add], format=schema, metadata={"v": 1})
    dialog = Dialog(owner="writer")
    dialog.put_prompt(prompt, {"what": "hi"})
    dialog.put_image(base64.b64encode(PNG).decode())
    dialog.fork(last_n=1).put_text("branch")
    stored = json.loads(json.dumps(dialog.to_dict()))
    loaded = Dialog.from_dict(stored)
    assert loaded.to_dict() == dialog.to_dict()
    assert stored["top_prompt_path"] == "ad hoc"
    assert loaded.top_prompt(what="x") == "Say x"
    assert loaded.top_prompt.functions["add"].to_tool() == add.to_tool()
    assert loaded.top_prompt.format == schema
    assert loaded.children[0].parent is loaded
    assert loaded.children[0].depth == 1


def test_a_registered_prompt_is_found_again():
    """On loading, the registry's prompt wins over the stored description."""
    prompt = Prompt(path="tests/dialog/kept", prompt="x", parser=len)
    register_prompt(prompt)
    dialog = Dialog()
    dialog.put_prompt(prompt)
    assert Dialog.from_dict(dialog.to_dict()).top_prompt is prompt


def test_tree_nodes_survive_a_round_trip():
    """All ids and numbers of a node are kept."""
    node = DialogTreeNode(owner="w", parent_id="p", split_point=3, children_ids=["c"], last_n=2, first_k=0)
    assert DialogTreeNode.from_dict(node.to_dict()).to_dict() == node.to_dict()
    assert node.is_root is False


def test_a_dialog_adds_up_its_cost(dialog):
    """Every message with usage counts."""
    for _ in range(2):
        usage = {"prompt_tokens": 3, "response_cost": 0.5}
        dialog.append(Message(role="assistant", content="", name="a", usage=usage))
    assert dialog.cost.cost == 1.0
    assert dialog.cost.prompt_tokens == 6


def test_image_files_that_cannot_be_read_say_so(tmp_path):
    """A Path is always a file, so a missing one is an error of the file system."""
    with pytest.raises(FileNotFoundError):
        Dialog().put_image(Path(tmp_path / "missing.png"))
