"""Plugins: what is installed, what is on in this workspace, and the one place that calls their code."""

from karvan.plugins.discovery import Discovery, Installed
from karvan.plugins.host import Figure, Host, Status
from karvan.plugins.state import Outcome, PluginInfo, Plugins

__all__ = ["Discovery", "Figure", "Host", "Installed", "Outcome", "PluginInfo", "Plugins", "Status"]
