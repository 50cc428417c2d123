"""Plugins that misbehave, in front of a real server."""
