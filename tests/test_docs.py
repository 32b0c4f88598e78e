"""Pages for people: their links lead somewhere, and their commands and options exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from tagging_lib import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("*/README.md"))]
COMMANDS = typer.main.get_command(cli.app).commands
EVERYWHERE = {"--help", "--version"}


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
    return EVERYWHERE | {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}


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


def test_every_command_has_its_line():
    told = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"| `tagging {name}" not in told] == []


def test_every_option_of_the_study_is_explained():
    told = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("study.md", "corpora.md"))
    assert sorted(option for option in options_of("study") - EVERYWHERE if f"`{option}" not in told and option not in told) == []


def test_the_reading_finds_what_is_wrong(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```\ntagging chek x --deep  # look\n```\n`tagging merge OUT --nothing` and `./run_all.sh --corpus a`\n")
    assert calls(page) == [
        ["tagging", "chek", "x", "--deep"],
        ["tagging", "merge", "OUT", "--nothing"],
        ["./run_all.sh", "--corpus", "a"],
    ]
    assert "--nothing" not in options_of("merge") and "--corpus" in options_of("study")
