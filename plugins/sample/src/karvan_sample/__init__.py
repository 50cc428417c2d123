"""Visits: who comes to see whom, when, and who is in the house now. The sample plugin of Karvan."""
