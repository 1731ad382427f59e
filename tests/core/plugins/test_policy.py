"""Policy: which installed plugins may be loaded, decided without touching anything."""

from __future__ import annotations

import pytest

from lllm.plugins import Choice, PluginRecord, PluginSettings, decide, read_settings
from lllm.plugins.policy import unknown_names

SHOUT = PluginRecord("shout", "acme-shout", "1.0", "acme_shout.plugin", "/site", requires=("lllm>=0.1,<0.3",))
LOUD = PluginRecord("loud", "acme-loud", "2.0", "acme_loud.plugin", "/site")
BOTH = (LOUD, SHOUT)


def settle(
    *records: PluginRecord, host: str = "0.1.0", **settings: object
) -> dict[str, tuple[str, str | None]]:
    """Decide and return state and error by distribution."""
    decisions = decide(records, read_settings({}, {"plugins": settings}), host)
    return {decision.record.distribution: (decision.state, decision.error) for decision in decisions}


def states(*records: PluginRecord, **settings: object) -> list[str]:
    """Decide and return the states alone."""
    return [state for state, _ in settle(*records, **settings).values()]


def test_a_plugin_is_ready_unless_something_speaks_against_it() -> None:
    """The default settings turn nothing off."""
    assert settle(*BOTH) == {"acme-loud": ("ready", None), "acme-shout": ("ready", None)}


@pytest.mark.parametrize("name", ["shout", "acme-shout", "Acme_Shout", "SHOUT"])
def test_a_plugin_is_disabled_by_its_name_or_its_distribution(name: str) -> None:
    """Spelling is normalised as package indexes do it."""
    assert states(*BOTH, disable=[name]) == ["ready", "disabled"]


def test_an_allow_list_turns_the_rest_off() -> None:
    """The error says which list did it."""
    found = settle(*BOTH, allow=["acme.loud"])
    assert found["acme-loud"] == ("ready", None)
    assert found["acme-shout"] == ("disabled", "not allowed by plugins.allow in .psi/config.toml")


def test_an_empty_allow_list_allows_nothing() -> None:
    """It is a decision, unlike a missing list."""
    assert states(*BOTH, allow=[]) == ["disabled", "disabled"]


def test_disabling_wins_over_allowing() -> None:
    """A name on both lists is off."""
    assert states(SHOUT, allow=["shout"], disable=["shout"]) == ["disabled"]


def test_all_plugins_can_be_turned_off() -> None:
    """`--no-plugins` needs no list."""
    decisions = decide(BOTH, PluginSettings(enabled=False), "0.1.0")
    assert {decision.state for decision in decisions} == {"disabled"}


@pytest.mark.parametrize("host", ["0.3.0", "0.3.0.dev1", "0.0.9", "1.0"])
def test_a_requirement_that_excludes_the_host_is_incompatible(host: str) -> None:
    """The error names both versions and the remedy."""
    state, error = settle(SHOUT, host=host)["acme-shout"]
    assert state == "incompatible"
    assert error == (
        f"acme-shout requires lllm>=0.1,<0.3 and this is lllm {host}; install versions that fit: "
        f"pip install --upgrade acme-shout lllm"
    )


def test_an_unreadable_requirement_is_broken() -> None:
    """Nobody guesses what it might have meant."""
    state, error = settle(SHOUT._replace(requires=("lllm>>1",)))["acme-shout"]
    assert state == "broken"
    assert error == "its requirement on lllm cannot be read: `>1` is not a version."


@pytest.mark.parametrize("name", ["Shout", "_shout", "sh out", "", "shöut", "sh/out", "-shout"])
def test_a_plugin_name_has_one_shape(name: str) -> None:
    """Lower-case letters, digits, `_` and `-`, beginning with a letter or digit."""
    state, error = settle(SHOUT._replace(name=name))["acme-shout"]
    assert state == "broken"
    assert error is not None
    assert error.startswith(f"the entry point's name {name!r} is not a plugin name")


@pytest.mark.parametrize(
    "target", ["", "acme shout", "acme_shout.plugin:", ":x", "acme..shout", "acme_shout:a:b", "1a"]
)
def test_an_entry_point_names_a_module_or_an_object(target: str) -> None:
    """Anything else is broken before anything is imported."""
    state, error = settle(SHOUT._replace(entry_point=target))["acme-shout"]
    assert (state, error) == (
        "broken",
        f"`entry point` must be an import string `package.module or package.module:object`, got {target!r}.",
    )


def test_two_distributions_with_one_plugin_name_are_a_conflict() -> None:
    """Neither is loaded; both errors name both and the remedy."""
    rival = SHOUT._replace(distribution="zeta-shout", version="3.0")
    found = settle(SHOUT, rival)
    assert [state for state, _ in found.values()] == ["conflict", "conflict"]
    assert found["acme-shout"][1] == (
        "several distributions declare this plugin: `shout` (acme-shout 1.0) and `shout` (zeta-shout 3.0); "
        'choose one in .psi/config.toml: [plugins.prefer] "plugin:shout" = "acme-shout"'
    )


def test_the_user_decides_a_conflict_of_plugin_names() -> None:
    """The other one is off and says why."""
    rival = SHOUT._replace(distribution="zeta-shout")
    found = settle(SHOUT, rival, prefer={"plugin:shout": "Zeta_Shout"})
    assert found["zeta-shout"] == ("ready", None)
    assert found["acme-shout"] == ("disabled", '[plugins.prefer] "plugin:shout" names zeta-shout')


def test_preferring_what_is_not_installed_decides_nothing() -> None:
    """The conflict stays open."""
    rival = SHOUT._replace(distribution="zeta-shout")
    assert states(SHOUT, rival, prefer={"plugin:shout": "gone"}) == ["conflict", "conflict"]


def test_what_cannot_be_loaded_contends_for_nothing() -> None:
    """A disabled or incompatible plugin of the same name is no conflict."""
    rival = SHOUT._replace(distribution="zeta-shout", requires=("lllm>=7",))
    assert states(SHOUT, rival) == ["ready", "incompatible"]
    assert states(SHOUT, rival._replace(requires=()), disable=["zeta-shout"]) == ["ready", "disabled"]


def test_names_that_nothing_has_are_found() -> None:
    """A typing error in a list of names must not pass silently."""
    settings = read_settings(
        {"LLLM_PLUGINS_DISABLE": "shuot, acme-loud"}, {"plugins": {"allow": ["shout", "nope"]}}
    )
    assert unknown_names(BOTH, settings) == (
        Choice("shuot", "LLLM_PLUGINS_DISABLE"),
        Choice("nope", "plugins.allow in .psi/config.toml"),
    )
