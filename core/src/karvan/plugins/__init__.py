"""Plugins: what is installed, what is on in this workspace, and the one place that calls their code."""

from karvan.plugins.accidents import Accident, Accidents
from karvan.plugins.blackbox import BlackBox, folder_of
from karvan.plugins.context import Place
from karvan.plugins.discovery import Discovery, Installed
from karvan.plugins.figures import Figure, FigureStore
from karvan.plugins.generations import CodeRefused
from karvan.plugins.host import Host, Status
from karvan.plugins.index import IndexFailed
from karvan.plugins.metrics import MEDIA_TYPE, render_metrics
from karvan.plugins.probe import PluginUnfit
from karvan.plugins.serving import CallerUnknown, Door, serve
from karvan.plugins.settings import PluginSettings
from karvan.plugins.state import Outcome, PluginInfo, Plugins
from karvan.plugins.wrecks import is_anything_left, settle, tell_end
from karvan.plugins.xray import Examined, Finding, XRay, examine

__all__ = [
    "MEDIA_TYPE",
    "Accident",
    "Accidents",
    "BlackBox",
    "CallerUnknown",
    "CodeRefused",
    "Discovery",
    "Door",
    "Examined",
    "Figure",
    "FigureStore",
    "Finding",
    "Host",
    "IndexFailed",
    "Installed",
    "Outcome",
    "Place",
    "PluginInfo",
    "PluginSettings",
    "PluginUnfit",
    "Plugins",
    "Status",
    "XRay",
    "examine",
    "folder_of",
    "is_anything_left",
    "render_metrics",
    "serve",
    "settle",
    "tell_end",
]
