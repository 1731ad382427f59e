"""The OpenAPI document of a service: the real types of every tactic, in the envelope and raw."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from lllm.schema import adapter_of
from lllm_serve.endpoint_binding import Parameter
from lllm_serve.endpoint_route import CustomEndpoint
from lllm_serve.models import ErrorDetail
from lllm_serve.openapi_parts import (
    BODY_TEXT,
    CONTEXT_SCHEMA,
    HEADERS,
    KEY_HEADER,
    error_responses,
    event_stream,
    json_content,
    problem_schema,
)
from lllm_serve.public_info import public_schema
from lllm_serve.served import Served
from lllm_serve.service import Service

__all__ = ["describe"]

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def describe(app: FastAPI, service: Service, only: Served | None) -> None:
    """Let an application describe its tactics; the document is made when it is first asked for.

    Args:
        app: The application.
        service: The service.
        only: The tactic that has the short paths, or None.
    """
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            document = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            made.update(
                _Document(document, secured=bool(service.rules.authenticators)).with_service(
                    app, service, only
                )
            )
        return made

    app.openapi = openapi  # type: ignore[method-assign]


class _Document:
    """An OpenAPI document that is being added to.

    Args:
        document: What FastAPI found in the routes that it knows.
        secured: Whether callers must say who they are.
    """

    def __init__(self, document: dict[str, Any], *, secured: bool) -> None:
        self.document = document
        self.paths: dict[str, Any] = document.setdefault("paths", {})
        components = document.setdefault("components", {})
        self.schemas: dict[str, Any] = components.setdefault("schemas", {})
        self.secured = secured
        if secured:
            components.setdefault("securitySchemes", {})["bearer"] = {"type": "http", "scheme": "bearer"}

    def with_service(self, app: FastAPI, service: Service, only: Served | None) -> dict[str, Any]:
        """Add the routes of a service and return the document."""
        self._add_shared()
        self._add_state(service)
        for served in service.served.values():
            self._add_tactic(served, f"/tactics/{served.route_name}", served.route_name)
        if only is not None:
            self._add_tactic(only, "", "single")
        for route in app.routes:
            endpoint = getattr(route, "endpoint", None)
            if isinstance(endpoint, CustomEndpoint):
                self._add_endpoint(endpoint)
        return self.document

    def _add_shared(self) -> None:
        error = ErrorDetail.model_json_schema()
        error["required"] = ["type", "message", "tactic", "endpoint", "request_id", "metadata"]
        error["additionalProperties"] = False
        self.schemas["ErrorBody"] = _object({"detail": _object({"error": error})})
        self.schemas["Problem"] = problem_schema()
        self.schemas["CallContext"] = CONTEXT_SCHEMA
        self.schemas["TacticInfo"] = {"type": "object", "required": ["name", "capabilities"]}

    def _add_state(self, service: Service) -> None:
        names = {"type": "array", "items": {"type": "string"}}
        health = _object({"ok": {"const": True}, "tactics": names})
        ready = _object({"ready": {"type": "boolean"}})
        self._add(
            "/health",
            "get",
            "health",
            "Whether the process lives",
            {"200": json_content(health)},
            public=True,
        )
        answers = {"200": json_content(ready), "503": json_content(ready, "The service is stopping.")}
        self._add("/ready", "get", "ready", "Whether calls are taken", answers, public=True)
        infos = {"type": "array", "items": _ref("TacticInfo")}
        self._add("/tactics", "get", "list_tactics", "All tactics", {"200": json_content(infos)})

    def _add_tactic(self, served: Served, prefix: str, key: str) -> None:
        """Add the three routes of a tactic below a path."""
        title = _UNSAFE.sub("_", served.route_name)
        body = self._request(served, title)
        output = self._component(f"{title}_output", self._output_schema(served))
        answer = _object(
            {"output": output, "request_id": {"type": "string"}, "tactic": {"const": served.name}}
        )
        response = self._component(f"{title}_response", answer)
        info = served.info.document()
        text = info["description"]
        self._add(
            f"{prefix}/info",
            "get",
            f"info_{key}",
            f"Description of {served.name}",
            {"200": json_content(_ref("TacticInfo"))},
        )
        calls = (("run", {"200": json_content(response)}),) + (
            (("stream", {"200": event_stream()}),) if served.streams else ()
        )
        for name, answers in calls:
            self._add(
                f"{prefix}/{name}",
                "post",
                f"{name}_{key}",
                f"{name.capitalize()} {served.name}",
                {**answers, **error_responses()},
                description=text,
                parameters=[*HEADERS, *([KEY_HEADER] if name == "run" else [])],
                body=body,
            )

    def _add_endpoint(self, endpoint: CustomEndpoint) -> None:
        spec, served = endpoint.spec, endpoint.served
        answers = {"200": json_content({}) if spec.mode == "run" else event_stream(), **error_responses()}
        has_body = endpoint.binding.takes_value and spec.method not in {"GET", "DELETE"}
        keyed = spec.mode == "run" and spec.method != "GET"
        parameters = [self._parameter(each, spec.name) for each in endpoint.binding.parameters]
        if endpoint.binding.takes_value and not has_body:
            parameters += self._query_of(served, endpoint.binding.named, _UNSAFE.sub("_", served.route_name))
        self._add(
            spec.path,
            spec.method.lower(),
            f"{spec.name}_{served.route_name}",
            spec.name.replace("_", " ").title(),
            answers,
            description=spec.description,
            parameters=[*parameters, *HEADERS, *([KEY_HEADER] if keyed else [])],
            body=self._request(served, _UNSAFE.sub("_", served.route_name)) if has_body else None,
            tags=list(spec.tags),
        )

    def _add(
        self,
        path: str,
        method: str,
        operation_id: str,
        summary: str,
        responses: dict[str, Any],
        *,
        description: str = "",
        parameters: Any = (),
        body: Any = None,
        tags: list[str] | None = None,
        public: bool = False,
    ) -> None:
        """Add one operation."""
        if not public:
            responses = {**responses, **error_responses("403")}
        operation: dict[str, Any] = {"summary": summary, "operationId": operation_id, "responses": responses}
        if description:
            operation["description"] = description
        if parameters:
            operation["parameters"] = list(parameters)
        if body is not None:
            operation["requestBody"] = body
        if tags:
            operation["tags"] = tags
        if self.secured and not public:
            operation["security"] = [{"bearer": []}]
            responses.update(error_responses("401"))
        self.paths.setdefault(path, {})[method] = operation

    # Schemas of tactics

    def _request(self, served: Served, title: str) -> dict[str, Any]:
        schema = served.info.input_schema
        if schema is None:
            return {
                "description": BODY_TEXT,
                "content": {"application/json": {"schema": {}}},
                "required": False,
            }
        value = self._component(f"{title}_input", schema)
        envelope = {
            "type": "object",
            "properties": {"input": value, "context": _ref("CallContext")},
            "required": ["input"],
            "additionalProperties": False,
        }
        either = {"anyOf": [self._component(f"{title}_request", envelope), value]}
        return {
            "description": BODY_TEXT,
            "content": {"application/json": {"schema": either}},
            "required": True,
        }

    @staticmethod
    def _output_schema(served: Served) -> Mapping[str, Any] | None:
        """Return the schema of outputs as they are written; other than that of values as they are read."""
        output_type = served.tactic.output_type
        if output_type is not None and output_type is not Any:
            try:
                found: Mapping[str, Any] = public_schema(
                    adapter_of(output_type).json_schema(mode="serialization")
                )
            except Exception:
                return None  # a type without a JSON schema; the service has said so when it was built
            return found
        schema: Mapping[str, Any] | None = served.info.document()["output_schema"]
        return schema

    def _component(self, name: str, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """Add a schema with its definitions to the components; return a reference to it."""
        if schema is None:
            return {}
        inner = dict(schema)
        definitions = inner.pop("$defs", {})
        names = {old: self._free_name(old, name, part) for old, part in definitions.items()}
        for old, part in definitions.items():
            self.schemas[names[old]] = _renamed(part, names)
        self.schemas[name] = _renamed(inner, names)
        return _ref(name)

    def _free_name(self, wanted: str, owner: str, schema: Any) -> str:
        """Return a name for a definition that no other definition has."""
        name = _UNSAFE.sub("_", wanted)
        there = self.schemas.get(name)
        return name if there is None or there == schema else f"{owner}_{name}"

    def _parameter(self, parameter: Parameter, owner: str) -> dict[str, Any]:
        schema: dict[str, Any] = {}
        if parameter.annotation is not Any and parameter.annotation is not inspect.Parameter.empty:
            found = adapter_of(parameter.annotation).json_schema()
            schema = self._component(f"{owner}_{parameter.name}", found) if "$defs" in found else found
        elif parameter.place == "path":
            schema = {"type": "string"}
        if not parameter.required and _is_json(parameter.default):
            schema = {**schema, "default": parameter.default}
        required = parameter.required or parameter.place == "path"
        return {"name": parameter.name, "in": parameter.place, "required": required, "schema": schema}

    def _query_of(self, served: Served, named: frozenset[str], title: str) -> list[dict[str, Any]]:
        """Return the fields of an input that is built from the query."""
        schema = served.info.input_schema or {}
        self._component(f"{title}_input", schema)
        fields = self.schemas[f"{title}_input"].get("properties", {})
        required = set(schema.get("required", ()))
        return [
            {"name": name, "in": "query", "required": name in required, "schema": field}
            for name, field in fields.items()
            if name not in named
        ]


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """Return a schema whose references point at components."""
    if isinstance(schema, Mapping):
        return {
            key: _moved(part, names) if key == "$ref" and isinstance(part, str) else _renamed(part, names)
            for key, part in schema.items()
        }
    if isinstance(schema, list):
        return [_renamed(part, names) for part in schema]
    return schema


def _moved(ref: str, names: Mapping[str, str]) -> str:
    old = ref.removeprefix("#/$defs/")
    return f"#/components/schemas/{names[old]}" if old in names else ref


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
