"""Products, price books and the lines of deals: a Karvan plugin."""
