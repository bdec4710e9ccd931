"""The layers hold: imports go down only, the lower half never needs torch, and nothing runs data or needs POSIX."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

# The table of layers. Folders of one layer are neighbours and never import each other.
LAYERS = {
    "vgcli": 6,
    "training": 5,
    "evaluation": 5,
    "predict": 5,
    "export": 5,
    "model": 4,
    "data": 3,
    "text": 2,
    "drawing": 2,
    "geometry": 1,
    "media": 1,
    "processes": 1,
    "errors": 0,
    "atomic": 0,
    "version": 0,
    "recipes_folder": 0,
    "records": 0,
}
# What `import vgcli_core` offers to users: loads the pipeline when it is called.
FRONT_DOOR = "vgcli_core"

POSIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix"}
POSIX_NAMES = {"os.fork", "os.geteuid", "os.getuid", "os.killpg", "os.setsid", "os.mkfifo", "os.sched_getaffinity"} | {
    f"signal.{name}" for name in ("SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "alarm")
}
RUNS_DATA = {"eval", "exec", "compile", "__import__"}
UNPICKLES = {"pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "yaml.load"} | {
    f"yaml.{name}" for name in ("unsafe_load", "full_load", "load_all")
}


def sources() -> list[Path]:
    return sorted(path for package in ("vgcli", "vgcli_core") for path in (REPOSITORY / package).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def folder_of(module: str) -> str:
    """Return the row of LAYERS that a dotted name belongs to: vgcli_core.text.answers -> text."""
    parts = module.split(".")
    return parts[0] if parts[0] == "vgcli" or len(parts) == 1 else parts[1]


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every module that a file imports, at the top, inside functions and for type checking, and its line."""
    package = module_name(path).split(".")
    if path.stem != "__init__":
        package = package[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            if module == "vgcli_core":
                # `from vgcli_core import text` names a folder, `from vgcli_core import load` the front door.
                yield from (
                    (f"vgcli_core.{alias.name}" if alias.name in LAYERS else module, node.lineno)
                    for alias in node.names
                )
            else:
                yield module, node.lineno


def wrong_imports(path: Path) -> list[str]:
    here = module_name(path)
    if here == FRONT_DOOR:
        return []
    own = folder_of(here)
    found = []
    for module, line in imports_of(path):
        if module.split(".")[0] not in ("vgcli", "vgcli_core"):
            continue
        other = folder_of(module)
        if other == own:
            continue
        # The files of layer 0 lie in one folder, so they may use each other.
        if LAYERS.get(other, 9) >= max(LAYERS[own], 1):
            found.append(f"{path.relative_to(REPOSITORY)}:{line} imports {module}")
    return found


def dotted(node: ast.AST) -> str:
    """Return "a.b.c" for an attribute chain or a name, and "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def fresh(code: str) -> str:
    """Run code in a new interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_folder_of_the_packages_has_a_layer():
    assert {folder_of(module_name(path)) for path in sources()} - {FRONT_DOOR} <= LAYERS.keys()


def test_imports_go_to_lower_layers_and_never_sideways():
    assert [problem for path in sources() for problem in wrong_imports(path)] == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("text/bad.py", "from vgcli_core.model import vgllm"),
        ("text/bad.py", "from vgcli_core.drawing.boxes import draw_boxes"),
        ("media/bad.py", "import vgcli_core.geometry.boxes"),
        ("predict/bad.py", "from vgcli_core import evaluation"),
        ("geometry/bad.py", "from ..text import prompts"),
        ("geometry/bad.py", "def late():\n    from vgcli.display import line"),
        ("model/bad.py", "from vgcli_core import load"),
    ],
)
def test_the_walker_sees_a_wrong_import(tmp_path, monkeypatch, file, line):
    path = tmp_path / "vgcli_core" / file
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    monkeypatch.setattr(sys.modules[__name__], "REPOSITORY", tmp_path)
    assert len(wrong_imports(path)) == 1


def test_layers_below_the_model_and_the_command_line_import_without_torch():
    lower = [
        module_name(path)
        for path in sources()
        if folder_of(module_name(path)) in LAYERS and LAYERS[folder_of(module_name(path))] <= 3
    ]
    assert "vgcli_core.geometry.boxes" in lower
    code = (
        f"import importlib, sys\nfor name in {[*lower, 'vgcli.main']!r}: importlib.import_module(name)\n"
        "print(sorted({'torch', 'transformers', 'accelerate'} & set(sys.modules)))"
    )
    assert fresh(code) == "[]"


def test_help_and_version_load_no_heavy_library():
    code = (
        "import sys\nfrom vgcli.main import app\n"
        "commands = (['predict', '--help'], ['prepare', '--help'], ['train', '--help'], ['export', '--help'])\n"
        "for words in (['--help'], *commands, ['--version']):\n"
        "    try: app(words)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'scipy', 'transformers', 'PIL', 'av', 'decord', 'huggingface_hub', 'yaml'}\n"
        "ours = {name for name in sys.modules if name.startswith('vgcli_core.')}\n"
        "print(sorted(heavy & set(sys.modules)), sorted(ours))"
    )
    assert fresh(code).splitlines()[-1] == "[] ['vgcli_core.atomic', 'vgcli_core.errors', 'vgcli_core.version']"


def test_no_call_needs_posix():
    found = []
    for path in sources():
        for module, line in imports_of(path):
            if module.split(".")[0] in POSIX_MODULES:
                found.append(f"{path}:{line} {module}")
        for node in ast.walk(tree(path)):
            if dotted(node) in POSIX_NAMES:
                found.append(f"{path}:{node.lineno} {dotted(node)}")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/tmp"):
                found.append(f"{path}:{node.lineno} {node.value}")
    assert found == []


def test_no_call_runs_data():
    found = []
    for path in sources():
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call):
                continue
            name = dotted(node.func)
            safe = any(
                option.arg == "weights_only" and isinstance(option.value, ast.Constant) and option.value.value is True
                for option in node.keywords
            )
            if name in RUNS_DATA | UNPICKLES or (name == "torch.load" and not safe):
                found.append(f"{path}:{node.lineno} {name}")
            if any(option.arg == "shell" for option in node.keywords):
                found.append(f"{path}:{node.lineno} {name} with shell=")
    assert found == []


def test_every_text_file_is_opened_as_utf8():
    """Windows reads and writes a local code page unless told otherwise."""
    found = []
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                given = {option.arg for option in node.keywords}
                if node.func.attr in ("read_text", "write_text") and "encoding" not in given and len(node.args) < 2:
                    found.append(f"{path}:{node.lineno} {node.func.attr}")
    assert found == []
