"""The files of a new project."""

from __future__ import annotations

from string import Template

__all__ = ["project_files"]

_PYPROJECT = """\
[build-system]
requires = ["setuptools>=70.1"]
build-backend = "setuptools.build_meta"

[project]
name = "$slug"
version = "0.1.0"
description = "A tactic: a typed unit of work."
readme = "README.md"
requires-python = ">=3.11"
dependencies = [$dependencies]

[project.optional-dependencies]
dev = ["pytest", "httpx", "lllm[client]"]
server = ["lllm[server]"]

[tool.setuptools]
packages = ["$package"]

[tool.pytest.ini_options]
pythonpath = ["."]
testpaths = ["tests"]
"""

_README = """\
# $slug

A tactic, the service that offers it, and a client.

```
pip install -e ".[dev,server]"
pytest
lllm serve $package.tactics:build_tactic --port 8000
python client.py
```

| | |
|---|---|
| `$package/tactics.py` | the tactic: what it takes, what it gives, and how |
| `app.py` | the service as an ASGI application, for any server |
| `client.py` | a client of the service |
| `tests/test_tactic.py` | the tactic alone, and through service and client |
| `docs/tutorial.md` | how to go on from here |
"""

_TUTORIAL = """\
# From here on

1. Install the project with its tools and run the tests:

   ```
   pip install -e ".[dev,server]"
   pytest
   ```

2. Change what the tactic does in `$package/tactics.py`. `EchoInput` and `EchoOutput` are its contract: input is
   validated before the tactic sees it, output before anybody else does. $hint

3. Try it without a service:

   ```
   lllm run $package.tactics:build_tactic '{"text": "hello"}'
   ```

4. Serve it, and call it from another terminal:

   ```
   lllm serve $package.tactics:build_tactic --port 8000
   python client.py
   ```

   `http://127.0.0.1:8000/docs` shows the routes. `app.py` is the same service for `uvicorn app:app` and the like.
"""

_APP = '''\
"""The service: one tactic behind HTTP."""

from lllm import create_tactic_app

from $package import build_tactic

app = create_tactic_app(build_tactic())
'''

_CLIENT = '''\
"""A client of the service."""

from __future__ import annotations

import sys
from typing import Any

from lllm import RemoteTactic

from $package import EchoInput, EchoOutput

DEFAULT_URL = "http://127.0.0.1:8000/run"


def build_client(url: str = DEFAULT_URL, *, transport: Any = None) -> RemoteTactic:
    """Return the tactic as it is offered at a URL."""
    return RemoteTactic(url, input_type=EchoInput, output_type=EchoOutput, transport=transport)


def call(text: str = "hello", *, url: str = DEFAULT_URL, transport: Any = None) -> EchoOutput:
    """Call the service once."""
    return build_client(url, transport=transport).run(EchoInput(text=text))


def main() -> None:
    """Call the service with the text on the command line."""
    print(call(" ".join(sys.argv[1:]) or "hello").text)


if __name__ == "__main__":
    main()
'''

_INIT = '''\
"""A tactic that echoes in capitals."""

from $package.tactics import EchoInput, EchoOutput, build_tactic

__all__ = ["EchoInput", "EchoOutput", "build_tactic"]
'''

_MODELS = """\
class EchoInput(BaseModel):
    text: str


class EchoOutput(BaseModel):
    text: str
"""

_PLAIN = f'''\
"""The tactic: what it takes, what it gives, and how."""

from __future__ import annotations

from lllm import CallContext, Tactic
from pydantic import BaseModel


{_MODELS}

class EchoTactic(Tactic[EchoInput, EchoOutput]):
    """Say it again in capitals."""

    name = "echo"

    def _run(self, input_value: EchoInput, *, context: CallContext | None = None) -> EchoOutput:
        return EchoOutput(text=input_value.text.upper())


def build_tactic() -> EchoTactic:
    """Return the tactic that is served."""
    return EchoTactic()
'''

_PYDANTIC_AI = f'''\
"""The tactic: what it takes, what it gives, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lllm import PydanticAITactic
from pydantic import BaseModel


{_MODELS}

@dataclass
class EchoResult:
    output: EchoOutput


class EchoAgent:
    """Say it again in capitals."""

    name = "echo"
    output_type = EchoOutput

    def run_sync(self, prompt: str, **options: Any) -> EchoResult:
        return EchoResult(EchoOutput(text=EchoInput.model_validate_json(prompt).text.upper()))


def build_tactic() -> PydanticAITactic:
    """Return the tactic that is served."""
    return PydanticAITactic(EchoAgent(), name="echo", input_type=EchoInput, output_type=EchoOutput)
'''

_NATIVE = f'''\
"""The tactic: what it takes, what it gives, and how."""

from __future__ import annotations

from lllm import NativeTacticAdapter
from pydantic import BaseModel


{_MODELS}

class Echo:
    """Say it again in capitals."""

    def run(self, task: EchoInput) -> EchoOutput:
        return EchoOutput(text=task.text.upper())


def build_tactic() -> NativeTacticAdapter:
    """Return the tactic that is served."""
    return NativeTacticAdapter(Echo(), name="echo", input_type=EchoInput, output_type=EchoOutput)
'''

_TEST = '''\
"""The tactic alone, and through service and client."""

import httpx
import pytest
from pydantic import ValidationError

from $package import EchoInput, EchoOutput, build_tactic


def test_the_tactic_echoes_in_capitals():
    assert build_tactic().run({"text": "hello"}) == EchoOutput(text="HELLO")


def test_the_tactic_is_called_echo():
    assert build_tactic().info().name == "echo"


def test_the_input_is_checked():
    with pytest.raises(ValidationError):
        EchoInput()


def test_the_client_reaches_the_service():
    pytest.importorskip("lllm_serve", reason="the service needs the extra `server`")
    from fastapi.testclient import TestClient

    from app import app
    from client import call

    with TestClient(app, base_url="http://127.0.0.1:8000") as service:

        def answer(request: httpx.Request) -> httpx.Response:
            path, headers = request.url.path, dict(request.headers)
            reply = service.request(request.method, path, content=request.content, headers=headers)
            return httpx.Response(reply.status_code, json=reply.json())

        assert call("hello", transport=httpx.MockTransport(answer)) == EchoOutput(text="HELLO")
'''

_TACTICS = {"plain": _PLAIN, "pydantic-ai": _PYDANTIC_AI, "native": _NATIVE}
_DEPENDENCIES = {
    "plain": '"pydantic>=2.7", "lllm"',
    "pydantic-ai": '"pydantic>=2.7", "lllm[pydantic-ai]"',
    "native": '"pydantic>=2.7", "lllm", "lllm[native]"',
}
_HINTS = {
    "plain": "`EchoTactic._run` is the work; `async def _run` works too.",
    "pydantic-ai": "`EchoAgent` stands in for an agent: put a `pydantic_ai.Agent` in its place.",
    "native": "`Echo` stands in for an agent group: any object with a method `run` will do.",
}


def project_files(template: str, slug: str, package: str) -> dict[str, str]:
    """Return the files of a project by their paths.

    Args:
        template: One of the templates.
        slug: Name of the project.
        package: Name of its import package.
    """
    texts = {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        "app.py": _APP,
        "client.py": _CLIENT,
        f"{package}/__init__.py": _INIT,
        f"{package}/tactics.py": _TACTICS[template],
        "tests/test_tactic.py": _TEST,
        "docs/tutorial.md": _TUTORIAL,
    }
    words = {
        "slug": slug,
        "package": package,
        "dependencies": _DEPENDENCIES[template],
        "hint": _HINTS[template],
    }
    return {path: Template(text).substitute(words) for path, text in texts.items()}
