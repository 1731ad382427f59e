"""Remote is local: the suite that every runtime's tactics pass, with each tactic in a service of its own."""

import threading
import time

import pytest
import uvicorn

from lllm import RemoteTactic, RemoteTacticError, create_tactic_app
from lllm.testing import TacticConformance
from lllm.testing.tactics import Answer, Question
from lllm_runtime_callable import CallableTactic


class TestRemote(TacticConformance):
    """Functions, coroutine functions, generators and async generators behind HTTP."""

    patience = 30.0

    @pytest.fixture(autouse=True)
    def services(self):
        """Stop what the test has started."""
        self.running = []
        yield
        for tactic, server, thread in self.running:
            tactic.close()
            server.should_exit = True
            thread.join(30)

    def make(self, work):
        app = create_tactic_app(CallableTactic(work, input_type=Question, output_type=Answer))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
        thread = threading.Thread(target=server.run)
        thread.start()
        until = time.monotonic() + 30
        while not server.started and time.monotonic() < until:
            time.sleep(0.005)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        tactic = RemoteTactic(url, input_type=Question, output_type=Answer)
        self.running.append((tactic, server, thread))
        assert (
            tactic.info().input_schema == Question.model_json_schema()
        )  # asked of the service, as capabilities are
        return tactic

    def error_type(self, error):
        return RemoteTacticError

    make_async = make_stream = make_astream = make
