"""Accounts, contacts, leads, deals and activities: a Karvan plugin."""
