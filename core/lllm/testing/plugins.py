"""A fixture for the tests of plugins.

Import it where pytest finds it, usually in `conftest.py`:

```python
from lllm.testing import plugin_manager

def test_shout_is_contributed(plugin_manager):
    import acme_shout.plugin

    plugin_manager.register(acme_shout.plugin)
    assert "shout" in plugin_manager.runtimes()
```
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lllm.plugins import PluginManager, use

__all__ = ["plugin_manager"]


@pytest.fixture
def plugin_manager() -> Iterator[PluginManager]:
    """Give a manager without installed plugins, in force for the length of the test.

    Neither the environment nor a config has a say in it.
    """
    with use(PluginManager(discover=False)) as manager:
        yield manager
