"""`orch tune` as a user meets it, on a ledger and on files."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.tuned import logistic
from orchestrator.ledger.ratings import Rating, rate
from orchestrator.ledger.records import CallRecord, CallStatus, CostSource, RunRecord, RunStatus
from orchestrator.ledger.store import Ledger
from orchestrator.types import digest_of

DOCUMENT = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
Run = subprocess.CompletedProcess[bytes]
Orch = Callable[..., Run]


def add_rated(ledger: Ledger, number: int, rating: float, **columns: Any) -> None:
    """A run with one call and a rating. Without a text, what its confidence was made of is what was recorded."""
    run_id, at = f"R{number:05d}", NOW + timedelta(seconds=number)
    base: dict[str, Any] = {"prompt_sha256": digest_of(f"prompt {number}"), "model_used": "gpt-4o", "score": 0.4}
    base |= {"simulated": False, "confidence": 0.7} | columns
    logit, cost = base.pop("logit", 1.0), base.pop("cost", 1_000)
    run = RunRecord(
        run_id=run_id, created_at=at, day="2026-11-21", strategy="fallback", status=RunStatus.COMPLETE, **base
    )
    call = CallRecord(
        call_id=f"C{number:05d}",
        run_id=run_id,
        created_at=at,
        day=run.day,
        provider="openai",
        model=base["model_used"],
        provider_model="m",
        attempt=1,
        simulated=run.simulated,
        status=CallStatus.COMPLETED,
        cost_nanousd=cost,
        cost_source=CostSource.USAGE,
        finish_reason="stop",
        verdict=json.dumps({"signals": {"baseline": logit}}),
    )
    ledger.start_run(run)
    ledger.reserve([call])
    ledger.finish_run(replace(run, latency_ms=50))
    rate(ledger, run_id, Rating(rating, at))


def overrated(path: Path, *, simulated: bool) -> Path:
    """A ledger with 300 rated runs whose confidence claims too much."""
    draws = random.Random(4)
    with Ledger.open(path) as ledger:
        for number in range(300):
            logit = draws.gauss(1.0, 1.5)
            good = float(draws.random() < logistic(0.5 * logit - 1.2))
            add_rated(ledger, number, good, logit=logit, simulated=simulated)
    return path


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It takes a thousand durable transactions to write, so it is written once."""
    return overrated(tmp_path_factory.mktemp("rated") / "ledger.db", simulated=False)


@pytest.fixture
def overconfident(user_files: Path, template: Path) -> Path:
    """The user's ledger, with rated runs in it."""
    path = user_files / ".local" / "share" / "orch" / "ledger.db"
    path.parent.mkdir(parents=True)
    shutil.copy(template, path)
    return path


@pytest.fixture
def tuned(user_files: Path) -> Path:
    return user_files / ".config" / "orch" / "tuned.yaml"


def document(run: Run) -> dict[str, Any]:
    assert b"Traceback" not in run.stderr
    found = json.loads(run.stdout)
    assert isinstance(found, dict)
    return found


def part(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(part for part in found["parts"] if part["name"] == name)


def replay_file(path: Path, size: int, *, prompts: Sequence[str] = ()) -> Path:
    """Recorded outcomes of two models. The small one's answer hedges, more often than not, when it is wrong."""
    draws = random.Random(3)
    with path.open("w") as out:
        for number in range(size):
            right = draws.random() < 0.6
            hedged = draws.random() < (0.1 if right else 0.9)
            text = (
                "I'm not sure, it might be that one; I think I would need more context."
                if hedged
                else (f"The answer is item {number}, which every source that was consulted gives in the same form.")
            )
            outcomes = {
                "gpt-4o-mini": {"score": float(right), "text": text, "input_tokens": 100, "output_tokens": 50},
                "gpt-4o": {"score": 1.0, "text": "The answer is this one, given by every source consulted so far.",
                           "input_tokens": 100, "output_tokens": 50},
            }  # fmt: skip
            prompt = prompts[number] if prompts else f"Which of the items in list {number} is meant by the text?"
            out.write(json.dumps({"id": str(number), "task": "t", "prompt": prompt, "outcomes": outcomes}) + "\n")
    return path


# -- on rated runs ---------------------------------------------------------------------------------------------------


def test_what_users_rated_makes_confidence_truer_and_every_later_run_uses_it(
    orch: Orch, overconfident: Path, tuned: Path
) -> None:
    run = orch("tune", "-o", "json")
    found = document(run)
    confidence = part(found, "confidence")
    assert (run.returncode, found["written"], confidence["finding"]) == (0, True, "improved")
    figures = {figure["name"]: figure for figure in confidence["figures"]}
    assert figures["calibration error"]["after"]["value"] < 0.1 < figures["calibration error"]["before"]["value"]
    assert figures["log loss"]["difference"]["high"] < 0
    assert tuned.read_text().startswith("# Written by orch tune (orch ")
    assert "300 rated answers to 300 prompts" in tuned.read_text()

    shown = {setting["key"]: setting for setting in document(orch("tune", "--show", "-o", "json"))["settings"]}
    assert shown["confidence"]["value"] == confidence["fitted"]
    assert shown["confidence"]["source"] == str(tuned)
    assert shown["threshold"] == {"key": "threshold", "value": 0.7, "source": "default"}
    assert part(document(orch("tune", "-o", "json", "--dry-run")), "confidence")["finding"] == "no_improvement"


def test_every_key_of_its_json_is_documented(orch: Orch, overconfident: Path) -> None:
    def keys(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*(keys(item) for item in value.values()))
        return set().union(*(keys(item) for item in value)) if isinstance(value, list) else set()

    text = DOCUMENT.split("\n## Tune\n")[1].split("\n## ")[0]
    marked = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", text))))
    values = {"slope", "intercept", "cuts"}  # config keys, where the values stand
    assert keys(document(orch("tune", "--dry-run", "-o", "json"))) <= marked | values


def test_the_text_says_before_and_after_and_how_to_take_it_back(orch: Orch, overconfident: Path, tuned: Path) -> None:
    run = orch("tune", "--dry-run")
    text = run.stdout.decode()
    assert run.returncode == 0
    assert "confidence: slope 1.0, intercept 0.0 → slope" in text
    assert all(name in text for name in ("before", "after", "difference", "calibration error", "log loss"))
    assert "nothing was written; without --dry-run" in text
    assert not tuned.exists()
    assert f"written to {tuned}; to take it back: orch tune --undo" in orch("tune").stdout.decode()


def test_undoing_brings_back_byte_for_byte_what_was_there_before_again_and_again(
    orch: Orch, overconfident: Path, tuned: Path
) -> None:
    tuned.parent.mkdir(parents=True)
    mine = b"# my own remark, with \xc3\xa9\r\nthreshold: 0.55   # and more\n"
    tuned.write_bytes(mine)
    assert orch("tune").returncode == 0
    first = tuned.read_bytes()
    assert b"threshold: 0.55" in first  # what is not tuned now stays tuned
    assert orch("tune", "--force").returncode == 0
    assert tuned.read_bytes() != first
    assert document(orch("tune", "--undo", "-o", "json"))["undoable"] == 1
    assert tuned.read_bytes() == first
    assert document(orch("tune", "--undo", "-o", "json")) == {
        "schema_version": 1, "kind": "tune_undo", "file": str(tuned), "exists": True, "undoable": 0,
    }  # fmt: skip
    assert tuned.read_bytes() == mine
    assert sorted(path.name for path in tuned.parent.iterdir()) == ["tuned.yaml"]
    assert orch("tune", "--undo").returncode == 2


def test_undoing_the_first_tuning_leaves_no_file(orch: Orch, overconfident: Path, tuned: Path) -> None:
    assert orch("tune").returncode == 0
    undone = orch("tune", "--undo")
    assert b"is gone: there was none before" in undone.stdout
    assert list(tuned.parent.iterdir()) == []


def test_a_tuned_file_that_cannot_be_read_is_named_and_can_be_undone(
    orch: Orch, overconfident: Path, tuned: Path
) -> None:
    assert orch("tune").returncode == 0
    tuned.write_text("threshold: often\n")
    broken = orch("tune")
    assert broken.returncode == 3
    assert f"{tuned}:1: threshold".encode() in broken.stderr
    assert orch("tune", "--undo").returncode == 0
    assert not tuned.exists()


def test_too_few_ratings_end_with_2_and_say_how_many_more_it_takes(orch: Orch, user_files: Path, tuned: Path) -> None:
    with Ledger.open(user_files / ".local" / "share" / "orch" / "ledger.db") as ledger:
        for number in range(30):
            good = float(number % 6 != 0)
            add_rated(ledger, number, good, logit=2 * good + number % 3)
    run = orch("tune", "-o", "json")
    found = document(run)
    assert (run.returncode, found["written"], tuned.exists()) == (2, False, False)
    confidence = part(found, "confidence")
    assert confidence["finding"] == "too_little_data"
    assert confidence["reason"].startswith("25 good and 5 bad answers")
    assert confidence["more_needed"] == 80
    assert b"about 80 more rated answers are needed" in run.stderr
    assert orch("tune", "--force").returncode == 0
    assert b"confidence:" in tuned.read_bytes()


def test_nothing_rated_says_what_to_do(orch: Orch) -> None:
    assert b"made by the first orch run" in orch("tune").stderr
    assert orch("run", "--simulate", "-p", "hi").returncode == 0
    run = orch("tune", "--simulate")
    assert (run.returncode, run.stdout) == (2, b"")
    assert b"orch rate last good" in run.stderr


def test_ratings_of_simulated_runs_tune_simulated_runs_alone(orch: Orch, user_files: Path, tuned: Path) -> None:
    overrated(user_files / ".local" / "share" / "orch" / "ledger-simulated.db", simulated=True)
    before = document(orch("run", "--simulate", "-p", "What is 2 + 2?", "-s", "cheapest", "-o", "json"))
    assert orch("tune", "--simulate").returncode == 0
    assert (tuned.exists(), tuned.with_name("tuned-simulated.yaml").exists()) == (False, True)
    after = document(orch("run", "--simulate", "-p", "What is 2 + 2?", "-s", "cheapest", "-o", "json"))
    assert after["confidence"] < 0.5 < before["confidence"]
    assert not tuned.exists()


def test_answers_whose_text_was_kept_are_judged_by_this_version_and_others_as_recorded(
    orch: Orch, user_files: Path
) -> None:
    hedged = "I'm not sure, it might be that one; I think I would need more context."
    draws = random.Random(5)
    with Ledger.open(user_files / ".local" / "share" / "orch" / "ledger.db") as ledger:
        for number in range(120):
            good = draws.random() < 0.5
            said = (
                hedged if draws.random() < (0.15 if good else 0.85) else f"Item {number} is meant, as all sources say."
            )
            text = {"prompt": f"Which item does text {number} mean?", "response": said}
            add_rated(ledger, number, float(good), logit=0.0, **text)
    auc = {f["name"]: f for f in part(document(orch("tune", "--dry-run", "-o", "json")), "confidence")["figures"]}[
        "AUC"
    ]
    assert auc["before"]["value"] > 0.75  # the recorded logits, all 0, would have 0.5


def test_300_ratings_of_two_models_that_no_setting_could_tell_apart_change_nothing(
    orch: Orch, user_files: Path, tuned: Path
) -> None:
    """Confidence and score are noise."""
    path, draws = user_files / ".local" / "share" / "orch" / "ledger.db", random.Random(8)
    path.parent.mkdir(parents=True)
    models = (("gpt-4o-mini", 0.26, 1.5, 1_000), ("gpt-4o", 0.5, 1.5, 20_000))
    with Ledger.open(path) as ledger:
        for number in range(300):
            model, right, logit, cost = models[number % 2]
            same = {"prompt_sha256": digest_of(f"prompt {number // 2}"), "score": (number // 2 * 37 % 150) / 150}
            answer = {"model_used": model, "logit": draws.gauss(logit, 1), "cost": cost}
            add_rated(ledger, number, float(draws.random() < right), **same, **answer)
    run = orch("tune", "-o", "json")
    found = document(run)
    assert (run.returncode, found["prompts"], found["answers"], found["written"]) == (0, 150, 300, False)
    assert {each["name"]: each["finding"] for each in found["parts"]} == dict.fromkeys(
        ("confidence", "threshold", "complexity"), "no_improvement"
    )
    assert part(found, "confidence")["fitted"] is None
    text = orch("tune").stdout.decode()
    assert "nothing was changed" in text
    assert "do not show that it tells good answers from bad ones" in text
    assert not tuned.exists()


# -- on files --------------------------------------------------------------------------------------------------------


def test_files_of_two_models_tune_the_threshold_too(orch: Orch, tmp_path: Path, tuned: Path) -> None:
    run = orch("tune", str(replay_file(tmp_path / "a.jsonl", 150)), "--quality", "0.85", "-o", "json")
    found = document(run)
    assert (run.returncode, found["weak"], found["strong"]) == (0, "gpt-4o-mini", "gpt-4o")
    assert found["prompts"] == 150
    threshold = part(found, "threshold")
    names = [figure["name"] for figure in threshold["figures"]]
    assert names == [
        "quality",
        "cost of 1,000 prompts ($)",
        "quality above 85% of gpt-4o's",
        "quality above random mixing at this cost",
    ]
    assert tuned.exists() == found["written"]


def test_that_grades_of_a_file_were_rescaled_is_said(orch: Orch, tmp_path: Path) -> None:
    grades = ({"gpt-4o-mini": {"score": 1 + number % 9}, "gpt-4o": {"score": 10}} for number in range(20))
    rows = [{"id": f"{n}", "task": "t", "prompt": f"What is {n}?", "outcomes": each} for n, each in enumerate(grades)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    note = "grades from 1 to 10 are rescaled to 0 to 1"
    assert document(orch("tune", str(tmp_path / "a.jsonl"), "-o", "json"))["notes"] == [note]
    assert note in orch("tune", str(tmp_path / "a.jsonl")).stdout.decode()


def test_weights_of_one_s_own_make_such_prompts_look_as_hard_as_they_were(
    orch: Orch, tmp_path: Path, tuned: Path
) -> None:
    draws = random.Random(6)
    easy, hard = (
        "Tell me of the sea and of the birds that live by it, in part {}.",
        "Add 12, 7, 30 and {} to 5 of mine.",
    )
    with (tmp_path / "a.jsonl").open("w") as out:
        for number in range(160):
            numbers = number % 2
            right = float(draws.random() > (0.7 if not numbers else 0.05))  # numbers are what the small model can do
            outcomes = {"gpt-4o-mini": {"score": right}, "gpt-4o": {"score": 1.0}}
            prompt = (hard if numbers else easy).format(number)
            out.write(json.dumps({"id": str(number), "task": "t", "prompt": prompt, "outcomes": outcomes}) + "\n")
    ask = ("plan", "--simulate", "-o", "json", "--config", str(tmp_path / "config.yaml"), "-p")
    (tmp_path / "config.yaml").write_text("chain: fast\n")
    found = document(orch("tune", str(tmp_path / "a.jsonl"), "--weights", "--config", ask[5], "-o", "json"))
    weights = part(found, "weights")
    assert weights["finding"] == "improved"
    assert 0 < len(weights["fitted"]["weights"]) <= 20
    (tmp_path / "tuned.yaml").rename(tmp_path / "tuned-simulated.yaml")
    scores = [document(orch(*ask, text.format(999)))["complexity"]["score"] for text in (easy, hard)]
    (tmp_path / "tuned-simulated.yaml").unlink()
    shipped = [document(orch(*ask, text.format(999)))["complexity"]["score"] for text in (easy, hard)]
    assert scores[0] - scores[1] > 0.2
    assert scores[0] - scores[1] > shipped[0] - shipped[1]


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        pytest.param(["none.jsonl"], 2, "there is no file none.jsonl", id="no-file"),
        pytest.param(["a.jsonl", "--weak", "gpt-4"], 2, "did you mean", id="unknown-model"),
        pytest.param(["a.jsonl", "--weak", "gpt-4o", "--strong", "gpt-4o"], 2, "are both gpt-4o", id="one-model"),
        pytest.param(["a.jsonl", "--quality", "1.5"], 2, "--quality takes a share", id="quality"),
        pytest.param(["a.jsonl", "--quality", "nan"], 2, "--quality takes a share", id="quality-nan"),
        pytest.param(["a.jsonl", "--price", "gpt-4o"], 2, "--price takes MODEL=INPUT/OUTPUT", id="price"),
        pytest.param(["--undo", "a.jsonl"], 2, "--undo takes no FILES", id="undo-files"),
        pytest.param(["--undo", "--show"], 2, "do not go together", id="undo-show"),
        pytest.param(["--config", "none.yaml"], 3, "none.yaml", id="config"),
    ],
)
def test_what_cannot_be_tuned_is_said_in_one_line_with_a_hint(
    orch: Orch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], code: int, says: str
) -> None:
    replay_file(tmp_path / "a.jsonl", 3)
    monkeypatch.chdir(tmp_path)
    run = orch("tune", *argv)
    assert run.returncode == code
    assert says in run.stderr.decode()
    assert b"Traceback" not in run.stderr


# -- layers ----------------------------------------------------------------------------------------------------------


def test_a_config_file_comes_before_what_was_tuned_and_tune_says_so(
    orch: Orch, overconfident: Path, tuned: Path
) -> None:
    tuned.parent.mkdir(parents=True)
    config = tuned.with_name("config.yaml")
    config.write_text("threshold: 0.9\n")
    tuned.write_text("threshold: 0.1\nconfidence: {slope: 0.5, intercept: -2}\ncomplexity: {cuts: [0.1, 0.2, 0.3]}\n")
    shown = document(orch("tune", "--show", "-o", "json"))["settings"]
    assert {setting["key"]: (setting["value"], Path(setting["source"]).name) for setting in shown} == {
        "confidence": ({"slope": 0.5, "intercept": -2.0}, "tuned.yaml"),
        "threshold": (0.9, "config.yaml"),
        "complexity.cuts": ([0.1, 0.2, 0.3], "tuned.yaml"),
        "complexity.adjustment": (None, "default"),
    }
    config.write_text("confidence: {slope: 2}\n")
    run = orch("tune", "-o", "json")
    assert document(run)["overridden"] == ["confidence"]
    assert part(document(run), "confidence")["in_force"] == {"slope": 2.0, "intercept": 0.0}
    assert "comes first" in orch("tune", "--force").stdout.decode()


def test_tuned_cuts_decide_how_hard_a_prompt_looks(orch: Orch, user_files: Path) -> None:
    folder = user_files / ".config" / "orch"
    folder.mkdir(parents=True)
    asked = ("plan", "--simulate", "-p", "What is 2 + 2?", "-o", "json")
    assert document(orch(*asked))["complexity"]["level"] != "expert"
    (folder / "tuned-simulated.yaml").write_text("complexity: {cuts: [0.0, 0.0, 0.0]}\n")
    assert document(orch(*asked))["complexity"]["level"] == "expert"
    (folder / "config.yaml").write_text("complexity: {cuts: [0.9, 0.9, 1]}\n")
    assert document(orch(*asked))["complexity"]["level"] == "basic"


def test_what_was_tuned_of_complexity_holds_for_the_scorer_that_it_was_tuned_with(
    orch: Orch, user_files: Path, tmp_path: Path
) -> None:
    folder = user_files / ".config" / "orch"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text("def score(prompt):\n    return 0.2 + 0.6 * ('hard' in prompt)\n")
    recorded = tmp_path / "a.jsonl"
    with recorded.open("w") as out:
        for number in range(100):
            hard = number % 2
            outcomes = {"gpt-4o-mini": {"score": 1.0 - hard}, "gpt-4o": {"score": 1.0}}
            prompt = f"a {'hard' if hard else 'plain'} one, number {number}"
            out.write(json.dumps({"id": str(number), "task": "t", "prompt": prompt, "outcomes": outcomes}) + "\n")
    (folder / "config.yaml").write_text("complexity: {scorer: 'mine:score'}\n")
    found = document(orch("tune", str(recorded), "--weights", "-o", "json"))
    assert (part(found, "complexity")["finding"], part(found, "weights")["finding"]) == ("improved", "not_in_data")

    def cuts() -> tuple[list[float], str]:
        shown = {setting["key"]: setting for setting in document(orch("tune", "--show", "-o", "json"))["settings"]}
        return shown["complexity.cuts"]["value"], Path(shown["complexity.cuts"]["source"]).name

    fitted = part(found, "complexity")["fitted"]["cuts"]
    assert cuts() == (fitted, "tuned.yaml")
    (folder / "config.yaml").unlink()
    assert cuts()[1] == "default"
    assert cuts()[0] != fitted


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("complexity: {cuts: [0.5, 0.25, 0.75]}", "3 numbers in rising order"),
        ("complexity: {cuts: [0.5]}", "3 numbers in rising order"),
        ("complexity: {cuts: [0.5, 0.6, 1.5]}", "1.5 is more than 1"),
        ("confidence: {slope: 0, intercept: 0}", "slope: 0 is less than 0.001"),
        ("complexity: {adjustment: {scale: 1, intercept: 0, weights: {words: [1, 2]}}}", "expected four numbers"),
        ("confidence: {slop: 1, intercept: 0}", "is it 'slop' on line 2?"),
        ("chain: mine", "unknown key"),
    ],
)
def test_a_slip_in_the_tuned_file_is_named_with_its_line(orch: Orch, tuned: Path, content: str, says: str) -> None:
    tuned.parent.mkdir(parents=True)
    tuned.write_text(f"# by hand\n{content}\n")
    run = orch("models")
    assert run.returncode == 3
    assert f"{tuned}:2: " in run.stderr.decode()
    assert says in run.stderr.decode()


def test_it_is_written_beside_the_config_file_that_is_named(
    orch: Orch, overconfident: Path, tmp_path: Path, tuned: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("category: mine\n")
    assert orch("tune", "--config", str(tmp_path / "mine.yaml")).returncode == 0
    assert (tmp_path / "tuned.yaml").exists()
    assert not tuned.exists()
    assert oct((tmp_path / "tuned.yaml").stat().st_mode)[-3:] == "600"


def test_a_folder_that_cannot_be_written_ends_with_3_and_a_clear_message(orch: Orch, overconfident: Path) -> None:
    run = orch("tune", XDG_CONFIG_HOME="/proc/1/config")  # not even root can
    assert run.returncode == 3
    assert b"tuned.yaml cannot be written" in run.stderr
    assert b"--dry-run writes nothing" in run.stderr
    assert orch("tune", "--dry-run", XDG_CONFIG_HOME="/proc/1/config").returncode == 0


def test_processes_that_tune_at_once_lose_no_earlier_state(
    orch_process: Orch, overconfident: Path, tuned: Path
) -> None:
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: orch_process("tune", "--force"), range(3)))
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert sorted(path.name for path in tuned.parent.iterdir()) == [
        "tuned.yaml",
        *(f"tuned.yaml.{n}" for n in (1, 2, 3)),
    ]
