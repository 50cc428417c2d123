"""The one path of change and the one door to rows."""
