"""What the code of a plugin does that it should leave: imports, processes, files, patches, SQL."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from karvan_sdk.checks.module import Import, Module, docstrings
from karvan_sdk.checks.plugin import Plugin, at
from karvan_sdk.checks.rules import Finding

SERVER = frozenset(
    ("karvan", "karvan_marketplace", "flask", "werkzeug", "granian", "pluggy", "flask_sqlalchemy")
)
DATABASES = frozenset(
    ("sqlalchemy", "sqlite3", "pysqlite3", "psycopg", "psycopg2", "asyncpg", "aiosqlite", "alembic", "dbm")
)
NETWORK = frozenset((
    "socket", "socketserver", "ssl", "http.client", "http.server", "urllib.request", "urllib3",
    "requests", "httpx", "aiohttp", "ftplib", "telnetlib", "xmlrpc", "websocket", "websockets",
    "paramiko", "pycurl",
))  # fmt: skip
MAIL = frozenset(("smtplib", "imaplib", "poplib", "aiosmtplib"))
PROCESSES = re.compile(
    r"(subprocess|multiprocessing|pty|signal|concurrent\.futures\.ProcessPoolExecutor)(\..*)?"
    r"|(os|posix)\.(system|popen|exec\w*|spawn\w*|posix_spawn\w*|fork\w*|kill\w*|_exit|abort|setuid|setgid|setsid)"
)
NATIVE = re.compile(r"(ctypes|_ctypes|cffi|_cffi_backend)(\..*)?")
DYNAMIC = re.compile(
    r"builtins\.(eval|exec|compile)|(pickle|marshal|shelve|dill|cloudpickle)\.(loads?|open|Unpickler)"
    r"|runpy\..*|code\.(Interactive\w+|interact)|codeop\..*|types\.(CodeType|FunctionType)|importlib\.reload"
)
FILES = re.compile(
    r"builtins\.open|io\.(open|FileIO)|codecs\.open|fileinput\..*|linecache\..*"
    r"|pathlib\.(Path|PosixPath|WindowsPath)(\..*)?|(shutil|tempfile|glob)\..*"
    r"|os\.(open|fdopen|remove|unlink|rename|renames|replace|mkdir|makedirs|rmdir|removedirs|listdir|walk|fwalk"
    r"|scandir|chmod|chown|link|symlink|readlink|truncate|stat|lstat|access|chdir|utime|mkfifo|mknod)"
    r"|os\.path\.(exists|isfile|isdir|getsize|getmtime|realpath|expanduser)"
)
FILE_METHODS = frozenset((
    "read_text", "write_text", "read_bytes", "write_bytes", "unlink", "rmdir", "touch", "iterdir",
    "rglob", "symlink_to", "hardlink_to",
))  # fmt: skip
INSIDES = re.compile(
    r"gc\.(get_objects|get_referrers|get_referents)|sys\.(_getframe|_current_frames|settrace|setprofile|addaudithook)"
    r"|inspect\.(stack|currentframe|trace|getmembers_static)|builtins\.(globals|breakpoint)|threading\.settrace"
)
INSIDE_ATTRIBUTES = frozenset((
    "__subclasses__", "__globals__", "__builtins__", "__code__", "__closure__", "f_back", "f_globals",
    "f_locals", "gi_frame", "tb_frame",
))  # fmt: skip
CHANGERS = frozenset((
    "append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update",
    "__setattr__", "__setitem__", "__delitem__",
))  # fmt: skip
SHARED = frozenset(("sys.modules", "sys.path", "sys.meta_path", "sys.path_hooks", "os.environ", "builtins"))
CONTEXT = frozenset(("ctx", "context"))
TABLE = re.compile(
    r"\b(?:from|into|update|table|join|index|view|trigger|on)\s+(?:if\s+(?:not\s+)?exists\s+)?(?:only\s+)?"
    r"[\"`\[]?(?:\w+[\"`\]]?\.[\"`\[]?)?(?P<table>k_[a-z{]\w*|x_[a-z0-9_{}]+?__[\w{}]*|c_[a-z{]\w*|sqlite_master|pg_\w+|alembic_version)",
    re.IGNORECASE,
)
SQL_WORD = re.compile(
    r"\b(select|insert|update|delete|drop|alter|truncate|create|replace|attach|grant|merge)\b", re.IGNORECASE
)
ACCESS = frozenset(("user", "role", "permission", "token", "session", "sharing_rule", "team"))
MAKERS = frozenset(("create_user", "create_token", "grant_role", "set_role", "set_admin"))


def check_imports(plugin: Plugin, module: Module) -> Iterator[Finding]:
    """What a module imports."""
    closed = NETWORK if not any(c.startswith("http:") for c in plugin.capabilities) else frozenset()
    closed |= MAIL if "mail" not in plugin.capabilities else frozenset()
    for one in _all_imports(module):
        reached, top = one.reached, one.reached.partition(".")[0]
        if top in SERVER:
            yield at(module, one.node, "core-import", f"It imports '{reached}'.")
        elif top in DATABASES and "sql" not in plugin.capabilities:
            yield at(module, one.node, "database-import", f"It imports '{reached}'.")
        elif _is_within(reached, closed):
            yield at(module, one.node, "network", f"It imports '{reached}'.")
        elif NATIVE.fullmatch(reached):
            yield at(module, one.node, "native", f"It imports '{reached}'.")
        elif PROCESSES.fullmatch(reached):
            yield at(module, one.node, "process", f"It imports '{reached}'.")
        elif top == "karvan_sdk":
            yield from _check_sdk_import(module, one)
        elif top.startswith("karvan_") and top not in plugin.packages:
            yield from _check_foreign_import(plugin, module, one)


def _all_imports(module: Module) -> Iterator[Import]:
    """The imports of a module, those by a function with a written name included."""
    yield from module.imports
    for node, name in module.calls():
        if name in ("importlib.import_module", "builtins.__import__") and node.args:
            wanted = module.text_of(node.args[0])
            if wanted:
                yield Import(node=node, bound="", origin=wanted, reached=wanted)


def _is_within(name: str, modules: frozenset[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in modules)


def _check_sdk_import(module: Module, one: Import) -> Iterator[Finding]:
    is_name = isinstance(one.node, ast.ImportFrom) and one.reached.count(".") == 1
    if not is_name and one.reached != "karvan_sdk":
        yield at(module, one.node, "sdk-private", f"It imports '{one.reached}'.")


def _check_foreign_import(plugin: Plugin, module: Module, one: Import) -> Iterator[Finding]:
    owner = one.reached.partition(".")[0].removeprefix("karvan_")
    yield at(module, one.node, "foreign-import", f"It imports '{one.reached}' of the plugin '{owner}'.")


def check_calls(plugin: Plugin, module: Module) -> Iterator[Finding]:
    """What a module uses: processes, files, texts that become code, the insides of the program."""
    used: set[tuple[int, int, str]] = set()
    for node in ast.walk(module.tree):
        for rule, message in _use_of(module, node):
            key = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0), rule)
            if key not in used:
                used.add(key)
                yield at(module, node, rule, message)


def _use_of(module: Module, node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call):
        name = module.dotted(node.func)
        if name in ("importlib.import_module", "builtins.__import__"):
            if not node.args or module.text_of(node.args[0]) is None:
                yield "dynamic-code", "It imports a module by a name that is not written there."
        elif name and DYNAMIC.fullmatch(name):
            yield "dynamic-code", f"It calls '{_short(name)}'."
        elif name and FILES.fullmatch(name):
            yield "file-access", f"It calls '{_short(name)}'."
        elif isinstance(node.func, ast.Attribute) and node.func.attr in FILE_METHODS:
            yield "file-access", f"It calls '.{node.func.attr}()'."
        yield from _escape_of(module, node)
    if isinstance(node, (ast.Attribute, ast.Name, ast.Call)):
        name = module.dotted(node)
        if name and PROCESSES.fullmatch(name) and "." in name:
            yield "process", f"It uses '{name}'."
        elif name and INSIDES.fullmatch(name):
            yield "introspection", f"It uses '{_short(name)}'."
        elif name and isinstance(node, ast.Name) and DYNAMIC.fullmatch(name) and name.startswith("builtins."):
            yield "dynamic-code", f"It uses '{_short(name)}'."
    if isinstance(node, ast.Attribute):
        if node.attr in INSIDE_ATTRIBUTES:
            yield "introspection", f"It uses '{node.attr}'."
        elif (
            node.attr.startswith("_") and not node.attr.startswith("__") and _begins_with_context(node.value)
        ):
            yield "private-attribute", f"It uses '{node.attr}' of what the host gives."


def _escape_of(module: Module, node: ast.Call) -> Iterator[tuple[str, str]]:
    """A name of a file that leaves the plugin's folder."""
    if not (isinstance(node.func, ast.Attribute) and _ends_with(node.func.value, "files") and node.args):
        return
    name = module.sketch_of(node.args[0])
    if name is not None and (".." in name.replace("\\", "/").split("/") or name.startswith(("/", "\\", "~"))):
        yield "file-escape", f"'{name}' leads out of the plugin's folder."


def _ends_with(node: ast.AST, attribute: str) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in (attribute, f"_{attribute}")


def _short(name: str) -> str:
    return name.removeprefix("builtins.")


def root_of(node: ast.AST) -> ast.AST:
    """What a chain of attributes, indexes and calls begins with."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def _begins_with_context(node: ast.AST) -> bool:
    root = root_of(node)
    return isinstance(root, ast.Name) and root.id in CONTEXT


def check_patches(plugin: Plugin, module: Module) -> Iterator[Finding]:
    """What is changed that belongs to others."""
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete, ast.For, ast.With)):
            for target in _targets(node):
                what = _foreign(plugin, module, target)
                if what:
                    yield at(module, target, "monkeypatch", f"It changes '{what}'.")
        elif isinstance(node, ast.Call):
            what = _changed_by_call(plugin, module, node)
            if what:
                yield at(module, node, "monkeypatch", f"It changes '{what}'.")


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, (ast.Assign, ast.Delete)):
        given: list[ast.expr] = list(node.targets)
    elif isinstance(node, ast.With):
        given = [item.optional_vars for item in node.items if item.optional_vars is not None]
    else:
        given = [node.target] if isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For)) else []
    while given:
        target = given.pop()
        if isinstance(target, (ast.Tuple, ast.List)):
            given.extend(target.elts)
        elif isinstance(target, (ast.Attribute, ast.Subscript)):
            yield target


def _foreign(plugin: Plugin, module: Module, target: ast.expr) -> str | None:
    """What of others an assignment changes: of something imported, or of the context."""
    if not isinstance(target, (ast.Attribute, ast.Subscript)):
        return None
    holder = target.value
    if isinstance(holder, ast.Call) and module.dotted(holder.func) in ("builtins.type", "builtins.vars"):
        named = module.dotted(holder.args[0]) if holder.args else None
        return f"{named or 'the class of a value'}{_tail(target)}"
    if isinstance(holder, ast.Attribute) and holder.attr in ("__class__", "__dict__"):
        inner = module.dotted(holder.value)
        is_own = isinstance(holder.value, ast.Name) and holder.value.id in ("self", "cls")
        if inner is None and is_own:
            return None
        return f"{inner or 'the class of a value'}{_tail(target)}"
    if _begins_with_context(target):
        return f"ctx{_tail(target)}"
    name = module.dotted(holder)
    if name is None or name.partition(".")[0] in plugin.packages or name == "builtins.globals":
        return None
    return f"{_short(name)}{_tail(target)}"


def _tail(target: ast.Attribute | ast.Subscript) -> str:
    return f".{target.attr}" if isinstance(target, ast.Attribute) else "[…]"


def _changed_by_call(plugin: Plugin, module: Module, node: ast.Call) -> str | None:
    name = module.dotted(node.func)
    if name in (
        "builtins.setattr",
        "builtins.delattr",
        "builtins.object.__setattr__",
        "builtins.type.__setattr__",
    ):
        if not node.args:
            return None
        what = module.dotted(node.args[0])
        attribute = module.text_of(node.args[1]) if len(node.args) > 1 else None
        is_own = what is not None and what.partition(".")[0] in plugin.packages
        if _begins_with_context(node.args[0]):
            what, is_own = "ctx", False
        return None if what is None or is_own else f"{what}.{attribute or '…'}"
    if name == "unittest.mock.patch" or (name or "").startswith("unittest.mock.patch."):
        return (module.text_of(node.args[0]) if node.args else None) or "something"
    if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGERS:
        holder = node.func.value
        inner = module.dotted(holder)
        if inner in SHARED:
            return inner
        if isinstance(holder, ast.Attribute) and holder.attr == "__dict__" and module.dotted(holder.value):
            return module.dotted(holder.value)
    return None


def check_sql(plugin: Plugin, module: Module) -> Iterator[Finding]:
    """SQL in texts that names tables of others."""
    prose, inner = docstrings(module.tree), set()
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.JoinedStr, ast.BinOp)):
            inner |= {id(part) for part in ast.walk(node) if part is not node}
    for node in ast.walk(module.tree):
        if (
            id(node) in prose
            or id(node) in inner
            or not isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp))
        ):
            continue
        text = module.sketch_of(node)
        if text is None or not SQL_WORD.search(text):
            continue
        for found in TABLE.finditer(text):
            table = found["table"].lower()
            if not table.startswith(f"x_{plugin.id}__"):
                yield at(module, node, "raw-sql", f"Its SQL names the table '{table}'.")
                break


def check_access(plugin: Plugin, module: Module) -> Iterator[Finding]:
    """Users, roles and permissions are not a plugin's to write."""
    own = {o.name for o in plugin.manifest.objects} if plugin.manifest else set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func.attr
            object = module.text_of(node.args[0]) if node.args else None
            writes = called in ("create", "update", "delete", "create_many", "update_many", "delete_many")
            if writes and object in ACCESS - own:
                yield at(module, node, "access-write", f"It writes '{object}'.")
            elif called in MAKERS:
                yield at(module, node, "access-write", f"It calls '{called}'.")
        if isinstance(node, ast.Call):
            for given in node.keywords:
                if given.arg == "is_admin":
                    yield at(module, given.value, "access-write", "It says who is an administrator.")
        if isinstance(node, ast.Attribute) and node.attr == "is_admin" and not isinstance(node.ctx, ast.Load):
            yield at(module, node, "access-write", "It says who is an administrator.")
