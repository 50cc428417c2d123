"""The entry point of the price_book plugin: which hooks, routes, widgets and commands it has."""

from __future__ import annotations


class PriceBook:
    """The plugin object that the host loads."""


plugin = PriceBook()
