"""What every test of every distribution gets: the guards, the needs, and the fixtures of `karvan.testing`."""

from __future__ import annotations

import os

from hypothesis import settings
from tests.sizes import HYPOTHESIS_EXAMPLES

pytest_plugins = ["tests.provided", "tests.guards", "tests.needs", "tests.trials", "karvan.testing"]

# a shared machine is slow at times, and a deadline would then blame the code
settings.register_profile("karvan", deadline=None, max_examples=HYPOTHESIS_EXAMPLES, print_blob=True)
settings.load_profile("karvan")

# settings of the person who runs the tests must not reach the code under test
for name in [n for n in os.environ if n.startswith("KARVAN_") and not n.startswith("KARVAN_TEST_")]:
    if name not in ("KARVAN_CI", "KARVAN_SHARED_DATA", "KARVAN_FRONTEND", "KARVAN_NODE_MODULES"):
        del os.environ[name]
