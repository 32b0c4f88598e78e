"""Command lines in the report: they say what differs from the defaults, quoted for a shell."""

from tagging_lib.report.pages import commands


def test_command_writes_options_that_differ_from_their_defaults():
    assert commands.study({"CORPUS": "sample", "SEED": 42}) == "./run_all.sh"
    assert commands.study({"TEST_PHOTOS": "a b", "SEEDS": 3}, 5) == "./run_all.sh --seeds 3 --test-photos 'a b' --only 05"


def test_a_row_is_trained_with_the_options_of_the_report_but_those_that_training_has_not():
    given = {"CORPUS": "my photos", "PROFILE": "cpu", "SEEDS": 3, "SKIP_BROKEN": True, "SEED": 42}
    assert commands.train(given, "timm:x y") == "tagging train 'timm:x y' --corpus 'my photos' --profile cpu --skip-broken"
