"""The REST surface: `setup` adds it to an app."""

from karvan.api.problems import answer_exception
from karvan.api.routes import add_routes as setup

__all__ = ["answer_exception", "setup"]
