"""The marketplace of Karvan: serves a folder of wheels to pip, uv, Karvan itself and people."""
