import json
import subprocess
import sys

import numpy as np
import pytest


def tagging(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "tagging_lib.cli", *map(str, arguments)], cwd=cwd, capture_output=True, text=True
    )


def test_help_names_every_command():
    shown = tagging("--help")
    assert shown.returncode == 0
    for command in ("sample", "check", "prepare", "train", "predict", "score", "report", "study"):
        assert command in shown.stdout


def test_importing_the_command_line_imports_no_torch():
    code = "import sys, tagging_lib.cli, tagging_lib.data.corpus; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False False"


def test_a_users_mistake_is_one_line_and_exit_code_2(tmp_path):
    shown = tagging("prepare", tmp_path / "nowhere", cwd=tmp_path)
    assert shown.returncode == 2
    assert len(shown.stderr.strip().splitlines()) == 1 and "nowhere" in shown.stderr


@pytest.mark.parametrize(
    ("photos", "rule", "told"),
    [
        (8, "given", "does not say which photos train and which test"),
        (3, "random", "has 3 photos: a split needs at least 5"),
        (8, "random", ""),
    ],
)
def test_check_tells_where_the_split_would_stop_the_study(tmp_path, photos, rule, told):
    from PIL import Image

    lines = ["photo,labels"]
    for number in range(photos):
        Image.new("RGB", (16, 16), (31 * number, 0, 90)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'sea' if number % 2 else 'sun'}")
    (tmp_path / "photos.csv").write_text("\n".join(lines))
    shown = tagging("check", tmp_path, "--split", rule, "--data", tmp_path / "data")
    assert shown.returncode == (1 if told else 0)
    assert f"error: --split: {tmp_path.name} {told}" in shown.stdout if told else "error" not in shown.stdout


def test_score_prints_what_scikit_learn_computes(tmp_path):
    from sklearn.metrics import f1_score

    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 2, (2, 50, 4))
    np.savetxt(tmp_path / "t.txt", truth, fmt="%d")
    np.savetxt(tmp_path / "p.txt", predicted, fmt="%d")
    shown = tagging("score", "t.txt", "p.txt", "--json", "--report", cwd=tmp_path)
    answer = json.loads(shown.stdout)
    assert answer["scores"]["p.txt"]["f1"] == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert len(answer["per_label"]["p.txt"]) == 4


def test_score_refuses_files_of_different_shape(tmp_path):
    np.savetxt(tmp_path / "t.txt", np.zeros((3, 2)), fmt="%d")
    np.savetxt(tmp_path / "p.txt", np.zeros((4, 2)), fmt="%d")
    shown = tagging("score", "t.txt", "p.txt", cwd=tmp_path)
    assert shown.returncode == 2 and "(4, 2)" in shown.stderr


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("resnet152", (0.759, 0.729, 0.791)),
        ("vgg16", (0.700, 0.626, 0.794)),
        ("ffn1", (0.245, 0.191, 0.341)),
        ("resnet50_noaug", (0.751, 0.783, 0.722)),
    ],
)
def test_score_gives_the_original_table(reference_predictions, row, expected):
    shown = tagging(
        "score", reference_predictions / f"{row}.truth.txt", reference_predictions / f"{row}.pred.txt", "--json"
    )
    (scores,) = json.loads(shown.stdout)["scores"].values()
    assert tuple(round(scores[name], 3) for name in ("f1", "precision", "recall")) == expected
