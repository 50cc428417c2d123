"""Says in plain words what a plugin may do and what it adds, in the language of the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup, escape

from karvan_marketplace.catalogue import Catalogue
from karvan_marketplace.visit import Visit
from karvan_sdk.manifest import Manifest, PublicRoute
from karvan_sdk.text import Text

KB = 1000


@dataclass(frozen=True, kw_only=True)
class Ability:
    """One thing a plugin may do. `heavy` marks what lets data out or sees all of it."""

    sign: str
    title: Markup
    detail: Markup = Markup()
    badge: str = ""
    heavy: bool = False


@dataclass(frozen=True, kw_only=True)
class Addition:
    """One kind of thing that a plugin adds, with its members."""

    sign: str
    title: str
    members: tuple[Markup, ...]


class Words:
    """What can be said to one visitor about the plugins of one catalogue."""

    def __init__(self, visit: Visit, catalogue: Catalogue) -> None:
        self._visit = visit
        self._catalogue = catalogue

    # -- texts ---------------------------------------------------------------------------------------------

    def say(self, text: Text) -> Markup:
        """A text in the visitor's language; one that only exists in another is marked as such."""
        texts = text.as_dict()
        language = self._visit.language
        if language in texts:
            return Markup("<bdi>{}</bdi>").format(texts[language])
        other = "en" if "en" in texts else next(iter(texts), "")
        return Markup('<bdi lang="{}">{}</bdi>').format(other, text(language))

    def plugins(self, number: int) -> str:
        """A number of plugins."""
        return str(ngettext("%(count)s plugin", "%(count)s plugins", number, count=self._visit.count(number)))

    def size(self, length: int) -> Markup:
        """A number of bytes, in thousands or millions."""
        if length < KB * KB:
            number, unit = f"{max(1, round(length / KB))}", _("KB")
        else:
            number, unit = f"{length / KB / KB:.1f}", _("MB")
        return Markup('<bdi dir="ltr">{}\u00a0{}</bdi>').format(number, unit)

    def version(self, version: str) -> Markup:
        """A version as part of a sentence."""
        return fill(_("Version %(number)s"), number=Markup('<bdi dir="ltr">{}</bdi>').format(version))

    def link(self, name: str) -> str:
        """What a link of a manifest leads to; one of an unknown name is shown as its authors wrote it."""
        known = {
            "changelog": _("What changed"),
            "docs": _("Documentation"),
            "documentation": _("Documentation"),
            "home": _("Home page"),
            "homepage": _("Home page"),
            "issues": _("Report a fault"),
            "source": _("Source code"),
            "support": _("Help"),
        }
        return known.get(name.lower()) or name.replace("_", " ").capitalize()

    def category(self, category: str) -> str:
        """The name of a category; one that is not known here is shown as its authors wrote it."""
        known = {
            "analytics": _("Analytics"),
            "calls": _("Calls"),
            "communication": _("Communication"),
            "delivery": _("Delivery"),
            "finance": _("Finance"),
            "integration": _("Exchange with other systems"),
            "marketing": _("Marketing"),
            "productivity": _("Everyday work"),
            "sales": _("Sales"),
            "service": _("Service"),
            "telephony": _("Telephony"),
        }
        return known.get(category) or category.replace("_", " ").capitalize()

    def object_name(self, object: str) -> Markup:
        """An object in the plural, as people call it; by its API name where no plugin here has it."""
        label = self._catalogue.label_of(object)
        if not label:
            return Markup('<code dir="ltr">{}</code>').format(object)
        return self._in_sentence(label)

    def _in_sentence(self, label: Text) -> Markup:
        """A label within a sentence: languages with small letters write a noun with one."""
        name = label(self._visit.language)
        if self._visit.language in ("en", "ru") and name[1:] == name[1:].lower():
            name = name[:1].lower() + name[1:]
        return Markup("<bdi>{}</bdi>").format(name)

    def _list(self, parts: list[Markup]) -> Markup:
        return Markup(self._visit.join([str(escape(part)) for part in parts]))  # noqa: S704  escaped right here

    # -- what it may do ------------------------------------------------------------------------------------

    def abilities(self, manifest: Manifest) -> list[Ability]:
        """All that the manifest asks for, and every door that it opens."""
        found: list[Ability] = []
        for kind, tell in self._tellers().items():
            named = [c.removeprefix(kind) for c in manifest.capabilities if _kind(c) == kind]
            if named:
                found.append(tell(named))
        return [*found, *(self._door(manifest.id, route) for route in manifest.public_routes)]

    def _tellers(self) -> dict[str, Callable[[list[str]], Ability]]:
        return {
            "records:read:": lambda named: Ability(
                sign="eye", title=fill(_("May read %(objects)s"), objects=self._objects(named))
            ),
            "records:write:": lambda named: Ability(
                sign="pencil", title=fill(_("May change %(objects)s"), objects=self._objects(named))
            ),
            "http:": lambda named: Ability(
                sign="globe",
                title=fill(_("May send data to %(hosts)s"), hosts=self._list([_code(h) for h in named])),
                badge=_("Data leaves"),
                heavy=True,
            ),
            "mail": lambda named: Ability(sign="mail", title=fill(_("May send mail as your company"))),
            "files": lambda named: Ability(sign="file", title=fill(_("May keep files of its own"))),
            "secrets": lambda named: Ability(
                sign="key", title=fill(_("May keep secrets, such as keys to other services"))
            ),
            "sql": lambda named: Ability(
                sign="database",
                title=fill(_("May run SQL of its own on your database")),
                badge=_("Sees all data"),
                heavy=True,
            ),
        }

    def _objects(self, named: list[str]) -> Markup:
        if "*" in named:
            return fill(_("all records"))
        return self._list([self.object_name(object) for object in named])

    def _door(self, plugin: str, route: PublicRoute) -> Ability:
        prefix = "/api/x" if route.surface == "api" else "/x"
        address = Markup('<code dir="ltr">{} {}/{}{}</code>').format(
            ", ".join(route.methods), prefix, plugin, route.path
        )
        return Ability(
            sign="door",
            title=fill(_("May be called from outside: %(address)s"), address=address),
            detail=self.say(route.why),
            badge=_("Open to all"),
            heavy=True,
        )

    def not_asked(self, manifest: Manifest) -> str:
        """What it does not ask for, as a list; empty where it asks for everything."""
        names = {
            "http:": _("other hosts"),
            "mail": _("mail"),
            "files": _("files"),
            "secrets": _("secrets"),
            "sql": _("SQL of its own"),
        }
        asked = {_kind(capability) for capability in manifest.capabilities}
        return self._visit.join([name for kind, name in names.items() if kind not in asked])

    # -- what it adds --------------------------------------------------------------------------------------

    def additions(self, manifest: Manifest) -> list[Addition]:
        """All that a workspace gets with it."""
        fields = [self._named(f.field.label, f"{f.object}.{f.field.name}") for f in manifest.fields]
        commands = [_code(f"karvan x {manifest.id} {name}") for name in manifest.commands]
        kinds = [
            ("box", _("Objects"), [self._named(o.label_plural or o.label, o.name) for o in manifest.objects]),
            ("field", _("Fields"), fields),
            ("widget", _("Widgets"), [self.say(w.title) for w in manifest.widgets]),
            ("sliders", _("Settings"), [self._named(s.label, s.name) for s in manifest.settings]),
            ("hook", _("Hooks"), [_code(name) for name in dict.fromkeys(u.hook for u in manifest.hooks)]),
            ("terminal", _("Commands"), commands),
        ]
        return [
            Addition(sign=sign, title=title, members=tuple(members))
            for sign, title, members in kinds
            if members
        ]

    def _named(self, label: Text, name: str) -> Markup:
        return Markup("{} {}").format(self.say(label), _code(name)) if label else _code(name)


def fill(template: str, **gaps: Markup) -> Markup:
    """A translated sentence with its gaps filled by HTML."""
    escaped = escape(template)
    return escaped % gaps if gaps else escaped


def _kind(capability: str) -> str:
    """`records:read:deal` → `records:read:`, `http:example.com` → `http:`, `mail` → `mail`."""
    first, colon, rest = capability.partition(":")
    return f"{first}:{rest.partition(':')[0]}:" if first == "records" else first + colon


def _code(text: str) -> Markup:
    return Markup('<code dir="ltr">{}</code>').format(text)
