"""The pages: what there is, one plugin, one bundle. They need no script and change nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, render_template, request, url_for
from flask_babel import Babel
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from karvan_marketplace import readme
from karvan_marketplace.answers import kept
from karvan_marketplace.catalogue import Catalogue, Plugin, Set
from karvan_marketplace.errors import UnknownBundle, UnknownPlugin
from karvan_marketplace.folder import Folder
from karvan_marketplace.icons import icon
from karvan_marketplace.problems import status_of
from karvan_marketplace.search import count_categories, find_bundles, find_plugins, words_of
from karvan_marketplace.visit import LANGUAGE_NAMES, THEMES, Visit, seal, visit_of
from karvan_marketplace.wheel import describe
from karvan_marketplace.words import Words

PER_PAGE = 60
COLOURS = 7
PUBLIC_URL = "KARVAN_MARKETPLACE_PUBLIC_URL"
STATIC: Mapping[str, str] = MappingProxyType(
    {"market.css": "text/css; charset=utf-8", "logo.svg": "image/svg+xml"}
)
ICON_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def install(app: Flask, folder: Folder, public_url: str) -> None:
    """Put the pages over `folder` into the app."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(files("karvan_marketplace") / "translations")
    Babel(app, locale_selector=lambda: str(this_visit().locale))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(icon=icon, static_url=static_url, avatar=avatar)
    app.config[PUBLIC_URL] = public_url.rstrip("/")
    app.register_blueprint(make_blueprint(folder))


def this_visit() -> Visit:
    """The visit of this request."""
    found: Visit | None = g.get("visit")
    if found is None:
        found = g.visit = visit_of(request)
    return found


def make_blueprint(folder: Folder) -> Blueprint:
    """The routes of the pages."""
    routes = Blueprint("pages", __name__)

    @routes.get("/")
    def home() -> Response:
        return show("home.html", folder.catalogue(), **_home(folder.catalogue()))

    @routes.get("/plugins/<plugin>")
    def plugin(plugin: str) -> Response:
        catalogue = folder.catalogue()
        found = catalogue.plugins.get(plugin)
        if found is None:
            raise UnknownPlugin(plugin)
        return show("plugin.html", catalogue, plugin=found, **_plugin(catalogue, found))

    @routes.get("/bundles/<bundle>")
    def bundle(bundle: str) -> Response:
        catalogue = folder.catalogue()
        found = catalogue.bundles.get(bundle)
        if found is None:
            raise UnknownBundle(bundle)
        return show("bundle.html", catalogue, set=found, members=_members(catalogue, found))

    @routes.get("/icons/<plugin>.svg")
    def plugin_icon(plugin: str) -> Response:
        found = folder.catalogue().plugins.get(plugin)
        if found is None or found.icon is None:
            raise UnknownPlugin(plugin)
        answer = kept(request, found.icon, "image/svg+xml")
        answer.headers["Content-Security-Policy"] = ICON_POLICY
        return answer

    @routes.get("/static/<name>")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise NotFound
        return kept(request, _bytes_of(name), STATIC[name])

    return routes


def show(template: str, catalogue: Catalogue, status: int = 200, **values: Any) -> Response:
    """A page in the language of the visitor."""
    visit = this_visit()
    html = render_template(
        template,
        visit=visit,
        words=Words(visit, catalogue),
        catalogue=catalogue,
        languages=LANGUAGE_NAMES,
        themes=THEMES,
        index=current_app.config[PUBLIC_URL] or request.url_root.rstrip("/"),
        here=_here,
        **values,
    )
    return seal(Response(html, status, content_type="text/html; charset=utf-8"), request)


def show_error(error: Exception, folder: Folder) -> Response:
    """The page for an error that a person ran into."""
    status = status_of(error)
    return show("error.html", folder.catalogue(), status.value, error=error, status_code=status.value)


def _home(catalogue: Catalogue) -> dict[str, Any]:
    query, category = request.args.get("q", "").strip(), request.args.get("category", "")
    words, language = words_of(query), this_visit().language
    plugins = find_plugins(catalogue, words, category, language)
    bundles = [] if category else find_bundles(catalogue, words, language)
    pages = max(1, -(-len(plugins) // PER_PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    hero = bundles[0] if bundles and not query and page == 1 else None
    return {
        "query": query,
        "category": category,
        "categories": count_categories(catalogue),
        "found": len(plugins),
        "plugins": plugins[(page - 1) * PER_PAGE : page * PER_PAGE],
        "hero": hero,
        "bundles": [(found, _members(catalogue, found)) for found in bundles],
        "page": page,
        "pages": pages,
    }


def _plugin(catalogue: Catalogue, plugin: Plugin) -> dict[str, Any]:
    author = plugin.wheel.author
    return {
        "readme": readme.render(*describe(plugin.wheel)),
        "links": {name: url for name, url in plugin.manifest.links.items() if readme.is_web_address(url)},
        "others": [p for p in catalogue.plugins.values() if author and p.wheel.author == author],
        "bundles": [s for s in catalogue.bundles.values() if plugin.id in {w.id for w in s.plugins}],
    }


def _members(catalogue: Catalogue, found: Set) -> list[tuple[str, str, Plugin | None]]:
    """The plugins of a bundle in their order: id, range, and the plugin if it is offered."""
    return [(w.id, w.version, catalogue.plugins.get(w.id)) for w in found.plugins]


def _here(**changed: str) -> str:
    """The address of this page with some parameters changed; an empty value takes one away."""
    kept_args = {k: v for k, v in request.args.items() if k in ("q", "category", "page")}
    asked = {k: v for k, v in {**kept_args, **changed}.items() if v}
    place: dict[str, Any] = {**(request.view_args or {}), **asked}
    return url_for(request.endpoint or "pages.home", **place)


def avatar(name: str) -> Markup:
    """A coloured tile with a letter; the colour follows from the name."""
    return Markup('<span class="m-a{}" aria-hidden="true">{}</span>').format(
        sum(map(ord, name)) % COLOURS, name[:1].upper()
    )


@cache
def _bytes_of(name: str) -> bytes:
    return (files("karvan_marketplace") / "static" / name).read_bytes()


def static_url(name: str) -> str:
    """The address of a file of our own, another one for other bytes."""
    return url_for("pages.static", name=name, v=hashlib.sha256(_bytes_of(name)).hexdigest()[:10])
