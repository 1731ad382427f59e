"""The plugin host: finds plugins, decides which may be loaded, loads them isolated from each other."""

from lllm.plugins.active import manager, use
from lllm.plugins.discovery import discover
from lllm.plugins.entries import Entry
from lllm.plugins.plugin_manager import PluginManager
from lllm.plugins.policy import Decision, decide
from lllm.plugins.records import HookInfo, PluginInfo, PluginRecord
from lllm.plugins.settings import Choice, PluginSettings, read_settings

__all__ = [
    "Choice",
    "Decision",
    "Entry",
    "HookInfo",
    "PluginInfo",
    "PluginManager",
    "PluginRecord",
    "PluginSettings",
    "decide",
    "discover",
    "generation",
    "manager",
    "read_settings",
    "use",
]

generation: int = 0
"""Counts up whenever the manager in force or its registrations change; compare it to know when to ask again."""
