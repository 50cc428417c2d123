"""The index for pip and uv: PEP 691 JSON, PEP 503 HTML, the files and their metadata (PEP 658, 714)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from html import escape
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Blueprint, Request, Response, redirect, request, send_file, url_for
from packaging.utils import InvalidName, canonicalize_name
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wrappers import Response as AnyResponse

from karvan_marketplace.answers import ASK_ANEW, kept, kept_json
from karvan_marketplace.catalogue import Catalogue
from karvan_marketplace.errors import UnknownFile, UnknownProject
from karvan_marketplace.folder import Folder
from karvan_marketplace.negotiation import JSON, choose_form
from karvan_marketplace.wheel import Wheel

API_VERSION = "1.1"
METADATA = ".metadata"
WHOLE_MAX = 16 * 1024 * 1024
"""A file up to this length is handed to the server whole, so that a slow reader holds no thread."""

_Subject = TypeVar("_Subject")


def make_blueprint(folder: Folder) -> Blueprint:
    """The routes below `/simple/` and `/files/`."""
    routes = Blueprint("index", __name__)

    @routes.get("/simple")
    def add_slash() -> AnyResponse:
        return _moved(request, url_for("index.projects"))

    @routes.get("/simple/")
    def projects() -> Response:
        form = choose_form(request.accept_mimetypes, request.args.get("format", ""))
        return _answer(request, folder.catalogue(), form, describe_projects, write_projects)

    @routes.get("/simple/<name>")
    def add_slash_to_project(name: str) -> AnyResponse:
        return _moved(request, url_for("index.project", name=_normalised(name)))

    @routes.get("/simple/<name>/")
    def project(name: str) -> AnyResponse:
        normal = _normalised(name)
        if normal != name:
            return _moved(request, url_for("index.project", name=normal))
        form = choose_form(request.accept_mimetypes, request.args.get("format", ""))
        wheels = folder.catalogue().projects.get(name)
        if wheels is None:
            raise UnknownProject(name)
        return _answer(request, wheels, form, describe_project, write_project)

    @routes.get("/files/<filename>")
    def file(filename: str) -> Response:
        if filename.endswith(METADATA):
            wheel = folder.catalogue().files.get(filename.removesuffix(METADATA))
            if wheel is None:
                raise UnknownFile(filename)
            return kept(request, wheel.metadata, "application/octet-stream")
        return _send(folder, filename)

    return routes


def _answer(
    asked: Request,
    subject: _Subject,
    form: str,
    describe: Callable[[_Subject], dict[str, Any]],
    write: Callable[[_Subject], str],
) -> Response:
    if form == JSON:
        return kept_json(asked, describe(subject), form, vary="Accept")
    return kept(asked, write(subject), f"{form}; charset=utf-8", vary="Accept")


def _normalised(name: str) -> str:
    try:
        return canonicalize_name(name, validate=True)
    except InvalidName as exc:
        raise UnknownProject(name) from exc


def _moved(asked: Request, path: str) -> AnyResponse:
    query = asked.query_string.decode("latin-1")
    return redirect(f"{path}?{query}" if query else path, code=301)


def _send(folder: Folder, filename: str) -> Response:
    """The bytes of a wheel. The caller may ask for a part (Range), or only for what changed."""
    wheel, stream = folder.open(filename)
    if wheel.size <= WHOLE_MAX:
        with stream:
            answer = Response(stream.read())
    else:
        answer = send_file(stream, mimetype="application/octet-stream", conditional=False, etag=False)
    answer.content_type = "application/octet-stream"
    answer.content_length = wheel.size
    answer.last_modified = wheel.uploaded_at
    answer.set_etag(wheel.sha256)
    answer.headers["Cache-Control"] = ASK_ANEW
    try:
        answer.make_conditional(request, accept_ranges=True, complete_length=wheel.size)
    except RequestedRangeNotSatisfiable:
        answer.close()
        raise
    return answer


# -- JSON (PEP 691, 700) -----------------------------------------------------------------------------------


def describe_projects(catalogue: Catalogue) -> dict[str, Any]:
    """The list of projects."""
    return {"meta": {"api-version": API_VERSION}, "projects": [{"name": name} for name in catalogue.projects]}


def describe_project(wheels: tuple[Wheel, ...]) -> dict[str, Any]:
    """The files of one project, from oldest to newest."""
    return {
        "meta": {"api-version": API_VERSION},
        "name": wheels[0].project,
        "versions": list(dict.fromkeys(str(wheel.version) for wheel in wheels)),
        "files": [_describe_file(wheel) for wheel in wheels],
    }


def _describe_file(wheel: Wheel) -> dict[str, Any]:
    metadata = {"sha256": wheel.metadata_sha256}
    described = {
        "filename": wheel.filename,
        "url": file_url(wheel),
        "hashes": {"sha256": wheel.sha256},
        "size": wheel.size,
        "upload-time": moment(wheel.uploaded_at),
        "core-metadata": metadata,
        "dist-info-metadata": metadata,  # the name before PEP 714, which older clients know
    }
    if wheel.requires_python:
        described["requires-python"] = wheel.requires_python
    return described


def moment(at: datetime) -> str:
    """As PEP 700 wants it: UTC with six digits, `2026-03-31T10:00:00.000000Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def file_url(wheel: Wheel) -> str:
    """Relative to the page of the project, so that it holds behind any proxy."""
    return f"../../files/{quote(wheel.filename)}"


# -- HTML (PEP 503, 629) -----------------------------------------------------------------------------------

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="pypi:repository-version" content="{version}">
<title>{title}</title></head>
<body>
<h1>{title}</h1>
{links}
</body>
</html>
"""


def write_projects(catalogue: Catalogue) -> str:
    """The list of projects."""
    links = (f'<a href="{name}/">{name}</a><br>' for name in catalogue.projects)
    return _page("Simple index", links)


def write_project(wheels: tuple[Wheel, ...]) -> str:
    """The files of one project."""
    return _page(f"Links for {wheels[0].project}", (_link(wheel) for wheel in wheels))


def _page(title: str, links: Iterable[str]) -> str:
    return _PAGE.format(version=API_VERSION, title=escape(title), links="\n".join(links))


def _link(wheel: Wheel) -> str:
    attributes = {
        "href": f"{file_url(wheel)}#sha256={wheel.sha256}",
        "data-core-metadata": f"sha256={wheel.metadata_sha256}",
        "data-dist-info-metadata": f"sha256={wheel.metadata_sha256}",
    }
    if wheel.requires_python:
        attributes["data-requires-python"] = wheel.requires_python
    written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{escape(wheel.filename)}</a><br>"
