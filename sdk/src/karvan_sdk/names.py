"""The rules for technical names, and how a name becomes a table or column: the only place that knows.

Plugin ids have at most 24 characters, object and field names at most 32, and none holds a double
underscore, so `x_<plugin>__<name>__k` stays unambiguous and within PostgreSQL's 63 bytes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from karvan_sdk.errors import InvalidName

PLUGIN_ID_MAX = 24
NAME_MAX = 32
PATTERN = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")

SQL_WORDS = frozenset(
    [
        "add",
        "after",
        "all",
        "alter",
        "analyse",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "asymmetric",
        "attach",
        "authorization",
        "autoincrement",
        "before",
        "begin",
        "between",
        "binary",
        "both",
        "by",
        "cascade",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "commit",
        "conflict",
        "constraint",
        "create",
        "cross",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "database",
        "default",
        "deferrable",
        "deferred",
        "delete",
        "desc",
        "detach",
        "distinct",
        "do",
        "drop",
        "each",
        "else",
        "end",
        "escape",
        "except",
        "exclusive",
        "exists",
        "explain",
        "fail",
        "false",
        "fetch",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "glob",
        "grant",
        "group",
        "having",
        "if",
        "ignore",
        "ilike",
        "immediate",
        "in",
        "index",
        "indexed",
        "initially",
        "inner",
        "insert",
        "instead",
        "intersect",
        "into",
        "is",
        "isnull",
        "join",
        "key",
        "leading",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "match",
        "natural",
        "new",
        "not",
        "notnull",
        "null",
        "of",
        "off",
        "offset",
        "old",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "over",
        "overlaps",
        "placing",
        "plan",
        "pragma",
        "primary",
        "query",
        "raise",
        "references",
        "reindex",
        "rename",
        "replace",
        "restrict",
        "returning",
        "right",
        "rollback",
        "row",
        "select",
        "session_user",
        "set",
        "similar",
        "some",
        "symmetric",
        "table",
        "temp",
        "temporary",
        "then",
        "to",
        "trailing",
        "transaction",
        "trigger",
        "true",
        "union",
        "unique",
        "update",
        "user",
        "using",
        "vacuum",
        "values",
        "variadic",
        "verbose",
        "view",
        "virtual",
        "when",
        "where",
        "window",
        "with",
    ]
)
SYSTEM_FIELDS = (
    "id", "version", "owner", "created_at", "created_by", "updated_at", "updated_by",
    "deleted_at", "deleted_by",
)  # fmt: skip
PAGES = frozenset(
    [
        "api",
        "x",
        "settings",
        "login",
        "logout",
        "static",
        "events",
        "health",
        "ready",
        "metrics",
        "marketplace",
        "docs",
    ]
)
RESERVED = SQL_WORDS | frozenset(SYSTEM_FIELDS) | PAGES | frozenset({"owner_id", "core", "custom"})
"""Names that no plugin, object or field may take."""


def check_name(name: str, what: str, *, longest: int = NAME_MAX, reserved: frozenset[str] = RESERVED) -> str:
    """Return `name` if it is a legal technical name, else raise InvalidName that says which rule it breaks.

    `what` is the noun for the message ("field name").
    """
    if not PATTERN.fullmatch(name):
        raise InvalidName(
            f"'{name}' is no {what}: use lower-case Latin letters, digits and single underscores, "
            "starting with a letter.",
            field="name",
        )
    if len(name) > longest:
        raise InvalidName(f"'{name}' is too long for a {what}: at most {longest} characters.", field="name")
    if name in reserved:
        raise InvalidName(f"'{name}' is reserved; choose another {what}.", field="name")
    return name


def check_plugin_id(name: str) -> str:
    """Return `name` if it may be a plugin's id, else raise InvalidName."""
    return check_name(name, "plugin id", longest=PLUGIN_ID_MAX)


def owner_prefix(owner: str) -> str:
    """The physical prefix of what `owner` owns: `x_crm__` for `plugin:crm`, `c_` for `custom`.

    The drop guard compares with exactly this text, up to and with the double underscore.
    """
    if owner == "custom":
        return "c_"
    if owner.startswith("plugin:"):
        return f"x_{owner.removeprefix('plugin:')}__"
    raise ValueError(f"owner {owner!r} owns no tables")


def table_name(owner: str, name: str) -> str:
    """The table of an object."""
    return owner_prefix(owner) + name


def column_name(field_owner: str, object_owner: str, name: str) -> str:
    """The column of a field: bare for a plugin's field on its own object, else with the owner's prefix."""
    if field_owner == object_owner and field_owner != "custom":
        return name
    return owner_prefix(field_owner) + name


def api_object_name(owner: str, name: str) -> str:
    """The name of an object in URLs and code: bare for a plugin's, `c_<name>` for an admin's."""
    return f"c_{name}" if owner == "custom" else name


def api_field_name(field_owner: str, object_owner: str, name: str) -> str:
    """The name of a field in the API: bare on the owner's own object, `<plugin>__<name>`, or `c_<name>`."""
    if field_owner == "custom":
        return f"c_{name}"
    if field_owner == object_owner:
        return name
    return f"{field_owner.removeprefix('plugin:')}__{name}"


def index_name(table: str, *columns: str) -> str:
    """A name for an index or constraint that fits every engine: `ix_` and a hash of what it covers."""
    digest = hashlib.blake2b("/".join((table, *columns)).encode(), digest_size=10).hexdigest()
    return f"ix_{digest}"


def suggest_name(label: str) -> str:
    """An ASCII name for a label in any script (`"Бюджет"` → `"byudzhet"`), to be edited before creation.

    Letters without a transliteration here (Chinese among them) are spelled by their code points, so the
    result is always legal and never empty; a reserved word gets `_field` behind it.
    """
    words: list[str] = []
    current = ""
    for letter in unicodedata.normalize("NFKC", label).lower():
        latin = _LATIN.get(letter)
        if latin is None:
            plain = unicodedata.normalize("NFKD", letter)[0]
            if plain.isascii() and plain.isalnum():
                latin = plain
            elif letter.isdigit():
                latin = str(unicodedata.digit(letter))
            elif letter.isalpha():
                latin = f"u{ord(letter):x}"
            else:
                latin = " "
        if latin == " ":
            words.append(current)
            current = ""
        else:
            current += latin
    words.append(current)
    name = "_".join(w for w in words if w)
    if not name or not name[0].isalpha():
        name = f"f_{name}" if name else "field"
    name = name[:NAME_MAX].rstrip("_")
    if name in RESERVED:
        name = f"{name[: NAME_MAX - 6]}_field"
    return name


_CYRILLIC = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        [
            "a",
            "b",
            "v",
            "g",
            "d",
            "e",
            "yo",
            "zh",
            "z",
            "i",
            "y",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p",
            "r",
            "s",
            "t",
            "u",
            "f",
            "kh",
            "ts",
            "ch",
            "sh",
            "shch",
            "-",
            "y",
            "-",
            "e",
            "yu",
            "ya",
        ],
        strict=True,
    )
)
_PERSIAN = dict(
    zip(
        "اآبپتثجچحخدذرزژسشصضطظعغفقکكگلمنوهیيءئؤةأإ",
        [
            "a",
            "a",
            "b",
            "p",
            "t",
            "s",
            "j",
            "ch",
            "h",
            "kh",
            "d",
            "z",
            "r",
            "z",
            "zh",
            "s",
            "sh",
            "s",
            "z",
            "t",
            "z",
            "a",
            "gh",
            "f",
            "gh",
            "k",
            "k",
            "g",
            "l",
            "m",
            "n",
            "v",
            "h",
            "i",
            "i",
            "-",
            "i",
            "v",
            "h",
            "a",
            "a",
        ],
        strict=True,
    )
)
_LATIN = {k: ("" if v == "-" else v) for k, v in {**_CYRILLIC, **_PERSIAN}.items()} | {"\u200c": ""}
