"""The plugin, registered with a manager of the test's own."""

import acme_shout.plugin
import pytest

from lllm.testing import plugin_manager

__all__ = ["plugin_manager"]


@pytest.fixture
def registered(plugin_manager):
    """Register the plugin for one test."""
    plugin_manager.register(acme_shout.plugin, name="shout")
    return plugin_manager
