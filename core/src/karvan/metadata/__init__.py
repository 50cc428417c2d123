"""What exists now: the catalog and all that is made from it."""
