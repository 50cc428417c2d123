"""Karvan: a plugin-extensible CRM framework."""
