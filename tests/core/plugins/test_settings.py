"""Settings: the environment and the `[plugins]` table, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lllm.errors import ConfigError
from lllm.plugins import read_settings

from .conftest import Site


def names(choices: Any) -> list[str]:
    """Return the names of a list of choices."""
    return [choice.name for choice in choices]


def test_nothing_is_decided_by_default() -> None:
    """Without environment and config every plugin is on."""
    settings = read_settings({}, {})
    assert (settings.enabled, settings.disable, settings.allow, settings.strict) == (True, (), None, False)


def test_lists_to_disable_add_up() -> None:
    """Commas and spaces separate names in the environment."""
    settings = read_settings({"LLLM_PLUGINS_DISABLE": "a, B_c d"}, {"plugins": {"disable": ["e"]}})
    assert names(settings.disable) == ["a", "b-c", "d", "e"]


def test_an_allow_list_in_the_environment_replaces_the_one_of_the_config() -> None:
    """It is the more recent decision."""
    config = {"plugins": {"allow": ["a"]}}
    assert names(read_settings({"LLLM_PLUGINS_ALLOW": "b,c"}, config).allow) == ["b", "c"]
    assert names(read_settings({"LLLM_PLUGINS_ALLOW": " "}, config).allow) == ["a"]


@pytest.mark.parametrize(
    ("value", "strict"), [("1", True), ("true", True), ("", False), ("0", False), ("False", False)]
)
def test_strictness_is_an_environment_variable(value: str, strict: bool) -> None:
    """The usual spellings of no are no."""
    assert read_settings({"LLLM_PLUGINS_STRICT": value}, {}).strict is strict


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ([], "`plugins` must be a table, got a list with nothing."),
        ({"disable": "x"}, "`plugins.disable` must be a list of strings, got str."),
        ({"allow": [1, "x"]}, "`plugins.allow` must be a list of strings, got a list with int, str."),
        (
            {"disabled": []},
            "`plugins.disabled` is not a key of [plugins]; there are disable, allow and prefer.",
        ),
        ({"prefer": ["x"]}, "`plugins.prefer` must be a table, got a list with str."),
        ({"prefer": {"runtime:x": 1}}, '`plugins.prefer."runtime:x"` must name a distribution, got int.'),
        (
            {"prefer": {"shout": "acme"}},
            '`plugins.prefer.shout` must look like "runtime:name"; the kinds are claim, command, plugin, runtime, '
            "scheme, store, tactic.",
        ),
    ],
)
def test_a_malformed_table_is_refused(table: Any, text: str) -> None:
    """The error names the key, what it holds and what it must hold."""
    with pytest.raises(ConfigError) as caught:
        read_settings({}, {"plugins": table})
    assert str(caught.value) == text


def test_the_config_of_the_working_directory_counts(site: Site, config: Path) -> None:
    """Nothing above the working directory is looked at."""
    site.install("acme-shout")
    config.write_text('[plugins]\ndisable = ["shout"]\n')
    assert site.states() == {"shout": "disabled"}


def test_an_error_in_the_config_names_file_line_and_key(site: Site, config: Path) -> None:
    """The policy is not known, so nothing is loaded until it is mended."""
    site.install("acme-shout")
    config.write_text('# ours\n\n[plugins]\nallow = ["shout"]\ndisable = 3\n')
    manager = site.manager()
    with pytest.raises(ConfigError) as caught:
        manager.plugins()
    assert str(caught.value) == ".psi/config.toml:5: `plugins.disable` must be a list of strings, got int."
    config.write_text("")
    assert [info.state for info in manager.plugins()] == ["ready"]


def test_a_config_that_is_not_toml_names_file_and_line(site: Site, config: Path) -> None:
    """The text comes from the parser, with the file in front."""
    config.write_text("[plugins\n")
    with pytest.raises(ValueError, match=r"config\.toml.*line 1"):
        site.manager().plugins()


def test_an_isolated_manager_reads_neither_config_nor_environment(
    site: Site, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests do not depend on where they run."""
    from lllm.plugins import PluginManager

    config.write_text("[plugins\n")
    monkeypatch.setenv("LLLM_PLUGINS_STRICT", "1")
    assert PluginManager(discover=False).plugins() == ()
