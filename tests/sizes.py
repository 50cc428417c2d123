"""How big the tests are: the only place for numbers of rows, workers and rounds that cost time."""

from __future__ import annotations

import os

CI = os.environ.get("KARVAN_CI") == "1"

DEMO_RECORDS = 600
"""Records of a demo workspace in a test; `karvan demo` itself makes some thousands."""
HYPOTHESIS_EXAMPLES = 200 if CI else 60
"""Examples per property test."""
SCHEMATHESIS_EXAMPLES = 25 if CI else 8
"""Examples per operation of the REST interface."""
WHEEL_TIMEOUT_S = 600
"""How long building and installing one wheel may take."""
EXPRESSIONS = 300 if CI else 120
"""Random expressions per engine and zone that closures and SQL must agree on."""
LIVE_FIELDS = 100
"""Fields added one by one to an object under load (slow)."""
