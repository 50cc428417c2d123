"""Telephony for Karvan: calls, who is calling, and one signed webhook for any provider."""
