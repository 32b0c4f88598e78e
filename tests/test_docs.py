"""Pages for people: their links lead somewhere, and their commands and options exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from tagging_lib import cli
from tagging_lib.data.readers.reading import LAYOUTS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("*/README.md"))]
FOR_USERS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
COMMANDS = typer.main.get_command(cli.app).commands
EVERYWHERE = {"--help", "--version"}
OF_OTHER_PROGRAMS = {"--array", "--dependency", "--gpus", "--nproc-per-node", "--wrap"}  # Slurm's and torchrun's


def names(pages):
    return [page.relative_to(ROOT).as_posix() for page in pages]


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+://", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{page.name} points to {target}"
        assert not anchor or anchor in anchors(place), f"{page.name} points to {target}"


def calls(page: Path) -> list[list[str]]:
    """Each call of `tagging` or of a script in a page's code, as words."""
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = [line.removeprefix("$ ") for block in code for line in block.splitlines()] + inline
    found = []
    for line in lines:
        words = re.split(r"\s+", line.split(" # ")[0].split(" | ")[0].split(" > ")[0].strip())
        if words[0] in ("tagging", "./run_all.sh", "torchrun"):
            found.append(words)
    return found


def options_of(command: str) -> set[str]:
    parameters = COMMANDS[command].params
    options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
    return EVERYWHERE | {name for option in options for name in (*option.opts, *option.secondary_opts) if name.startswith("--")}


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_commands_and_their_options_exist(page):
    for words in calls(page):
        if words[0] == "torchrun":
            words = words[words.index("tagging_lib") :] if "tagging_lib" in words else words[:1]
        command = "study" if words[0] == "./run_all.sh" else next(iter(words[1:]), "")
        if command in ("COMMAND", "") or not command[0].isalpha():
            continue
        assert command in COMMANDS, f"{page.name}: {shlex.join(words)}"
        given = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
        assert given <= options_of(command), f"{page.name}: {shlex.join(words)}"


def code_of(text: str) -> str:
    """What stands in a page's code, in blocks and in lines."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))])


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code_of(text)))


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of any level."""
    _, found, rest = page.partition(f"\n## {heading}\n")
    assert found, f"no section {heading}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("page", FOR_USERS, ids=names(FOR_USERS))
def test_every_option_that_a_page_names_exists(page):
    ours = set().union(*map(options_of, COMMANDS))
    assert options_in(page.read_text(encoding="utf-8")) - ours - OF_OTHER_PROGRAMS == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_line_and_its_section_names_its_options_and_no_others(command):
    told = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| \[`tagging {command}[ `]", told, flags=re.MULTILINE)
    assert options_in(section(told, f"tagging {command}")) == options_of(command) - EVERYWHERE


def test_every_option_of_a_study_and_of_a_predict_is_explained():
    pages = {"study": ("study.md", "corpora.md"), "predict": ("prediction.md",)}
    for command, where in pages.items():
        told = [(ROOT / "docs" / page).read_text(encoding="utf-8") for page in where]
        # Of what commands.md does not only name there, but explains: the first cell of a table's line.
        reference = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
        cells = re.findall(r"^\| (`--[^|]*)\|", section(reference, f"tagging {command}"), flags=re.MULTILINE)
        shared = re.findall(r"^\| (`--[^|]*)\|", reference.partition("\n## ")[0], flags=re.MULTILINE)
        explained = set().union(*map(options_in, [*told, *cells, *shared]))
        assert options_of(command) - EVERYWHERE - {"--photos"} - explained == set(), command


def test_every_layout_is_described():
    told = (ROOT / "docs" / "corpora.md").read_text(encoding="utf-8")
    first_cells = "".join(re.findall(r"^\| ([^|]*)\|", told, flags=re.MULTILINE))
    assert [name for name in LAYOUTS if f"`{name}`" not in first_cells] == []


def test_the_reading_finds_what_is_wrong(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```\ntagging chek x --deep  # look\n```\n`tagging merge OUT --nothing` and `./run_all.sh --corpus a`\n")
    assert calls(page) == [
        ["tagging", "chek", "x", "--deep"],
        ["tagging", "merge", "OUT", "--nothing"],
        ["./run_all.sh", "--corpus", "a"],
    ]
    assert "--nothing" not in options_of("merge") and "--corpus" in options_of("study")
    assert options_in(page.read_text()) == {"--deep", "--nothing", "--corpus"}
    assert section("# A\n\n## B\nb `--x`\n\n### C\nc\n", "B") == "b `--x`\n\n"
