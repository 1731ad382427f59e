"""Schemas: validators and JSON schemas, built once."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel

from lllm.errors import SchemaError
from lllm.schema import adapter_of, export_json_schema, type_name, validate_with_schema


class Point(BaseModel):
    x: int


@pytest.mark.parametrize("schema", [None, Any])
def test_no_schema_checks_nothing(schema):
    """None and Any let the very object through and have no JSON schema."""
    value = object()
    assert validate_with_schema(value, schema) is value
    assert export_json_schema(schema) is None


def test_values_are_validated_in_lax_mode():
    """Pydantic's conversions apply."""
    assert validate_with_schema({"x": "1"}, Point) == Point(x=1)
    assert validate_with_schema(["1"], list[int]) == [1]


def test_a_mismatch_names_the_schema():
    """The error carries pydantic's text behind the name of the schema."""
    with pytest.raises(SchemaError, match=r"^Value does not match schema Point: 1 validation error"):
        validate_with_schema({"x": "a"}, Point)


def test_a_validator_that_raises_anything_is_a_mismatch():
    """Also errors that pydantic does not turn into validation errors end as SchemaError."""

    def explode(value):
        raise KeyError("boom")

    with pytest.raises(SchemaError, match="boom"):
        validate_with_schema(1, Annotated[int, AfterValidator(explode)])


def test_a_type_without_validator_or_json_schema_is_an_error():
    """The text names the type."""

    class Odd:
        pass

    with pytest.raises(SchemaError, match="Odd"):
        validate_with_schema(1, Odd)
    with pytest.raises(SchemaError, match="Cannot export JSON Schema for"):
        export_json_schema(Callable)


def test_adapters_and_schemas_are_built_once():
    """Equal annotations share one adapter and one exported schema."""
    assert adapter_of(list[Point]) is adapter_of(list[Point])
    first = export_json_schema(Point)
    first["title"] = "changed"
    assert export_json_schema(Point)["title"] == "Point"


def test_equal_literals_of_different_types_are_different_schemas():
    """`Literal[1]` and `Literal[True]` compare equal but do not accept the same values."""
    assert validate_with_schema(1, Literal[1]) == 1
    assert validate_with_schema(True, Literal[True]) is True
    with pytest.raises(SchemaError):
        validate_with_schema("x", Literal[True])


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (None, None),
        (Any, "Any"),
        (Point, "Point"),
        (Point(x=1), "Point"),
        (int, "int"),
        (int | None, "int | None"),
    ],
)
def test_type_names(schema, name):
    """Classes and model instances go by class name, other annotations by their text."""
    assert type_name(schema) == name
