"""People before a workspace that is served as in life; every visit ends with a look at what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Request, Response

from tests.live import Server, run

PASSWORD = "a good password"
GONE = "net::ERR_ABORTED"
"""What a browser calls a request that it gave up because the person left the page."""


@dataclass(kw_only=True)
class Visit:
    """A person's open page, what the browser asked for, and what went wrong."""

    page: Page
    asked: list[Request] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def slots(self, name: str) -> list[Request]:
        """The requests for a slot since the page was opened or `forget` was called."""
        return [r for r in self.asked if f"/_w?slot={name}" in r.url]

    def documents(self) -> list[Request]:
        """The whole pages that were asked for."""
        return [r for r in self.asked if r.is_navigation_request()]

    def forget(self) -> None:
        """Count from now on."""
        self.asked.clear()


@dataclass(kw_only=True)
class Office:
    """A running workspace and the browser in front of it."""

    home: Path
    server: Server
    browser: Browser
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def make(self, object: str, **values: Any) -> int:
        """Make a record over REST; gives its id."""
        answer = self.server.call("POST", f"/api/v1/records/{object}", values)
        assert answer.status == 201, answer.body
        return int(answer.body["data"]["id"])

    def command(self, *words: str) -> str:
        """Run a command of `karvan` over the workspace; gives what it printed."""
        return run(self.home, "", *words)

    @contextmanager
    def visit(
        self,
        language: str = "en",
        *,
        scripts: bool = True,
        theme: str = "",
        size: tuple[int, int] = (1280, 900),
        refusals: frozenset[int] = frozenset(),
    ) -> Iterator[Visit]:
        """A new administrator signs in. At the end nothing went wrong, but for the statuses said before."""
        email = f"p{next(self.numbers)}@example.com"
        words = ("--password", PASSWORD, "--name", "Robin", "--admin", "--language", language)
        self.command("user", "create", email, *words)
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=scripts,
            base_url=f"http://127.0.0.1:{self.server.port}",
            locale="en-GB",
        )
        page = context.new_page()
        visit = Visit(page=page)
        page.on("request", lambda r: visit.asked.append(r))
        page.on("requestfailed", lambda r: _note(visit, r.failure != GONE, f"{r.url}: {r.failure}"))
        page.on("response", lambda r: _note(visit, _is_bad(r, refusals), f"{r.url}: {r.status}"))
        page.on("pageerror", lambda e: visit.wrong.append(str(e)))
        page.on("console", lambda m: _note(visit, not _is_told(m.text, refusals), m.text))
        try:
            page.goto("/login")
            page.fill("#email", email)
            page.fill("#password", PASSWORD)
            page.click("main form >> button.k-btn-p")
            page.wait_for_url("/")
            if theme:
                page.click(".k-me summary")
                page.click(f'.k-me button[value="{theme}"]')
            visit.forget()
            yield visit
        finally:
            context.close()
        assert not visit.wrong, "; ".join(visit.wrong)


def _note(visit: Visit, is_wrong: bool, text: str) -> None:
    if is_wrong:
        visit.wrong.append(text)


def _is_bad(response: Response, refusals: frozenset[int]) -> bool:
    return response.status >= 400 and response.status not in refusals


def _is_told(text: str, refusals: frozenset[int]) -> bool:
    """Whether the console only repeats a refusal that the test asked for."""
    return any(f"status of {status}" in text for status in refusals)
