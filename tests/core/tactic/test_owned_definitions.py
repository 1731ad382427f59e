"""Tactic classes that a plugin imports on behalf of others belong to the plugin."""

import pytest

import lllm
from lllm.tactic.registry import claim_definitions, defined_tactic_classes


def define(name, module, **options):
    """Define a tactic class as a module of that name would."""
    return type(lllm.Tactic)(name, (lllm.Tactic,), {"name": name, "__module__": module}, **options)


@pytest.fixture
def owned():
    """Claim the modules below `claimed_pkg`; the classes that come are in the list."""
    classes = []
    claim_definitions("claimed_pkg", classes.append)
    yield classes
    claim_definitions("claimed_pkg", lambda cls: None)


def test_claimed_classes_go_to_their_owner(owned):
    """They do not stand in the table of the program, and `register=False` keeps them from the owner too."""
    cls = define("owned-one", "claimed_pkg.tactics.one")
    define("owned-two", "claimed_pkg", register=False)
    assert owned == [cls]
    with pytest.raises(KeyError):
        lllm.get_tactic_class("owned-one")


def test_other_classes_stay_in_the_table(owned):
    """Only whole first parts of module names count, and a registry named in the class statement comes first."""

    class Registry:
        def register_tactic(self, name, cls, overwrite):
            self.seen = (name, cls, overwrite)

    cls = define("owned-three", "claimed_pkgs.tactics")
    registry = Registry()
    other = define("owned-four", "claimed_pkg.tactics", runtime=registry)
    assert owned == []
    assert lllm.get_tactic_class("owned-three") is cls
    assert registry.seen == ("owned-four", other, True)


def test_an_owned_class_can_still_be_registered(owned):
    """Who registers it by hand means the table."""
    cls = define("owned-five", "claimed_pkg.tactics")
    lllm.register_tactic_class(cls)
    assert lllm.get_tactic_class("owned-five") is cls


def test_the_table_can_be_read():
    """The view is live and cannot be changed."""
    table = defined_tactic_classes()
    cls = define("owned-six", "somewhere")
    assert table["owned-six"] is cls
    with pytest.raises(TypeError):
        table["owned-six"] = None


def test_a_tactic_knows_where_it_comes_from():
    """`tactic_path` is what the constructor says, else what stands on the very class, else the name."""
    cls = define("owned-seven", "somewhere")
    assert cls().tactic_path == "owned-seven"
    cls.tactic_path = "package::owned-seven"
    assert cls().tactic_path == "package::owned-seven"
    assert cls(tactic_path="other::x").tactic_path == "other::x"
    assert type("Derived", (cls,), {"name": "owned-eight"})().tactic_path == "owned-eight"
