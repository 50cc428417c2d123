"""The pages: server-rendered, plain HTML first; scripts only make them quicker."""

from __future__ import annotations

from karvan.web.install import setup

__all__ = ["setup"]
