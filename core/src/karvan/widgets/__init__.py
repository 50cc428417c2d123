"""Widgets: what stands in which slot for whom, and in which order."""

from karvan.widgets.layout import Arranged, Layouts, arrange

__all__ = ["Arranged", "Layouts", "arrange"]
