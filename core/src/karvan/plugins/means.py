"""What the host lends to plugins beside records: each a thing of the workspace that contexts narrow."""

from __future__ import annotations

from dataclasses import dataclass

from karvan.database import Database
from karvan.events.jobs import Jobs
from karvan.mail import Mailer
from karvan.outbound import Outbound
from karvan.vault import Vault


@dataclass(frozen=True, kw_only=True)
class Means:
    """The workspace's own, shared by all plugins; a context gives each plugin what it was granted of it."""

    database: Database
    outbound: Outbound
    jobs: Jobs
    mailer: Mailer
    vault: Vault
