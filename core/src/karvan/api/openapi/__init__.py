"""The OpenAPI 3.1 description of the API as one catalog version offers it; pure, and kept per version.

What is said here is what the record service does: schemathesis compares the two on both engines.
"""

from __future__ import annotations

from apispec import APISpec

from karvan.api.declared import declaration_schemas
from karvan.api.openapi.fixed import FIXED_PATHS, FIXED_SCHEMAS
from karvan.api.openapi.objects import add_object
from karvan.api.openapi.parts import SHARED, TITLES, Json, problem
from karvan.metadata.catalog import Catalog


def build_spec(catalog: Catalog, *, title: str = "Karvan", version: str = "1") -> Json:
    """The whole description as JSON."""
    spec = APISpec(
        title=title,
        version=version,
        openapi_version="3.1.0",
        info={"description": "Records, their schema and plugins. See /docs/api for the same as a page."},
        servers=[{"url": "/"}],
        security=[{"bearer": []}],
    )
    spec.components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "description": "`karvan user token EMAIL` makes one."}
    )
    for name, schema in {**SHARED, **FIXED_SCHEMAS, **declaration_schemas()}.items():
        spec.components.schema(name, schema)
    for status in sorted(TITLES):
        if status >= 400:
            spec.components.response(f"problem_{status}", problem(status))
    for object_type in catalog.objects.values():
        add_object(spec, catalog, object_type)
    for path, operations in FIXED_PATHS.items():
        spec.path(path=path, operations=operations)
    made: Json = spec.to_dict()
    return made


__all__ = ["build_spec"]
