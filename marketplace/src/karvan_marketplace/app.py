"""Puts the index, the catalogue and the pages over one folder into a Flask app."""

from __future__ import annotations

from flask import Flask, Response, request

from karvan_marketplace import api, index, pages
from karvan_marketplace.folder import Folder
from karvan_marketplace.problems import log_faults, problem

FOR_PROGRAMS = ("/simple", "/files", "/api")


def create_app(folder: Folder, public_url: str = "") -> Flask:
    """The marketplace over `folder`. Nothing is read from it before the first request.

    `public_url` is its address as people and their Karvan know it; without it that of each request is shown.
    """
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(index.make_blueprint(folder))
    app.register_blueprint(api.make_blueprint(folder))
    pages.install(app, folder, public_url)

    @app.errorhandler(Exception)
    def _answer_error(error: Exception) -> Response:
        log_faults(error, request.method, request.path)
        if _is_for_programs(request.path):
            return problem(error, method=request.method, path=request.path)
        return pages.show_error(error, folder)

    @app.after_request
    def _seal(answer: Response) -> Response:
        answer.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        answer.headers.setdefault("Referrer-Policy", "same-origin")
        return answer

    return app


def _is_for_programs(path: str) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in FOR_PROGRAMS)
