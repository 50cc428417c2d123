"""Exchange with 1C:Enterprise by CommerceML 2: a Karvan plugin."""
