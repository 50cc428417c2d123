"""The catalogue as JSON, for Karvan and other programs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request, url_for

from karvan_marketplace.answers import kept_json
from karvan_marketplace.catalogue import Plugin, Refusal, Set
from karvan_marketplace.errors import UnknownBundle, UnknownPlugin
from karvan_marketplace.folder import Folder
from karvan_marketplace.wheel import Wheel
from karvan_sdk.manifest import Manifest


def make_blueprint(folder: Folder) -> Blueprint:
    """The routes below `/api/v1/`."""
    routes = Blueprint("api", __name__, url_prefix="/api/v1")

    @routes.get("/plugins")
    def plugins() -> Response:
        return _data([describe_plugin(plugin) for plugin in folder.catalogue().plugins.values()])

    @routes.get("/plugins/<plugin>")
    def plugin(plugin: str) -> Response:
        found = folder.catalogue().plugins.get(plugin)
        if found is None:
            raise UnknownPlugin(plugin)
        return _data(describe_plugin(found))

    @routes.get("/bundles")
    def bundles() -> Response:
        return _data([describe_bundle(found) for found in folder.catalogue().bundles.values()])

    @routes.get("/bundles/<bundle>")
    def bundle(bundle: str) -> Response:
        found = folder.catalogue().bundles.get(bundle)
        if found is None:
            raise UnknownBundle(bundle)
        return _data(describe_bundle(found))

    @routes.get("/refused")
    def refused() -> Response:
        return _data([_describe_refusal(refusal) for refusal in folder.catalogue().refused])

    return routes


def _data(found: Any) -> Response:
    return kept_json(request, {"data": found})


def describe_plugin(plugin: Plugin) -> dict[str, Any]:
    """A plugin: its newest version's manifest and facts, and all its files."""
    wheel = plugin.wheel
    return {
        **_describe_manifest(plugin.manifest),
        "distribution": wheel.project,
        "version": plugin.version,
        "author": wheel.author,
        "license": wheel.license,
        "requires_python": wheel.requires_python,
        "files": [_describe_file(one) for one in plugin.wheels],
    }


def _describe_manifest(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "name": manifest.name.as_dict(),
        "summary": manifest.summary.as_dict(),
        "icon": manifest.icon,
        "api": manifest.api,
        "requires": dict(manifest.requires),
        "conflicts": dict(manifest.conflicts),
        "capabilities": list(manifest.capabilities),
        "objects": [declared.name for declared in manifest.objects],
        "fields": [f"{foreign.object}.{foreign.field.name}" for foreign in manifest.fields],
        "widgets": [
            {"id": use.id, "title": use.title.as_dict(), "slots": list(use.slots)} for use in manifest.widgets
        ],
        "public_routes": [
            {
                "surface": route.surface,
                "path": route.path,
                "methods": list(route.methods),
                "why": route.why.as_dict(),
            }
            for route in manifest.public_routes
        ],
        "settings": [setting.name for setting in manifest.settings],
        "commands": list(manifest.commands),
        "languages": list(manifest.languages),
        "hooks": list(dict.fromkeys(use.hook for use in manifest.hooks)),
        "categories": list(manifest.categories),
        "links": dict(manifest.links),
    }


def _describe_file(wheel: Wheel) -> dict[str, Any]:
    return {
        "version": str(wheel.version),
        "filename": wheel.filename,
        "url": url_for("index.file", filename=wheel.filename),
        "sha256": wheel.sha256,
        "size": wheel.size,
        "requires_python": wheel.requires_python,
    }


def describe_bundle(found: Set) -> dict[str, Any]:
    """A bundle: its plugins in the order of installing, and what this marketplace can't give."""
    described: dict[str, Any] = {
        "id": found.bundle.id,
        "name": found.bundle.name.as_dict(),
        "summary": found.bundle.summary.as_dict(),
        "plugins": [{"id": wanted.id, "version": wanted.version} for wanted in found.plugins],
    }
    if found.missing:
        described["missing"] = list(found.missing)
    return described


def _describe_refusal(refusal: Refusal) -> dict[str, str]:
    return {"filename": refusal.filename, "reason": refusal.reason}
