"""Exit 0 when this Python satisfies pyproject.toml (and its test extra with --test); otherwise say what is missing."""

import sys
from importlib import metadata
from pathlib import Path


def missing(root: Path, test: bool) -> list[str]:
    try:
        import tomllib  # absent before Python 3.11, which is too old

        from packaging.requirements import Requirement
    except ImportError:
        return ["Python 3.11 with packaging"]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + (project["optional-dependencies"]["test"] if test else [])
    lacking = []
    for requirement in map(Requirement, wanted):
        try:
            if not requirement.specifier.contains(metadata.version(requirement.name), prereleases=True):
                lacking.append(f"{requirement} (here: {metadata.version(requirement.name)})")
        except metadata.PackageNotFoundError:
            lacking.append(str(requirement))
    return lacking


if __name__ == "__main__":
    lacking = missing(Path(__file__).resolve().parents[1], "--test" in sys.argv)
    if lacking:
        sys.stderr.write(f"not satisfied: {', '.join(lacking)}\n")
        sys.exit(1)
