"""What the OpenAPI document needs beyond the handlers' signatures, and the page that shows it without a network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import litestar_offline_docs
import msgspec
from litestar import Request, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    Operation,
    RequestBody,
    SecurityScheme,
)
from litestar.static_files import create_static_files_router
from litestar.types.internal_types import PathParameterDefinition

import trenova
from trenova.api.auth import ACCESS, PUBLIC
from trenova.api.bodies import NDJSON
from trenova.api.problems import PROBLEM_TYPE, STATUS, Problem
from trenova.domain.entry import Draft

DOCS = "/docs"
# Not below /docs, where every path shows the page itself.
ASSETS = "/docs-assets"
# The end of a text, in patterns for both Python and JSON Schema: Python's $ also matches before a final line end.
END = r"(?![\s\S])"


def answers(kind: type[Any], description: str, media_type: str = "application/json") -> ResponseSpec:
    # Litestar's examples are random letters.
    return ResponseSpec(kind, description=description, media_type=media_type, generate_examples=False)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The responses for the errors of a route."""
    titles = dict(STATUS.values())
    return {status: answers(Problem, titles[status], PROBLEM_TYPE) for status in statuses}


def entry_schema() -> dict[str, Any]:
    """The JSON Schema of an entry as clients send it, with all its parts inlined."""
    (schema,), parts = msgspec.json.schema_components([Draft], ref_template="{name}")
    inlined = inline(parts[schema["$ref"]], parts)
    assert isinstance(inlined, dict)
    return inlined


def inline(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [inline(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return inline(parts[node["$ref"]], parts)
    # \Z is Python's end of text; JSON Schema's regular expressions write $.
    return {
        key: value.replace(r"\Z", "$") if key == "pattern" else inline(value, parts)
        for key, value in node.items()
        if key != "default"
    }


@dataclass
class EntriesBody(Operation):
    """The operation that adds entries. Its handler reads the body itself, so it is described here."""

    def __post_init__(self) -> None:
        entry = entry_schema()
        one_or_more: Any = {"oneOf": [entry, {"type": "array", "items": entry, "minItems": 1}]}
        lines: Any = {"type": "string", "description": "One entry per line."}
        self.request_body = RequestBody(
            required=True,
            description="One entry, an array of entries, or NDJSON.",
            content={
                "application/json": OpenAPIMediaType(schema=one_or_more),
                **{kind: OpenAPIMediaType(schema=lines) for kind in sorted(NDJSON)},
            },
        )


@dataclass
class EntryBody(Operation):
    """An operation whose handler reads one entry from the body itself."""

    def __post_init__(self) -> None:
        one = OpenAPIMediaType(schema=entry_schema())  # type: ignore[arg-type]  # a schema as JSON works, too
        self.request_body = RequestBody(required=True, description="One entry.", content={"application/json": one})


@dataclass
class WithoutKey(Operation):
    """A public operation. Litestar omits an empty `security` set in another way, which would mean the opposite."""

    def __post_init__(self) -> None:
        self.security = []


def operation_id(handler: HTTPRouteHandler, _method: object, path: list[str | PathParameterDefinition]) -> str:
    """The handler's name, with the parameters of the path if the handler has several paths."""
    names = [part.name for part in path if not isinstance(part, str)] if len(handler.paths) > 1 else []
    return "_".join([handler.handler_name, *names])


def config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Trenova",
        version=trenova.__version__,
        summary="An audit log that loses nothing and can prove it.",
        openapi_router=Router(DOCS, route_handlers=[], opt={ACCESS: PUBLIC}, include_in_schema=False),
        operation_id_creator=operation_id,
        components=Components(
            security_schemes={
                "apiKey": SecurityScheme(
                    type="http", scheme="bearer", description="An API key: `trenova api-key create`."
                )
            }
        ),
        security=[{"apiKey": []}],
        render_plugins=[
            SwaggerRenderPlugin(
                path="/",
                js_url=f"{ASSETS}/swagger-ui-bundle.js",
                css_url=f"{ASSETS}/swagger-ui.css",
                standalone_preset_js_url=f"{ASSETS}/swagger-ui-standalone-preset.js",
                favicon="",  # Litestar's default is fetched from another server
            ),
        ],
    )


@get("/openapi.json", opt={ACCESS: PUBLIC}, include_in_schema=False, sync_to_thread=False)
def document(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of this API."""
    return request.app.openapi_schema.to_schema()


assets = create_static_files_router(
    path=ASSETS,
    directories=[Path(litestar_offline_docs.__file__).with_name("static")],
    opt={ACCESS: PUBLIC},
    include_in_schema=False,
)
