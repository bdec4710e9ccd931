"""What an installation gets: a wheel with recipes and demo model, and every imported library declared and pinned."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

# Import names that differ from the name on the package index.
DISTRIBUTION = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "cv2": "opencv-python-headless",
    "huggingface_hub": "huggingface-hub",
    "flash_attn": "flash-attn",
}


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", line)[0].lower() for line in requirements}


@pytest.fixture(scope="session")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="session")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_both_packages_the_licence_and_the_command(wheel):
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
        scripts = next(name for name in inside if name.endswith("entry_points.txt"))
        assert "vgllm = vgcli.main:main" in archive.read(scripts).decode()
        assert "[lmms_eval.models]\nvgllm = vgcli_core.predict.lmms_eval:manifest" in archive.read(scripts).decode()
    assert {"vgcli/main.py", "vgcli_core/errors.py"} <= set(inside)
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"vgcli", "vgcli_core", "vgllm"}


def test_recipes_can_be_read_from_a_wheel_and_from_a_clone(wheel, repository, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "from vgcli_core.recipes_folder import recipes_folder; print(recipes_folder())"
    for root in (tmp_path, repository):
        done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
        folder = Path(done.stdout.strip())
        assert folder.is_relative_to(root)
        files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        original = repository / "recipes"
        assert files == {
            path.relative_to(original): path.read_bytes() for path in original.rglob("*") if path.is_file()
        }
        assert Path("README.md") in files


def test_the_demo_model_is_in_the_wheel(wheel, repository):
    root = repository / "vgcli_core" / "shipped"
    if not (root / "rooms" / "model.safetensors").is_file():
        pytest.skip("the demo model is not in this clone: vgcli_core/shipped/rooms holds no model.safetensors")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name: archive.read(name) for name in archive.namelist() if name.startswith("vgcli_core/shipped/")}
    there = [path for path in root.rglob("*") if path.is_file()]
    assert inside == {f"vgcli_core/shipped/{path.relative_to(root).as_posix()}": path.read_bytes() for path in there}


def test_every_imported_library_is_declared(project, repository):
    optional = {name for lines in project["optional-dependencies"].values() for name in names(lines)}
    imported = set()
    for package in ("vgcli", "vgcli_core"):
        for path in (repository / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add((node.module or "").split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"vgcli", "vgcli_core"}
    assert {DISTRIBUTION.get(name, name) for name in foreign} <= names(project["dependencies"]) | optional


def test_constraints_pin_every_direct_dependency_and_the_test_tools(project, repository):
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    wanted = names(project["dependencies"]) | names(project["optional-dependencies"]["dev"])
    assert wanted <= {name.lower() for name in pins}
    assert pins["torch"] == "2.13.0"
