"""Remote tactics and their errors outside of the thread and process that made them."""

import copy
import os
import pickle

import pytest

from lllm import RemoteTactic, RemoteTacticError
from lllm_runtime_remote.clients import Clients
from lllm_runtime_remote.errors import error_from_body


def test_a_remote_tactic_can_be_pickled_and_copied():
    """The copy calls the same service over connections of its own."""
    tactic = RemoteTactic("http://127.0.0.1:1/tactics/echo", headers={"x": "y"})
    for made in (pickle.loads(pickle.dumps(tactic)), copy.deepcopy(tactic)):
        assert (made.url, made.tactic_name) == (tactic.url, "echo")
        assert made._clients is not tactic._clients


def test_a_key_error_of_a_service_reads_like_every_other():
    """It is a KeyError, but its text is not put into quotes."""
    body = {"detail": {"error": {"type": "KeyError", "message": "no such key"}}}
    error = error_from_body(500, body)
    assert isinstance(error, KeyError)
    assert str(error) == "Remote tactic returned HTTP 500 (KeyError): no such key"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert isinstance(error, RemoteTacticError)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own():
    """Parent and child never read from one socket."""
    clients = Clients()
    parents = clients.sync()
    pid = os.fork()
    if pid == 0:
        same = 1
        try:
            same = int(clients.sync() is parents)
        finally:
            os._exit(same)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert clients.sync() is parents
    clients.close()
