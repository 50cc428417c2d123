"""What a person sees or hears of a page, measured in the browser: names, headings, contrast, room."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from playwright.sync_api import Page

NAMELESS = """() => {
  const name = (e) => [
    e.getAttribute("aria-label"),
    ...(e.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean)
      .map((id) => document.getElementById(id)?.textContent),
    ...[...(e.labels ?? [])].map((label) => label.textContent),
    /^(INPUT|SELECT|TEXTAREA)$/.test(e.tagName) ? "" : e.textContent,
  ].some((text) => text?.trim());
  const wanted = ["section", "button", "a[href]", "select", "textarea", "input:not([type=hidden])",
                  "svg[role=img]", "[tabindex='0']", "ul[aria-label]"];
  const places = [".k-widget", ".k-wlist", "main form"];
  const inside = places.flatMap((place) => wanted.map((w) => `${place} ${w}`));
  return [...document.querySelectorAll([...inside, ".k-widget", ".k-slot [role=region]"].join())]
    .filter((e) => e.matches("section, .k-scroll") ? !e.getAttribute("aria-label") : !name(e))
    .map((e) => e.outerHTML.slice(0, 200));
}"""
"""Everything in widgets and forms that assistive software could not call by a name."""

LEVELS = "() => [...document.querySelectorAll('main :is(h1, h2, h3, h4, h5, h6)')].map((h) => +h.tagName[1])"

CONTRASTS = """() => {
  const paper = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parts = (colour) => {
    paper.clearRect(0, 0, 1, 1);
    paper.fillStyle = colour;
    paper.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = paper.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = (e) => {
    const above = e.parentElement ? behind(e.parentElement) : [255, 255, 255, 1];
    return over(parts(getComputedStyle(e).backgroundColor), above);
  };
  const light = (c) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = c.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const seen = [];
  const judge = (e, colour, text) => {
    const below = behind(e);
    seen.push({ text: text.trim().slice(0, 40), ratio: ratio(over(parts(colour), below), below) });
  };
  for (const e of document.querySelectorAll(":is(.k-widget, .k-wlist) *")) {
    if (!e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const words = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent).join("");
    if (words.trim() && !e.disabled) judge(e, getComputedStyle(e).color, words);
    if (e.placeholder) judge(e, getComputedStyle(e, "::placeholder").color, e.placeholder);
  }
  return seen;
}"""
"""Each text of the widgets with its contrast, as WCAG 2.2 (1.4.3) counts it."""

OVERFLOWING = """() => {
  const said = (e) => `${e.tagName} .${e.className} ${e.scrollWidth} > ${e.clientWidth}`;
  const wide = (e) => e.scrollWidth > e.clientWidth + 1;
  const frames = [document.documentElement, document.querySelector("main")].filter(wide).map(said);
  const cut = [...document.querySelectorAll(".k-widget, .k-widget *, main .k-card")].filter(
    (e) => e.clientWidth && !["inline", "table-row"].includes(getComputedStyle(e).display)
      && wide(e) && getComputedStyle(e).overflowX === "hidden" && !e.matches(".k-cut, .k-sr, td"));
  const controls = ".k-widget :is(button, input, select, a), .k-wlist *";
  const out = [...document.querySelectorAll(controls)].filter((e) => {
    const scrolled = e.closest(".k-scroll");
    const box = e.getBoundingClientRect();
    return box.width && !scrolled && (box.left < -1 || box.right > innerWidth + 1);
  });
  return [...frames, ...cut.map(said), ...out.map((e) => "outside: " + e.outerHTML.slice(0, 120))];
}"""
"""What is wider than its place: a page that scrolls sideways, a card that cuts, a control out of sight."""

OUTLINE = """() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return outlineStyle === "none" ? 0 : parseFloat(outlineWidth);
}"""


def skipped_levels(page: Page) -> list[tuple[int, int]]:
    """Each place in the middle of the page where headings go down by more than one level."""
    levels = [0, *page.evaluate(LEVELS)]
    return [(a, b) for a, b in pairwise(levels) if b > a + 1]


def nameless(page: Page) -> list[str]:
    """The elements without a name."""
    return list(page.evaluate(NAMELESS))


def overflowing(page: Page) -> list[str]:
    """The elements that are too wide."""
    return list(page.evaluate(OVERFLOWING))


def contrasts(page: Page) -> list[dict[str, Any]]:
    """The texts of widgets with their contrast."""
    return list(page.evaluate(CONTRASTS))


def outline(page: Page) -> float:
    """How thick the line around the focused element is, in pixels; 0 where there is none."""
    return float(page.evaluate(OUTLINE))
