"""Exit 0 when this interpreter's environment satisfies pyproject.toml, else print one line on what is missing, exit 1.

Extras to demand beside the dependencies are the arguments: `check_environment.py test`. It reads metadata only, so that
it answers at once, and runs on any Python 3, because it is asked about environments that nobody prepared.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def missing(extras):
    """What the environment lacks, in words; an empty list when nothing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - other environments are asked too
        return [f"Python {sys.version_info[0]}.{sys.version_info[1]} is older than 3.11"]
    import tomllib
    from importlib import metadata

    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name
    except ImportError:
        return ["packaging is not installed"]

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    written = list(project["dependencies"])
    for extra in extras:
        written += project["optional-dependencies"][extra]
    asked = [Requirement(line) for line in written]
    names = {canonicalize_name(requirement.name) for requirement in asked}
    found = []

    def compare(requirement, because):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            return
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            found.append(f"{requirement.name} is not installed")
            return
        if not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement.name} is {version}, {because} {requirement.specifier}")

    for requirement in asked:
        compare(requirement, "needed is")
    # Libraries that the project names must also fit one another: a torchvision built for another torch fails at import.
    for name in sorted(names) if not found else []:
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if canonicalize_name(requirement.name) in names:
                compare(requirement, f"{name} needs")
    return found


if __name__ == "__main__":
    lacking = missing(sys.argv[1:])
    if lacking:
        more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
        sys.stdout.write(lacking[0] + more + "\n")
    sys.exit(bool(lacking))
