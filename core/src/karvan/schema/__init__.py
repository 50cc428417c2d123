"""Changes of the schema: planned as data, applied in one place, recorded in a ledger."""
