"""`ctx.jobs`: work that a plugin puts off to a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from karvan.events.jobs import Jobs
from karvan_sdk.errors import BadInput
from karvan_sdk.manifest import Manifest

PAYLOAD_MAX = 64 * 1024
KEY_MAX = 200
DELAY_MAX_S = 366 * 24 * 3600.0


class PluginJobs:
    """Implements `karvan_sdk.Jobs` for one plugin and the person whom it serves."""

    def __init__(
        self, manifest: Manifest, jobs: Jobs, actor_id: int | None, check: Callable[[str], None]
    ) -> None:
        self._manifest = manifest
        self._jobs = jobs
        self._actor_id = actor_id
        self._check = check

    def later(
        self,
        name: str,
        payload: Mapping[str, Any] | None = None,
        *,
        delay_s: float = 0.0,
        key: str | None = None,
    ) -> None:
        """Ask for a job (see the sdk's protocol)."""
        self._check("jobs")
        if name not in self._manifest.jobs:
            raise BadInput(f"The manifest declares no job '{name}'; add it to 'jobs'.", field="name")
        if not 0 <= delay_s <= DELAY_MAX_S:
            raise BadInput("delay_s needs a number of seconds from 0 to a year.", field="delay_s")
        if key is not None and not (0 < len(key) <= KEY_MAX and key.isprintable()):
            raise BadInput(f"A key has 1 to {KEY_MAX} printable characters.", field="key")
        self._jobs.add(
            plugin=self._manifest.id,
            name=name,
            payload=_checked(payload or {}),
            actor_id=self._actor_id,
            delay_s=delay_s,
            key=key,
        )


def _checked(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The payload as it will come back. Raises BadInput for what is no JSON, or too much of it."""
    try:
        text = orjson.dumps(dict(payload))
    except (TypeError, ValueError) as exc:  # a JSONEncodeError is a TypeError
        raise BadInput(f"The payload can't be kept as JSON: {exc}", field="payload") from exc
    if len(text) > PAYLOAD_MAX:
        raise BadInput(f"The payload has more than {PAYLOAD_MAX} bytes.", field="payload")
    found: Mapping[str, Any] = orjson.loads(text)
    return found
