"""`python -m karvan_marketplace` is `karvan-marketplace`."""

from karvan_marketplace.cli import main

main(prog_name="karvan-marketplace")
