"""What can be set about the tactic of an agent, as a model and as keyword arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lllm.names import check_examples, check_flag, check_metadata, check_text
from lllm.refs import check_service_ref, check_tactic_ref

__all__ = ["InputMode", "PydanticAITacticConfig", "ResultMode", "StreamMode", "read_config"]

InputMode = Literal["auto", "json", "dict", "python", "text"]
ResultMode = Literal["output", "result"]
StreamMode = Literal["output", "text", "response", "raw"]


def copied_containers(value: Any) -> Any:
    """Return a value with its maps, lists, tuples and sets rebuilt; everything inside them is shared.

    Args:
        value: Any value; a message history or a toolset keeps its identity.
    """
    if type(value) is dict:
        return {key: copied_containers(item) for key, item in value.items()}
    if type(value) in {list, tuple, set, frozenset}:
        return type(value)(copied_containers(item) for item in value)
    return value


def _check_run_kwargs(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("run_kwargs must be a mapping.")
    if not all(isinstance(key, str) for key in value):
        raise TypeError("run_kwargs keys must be strings.")
    return {key: copied_containers(item) for key, item in value.items()}


def _check_mapper(label: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value is not None and not callable(value):
            raise TypeError(f"{label} must be callable, got {type(value).__name__}.")
        return value

    return check


def _check_mode(label: str, modes: Any) -> Callable[[Any], Any]:
    known = get_args(modes)

    def check(value: Any) -> Any:
        if value not in known:
            raise ValueError(f"{label} must be one of: {', '.join(known)}; got {value!r}.")
        return value

    return check


def _check_examples(value: Any) -> list[dict[str, Any]]:
    if value is None:
        raise TypeError("examples must be a list of mappings.")
    return check_examples(value)


def _check_metadata(value: Any) -> dict[str, Any]:
    if value is None:
        raise TypeError("metadata must be a mapping.")
    return check_metadata(value)


# One check for each field, used by the model and for keyword arguments alike; they differ in the error's type.
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "input_mode": _check_mode("input_mode", InputMode),
    "result_mode": _check_mode("result_mode", ResultMode),
    "stream_mode": _check_mode("stream_mode", StreamMode),
    "include_context_metadata": lambda value: check_flag(value, "include_context_metadata"),
    "run_kwargs": _check_run_kwargs,
    "input_mapper": _check_mapper("input_mapper"),
    "output_mapper": _check_mapper("output_mapper"),
    "description": lambda value: None if value is None else check_text(value, "description"),
    "package_ref": lambda value: (
        None if value is None else _check_ref(value, "package_ref", check_tactic_ref)
    ),
    "service_ref": lambda value: (
        None if value is None else _check_ref(value, "service_ref", check_service_ref)
    ),
    "examples": _check_examples,
    "metadata": _check_metadata,
}


def _check_ref(value: Any, label: str, check: Callable[[Any, str], Any]) -> Any:
    return check(check_text(value, label), label)


def _checked(field: str) -> BeforeValidator:
    def validate(value: Any) -> Any:
        try:
            return _CHECKS[field](value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(str(error)) from error

    return BeforeValidator(validate)


class PydanticAITacticConfig(BaseModel):
    """How an agent becomes a tactic; keyword arguments of `PydanticAITactic` win over it, unknown fields are kept.

    Attributes:
        input_mode: What the agent is handed when the input is a model: its JSON text (`auto`, `json`), a JSON-like
            dict (`dict`), the object itself (`python`), or `str()` of it (`text`).
        result_mode: What a call answers with: the run's output, or the library's own result object.
        stream_mode: What `stream` and `astream` yield: text or partial outputs (`output`), text alone (`text`), the
            library's responses (`response`), or its events as they are (`raw`).
        input_type: Schema of the input.
        output_type: Schema that the output is validated against; without one the agent's own validation stands.
        include_context_metadata: Whether the run carries the metadata and the ids of the call.
        run_kwargs: Arguments of the agent's run; those of a call go over them.
        input_mapper: Makes what the agent is handed out of the input.
        output_mapper: Makes the output out of the library's result object.
        description: What the tactic does.
        package_ref: Tactic ref under which it is published.
        service_ref: Service ref or URL of the service that runs it.
        examples: Maps that show inputs and outputs.
        metadata: Anything else that `info()` should say.
    """

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)

    input_mode: Annotated[InputMode, _checked("input_mode")] = "auto"
    result_mode: Annotated[ResultMode, _checked("result_mode")] = "output"
    stream_mode: Annotated[StreamMode, _checked("stream_mode")] = "output"
    input_type: Any = None
    output_type: Any = None
    include_context_metadata: Annotated[bool, _checked("include_context_metadata")] = True
    run_kwargs: Annotated[Any, _checked("run_kwargs")] = Field(default_factory=dict)
    input_mapper: Annotated[Any, _checked("input_mapper")] = None
    output_mapper: Annotated[Any, _checked("output_mapper")] = None
    description: Annotated[str | None, _checked("description")] = None
    package_ref: Annotated[str | None, _checked("package_ref")] = None
    service_ref: Annotated[str | None, _checked("service_ref")] = None
    examples: Annotated[Any, _checked("examples")] = Field(default_factory=list)
    metadata: Annotated[Any, _checked("metadata")] = Field(default_factory=dict)


def read_config(config: Any, **given: Any) -> PydanticAITacticConfig:
    """Return the config that a constructor's arguments amount to.

    Args:
        config: A `PydanticAITacticConfig`, a mapping of its fields, or None.
        **given: Fields; those that are not None win.

    Raises:
        TypeError: `config` is something else, or a field has the wrong type.
        ValueError: A mode or a ref is malformed, or a field of the mapping is.
    """
    if config is None:
        config = PydanticAITacticConfig()
    elif isinstance(config, Mapping):
        config = PydanticAITacticConfig.model_validate(dict(config))
    elif not isinstance(config, PydanticAITacticConfig):
        raise TypeError(
            f"config must be a PydanticAITacticConfig, a mapping or None, got {type(config).__name__}."
        )
    given = {name: value for name, value in given.items() if value is not None}
    given.setdefault("run_kwargs", config.run_kwargs)
    update = {name: _CHECKS[name](value) if name in _CHECKS else value for name, value in given.items()}
    merged: PydanticAITacticConfig = config.model_copy(update=update)
    return merged
