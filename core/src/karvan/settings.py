"""Settings of a deployment: from flags, the environment (`KARVAN_*`) and `karvan.toml`, in that order."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from environs import Env, EnvError

from karvan_sdk.errors import BadInput
from karvan_sdk.text import LANGUAGES

SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False,
            "off": False, "": False}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. Every one may stand in `karvan.toml` under its name or in `KARVAN_<NAME>`.

    `home` holds the SQLite file and everything else on disk. `database_url` is `sqlite:///path` or
    `postgresql://user@host:port/name`; empty means a SQLite file below `home`. `language` and `timezone`
    (an IANA name) are those of a new workspace; `currency` is the code of amounts given without one.
    `deadline_s` is the time a request may take before its worker is ended. `session_days` is how long a
    sign-in lasts. `body_max` is the largest request body in bytes. `memory_mib` is what one process of the
    server may hold of data, in MiB. With `safe_mode` no code of plugins is imported or called.
    `http_private` lists the places (`host:port`, separated by commas) inside the network that plugins may
    call over HTTP. `smtp_url` is the mail server (`smtp://user:password@host:port` or `smtps://…`; empty:
    mail stays in the folder `outbox` of `home`), `mail_from` the address that mail comes from.
    """

    home: Path = Path("var")
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    language: str = "en"
    timezone: str = "UTC"
    currency: str = "EUR"
    deadline_s: float = 8.0
    session_days: int = 14
    body_max: int = 16 * 1024 * 1024
    memory_mib: int = 1024
    safe_mode: bool = False
    http_private: str = ""
    smtp_url: str = ""
    mail_from: str = "karvan@localhost"

    @property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.home / 'karvan.sqlite3'}"


def load_settings(flags: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Settings:
    """Read the settings; `flags` (None values ignored) win over the environment, that over `karvan.toml`.

    Raises BadInput that names the setting and where it was read.
    """
    file = (folder or Path()) / "karvan.toml"
    found: dict[str, Any] = {}
    known = {f.name: f for f in fields(Settings)}
    if file.exists():
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as exc:
            raise BadInput(f"{file} is no TOML file: {exc}", field="karvan.toml") from exc
        for name, value in table.items():
            if name not in known:
                raise BadInput(f"{file} holds an unknown setting '{name}'.", field=name)
            found[name] = _typed(name, value, known[name].default, str(file))
    env = Env(prefix="KARVAN_")
    for name, spec in known.items():
        try:
            text = env.str(name.upper(), None)
        except EnvError as exc:
            raise BadInput(str(exc), field=name) from exc
        if text is not None:
            found[name] = _typed(name, text, spec.default, f"KARVAN_{name.upper()}")
    for name, value in (flags or {}).items():
        if value is not None:
            found[name] = _typed(name, value, known[name].default, f"--{name.replace('_', '-')}")
    settings = Settings(**found)
    if settings.language not in LANGUAGES:
        raise BadInput(
            f"The setting language is '{settings.language}'; choose one of {', '.join(LANGUAGES)}.",
            field="language",
        )
    return settings


def _typed(name: str, value: Any, default: Any, source: str) -> Any:
    wanted = type(default) if default is not MISSING else str
    try:
        if isinstance(default, Path):
            return Path(str(value))
        if isinstance(default, bool):
            return value if isinstance(value, bool) else SWITCHES[str(value).lower()]
        if isinstance(default, (int, float)) and not isinstance(value, bool):
            return wanted(value)
    except KeyError:
        raise BadInput(f"{source}: {name} needs 1 or 0, not '{value}'.", field=name) from None
    except (TypeError, ValueError):
        raise BadInput(f"{source}: {name} needs a number, not '{value}'.", field=name) from None
    if isinstance(default, str) and isinstance(value, str):
        return value
    raise BadInput(f"{source}: {name} has the wrong type.", field=name)
