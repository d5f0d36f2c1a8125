"""`orch bench` as a shell sees it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from patience import PATIENCE_S
from recorded_answers import STRONG, WEAK, items, write
from scripted import NOW, Script, Stage, reply

from orchestrator.ledger.ratings import Rating, rate
from orchestrator.ledger.store import Ledger

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
PRICES = (f"--price={WEAK}=1/2", f"--price={STRONG}=10/40")
PAIR = (f"--weak={WEAK}", f"--strong={STRONG}", "--resamples=20")


@pytest.fixture
def recorded(tmp_path: Path) -> str:
    return str(write(tmp_path / "sums.jsonl", items()))


def document(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_figures_are_printed_plain_and_within_the_usual_width(orch: Orch, recorded: str) -> None:
    done = orch("bench", recorded, *PAIR, *PRICES)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert text.startswith(f"{recorded}: 24 prompts\n")
    assert "\x1b" not in text
    for word in (
        "all weak",
        "routing",
        "cascade 0.7",
        "ensemble",
        "oracle",
        "APGR",
        "CPT(80%)",
        "Pareto",
        "ECE",
    ):
        assert word in text
    assert done.stderr == b""


def test_the_json_has_every_figure_with_its_interval(orch: Orch, recorded: str) -> None:
    found = document(orch("bench", recorded, *PAIR, *PRICES, "--threshold", "0.3,0.7", "--output", "json"))
    (one,) = found["sets"]
    assert (found["schema_version"], found["seed"], found["resamples"], found["together"]) == (1, 0, 20, None)
    names = [row["name"] for row in one["strategies"]]
    assert {"cascade 0.3", "cascade 0.7", "ensemble", "all weak", "oracle"} <= set(names)
    for row in one["strategies"]:
        for key in ("quality", "cost_nanousd", "strong_share", "latency_ms"):
            assert row[key]["low"] <= row[key]["value"] <= row[key]["high"]
    for ordering in one["orderings"]:
        assert set(ordering) >= {"apgr", "cpt_50", "cpt_80", "saving_at_95", "curve"}
    for calibration in one["confidence"]:
        assert set(calibration) >= {"auc", "brier", "ece", "bins"}


def test_the_same_seed_gives_the_same_output_and_another_a_different_one(orch: Orch, recorded: str) -> None:
    first, again, other = (
        orch("bench", recorded, *PAIR, "-s", "cheapest", "-o", "json", "--seed", seed).stdout for seed in "112"
    )
    assert first == again != other


def test_several_files_are_shown_each_and_their_answers_together(orch: Orch, recorded: str, tmp_path: Path) -> None:
    other = tmp_path / "more.jsonl.gz"
    other.write_bytes(gzip.compress(Path(recorded).read_bytes()))
    found = document(orch("bench", recorded, str(other), *PAIR, "-s", "fallback", "-o", "json"))
    assert [one["name"] for one in found["sets"]] == [recorded, str(other)]
    assert found["together"]["answers"] == 2 * 2 * 24


def test_parts_and_samples_of_the_prompts_can_be_looked_at(orch: Orch, recorded: str) -> None:
    def prompts(*flags: str) -> int:
        found = document(orch("bench", recorded, *PAIR, "-s", "cheapest", "-o", "json", *flags))
        return int(found["sets"][0]["prompts"])

    assert prompts("--split", "dev") + prompts("--split", "test") == 24
    assert prompts("--split", "0.5") + prompts("--split", "0.5:1") == 24
    assert prompts("--limit", "7") == 7


def test_pictures_are_written(orch: Orch, recorded: str, tmp_path: Path) -> None:
    for name in ("curve.svg", "bench.html"):
        done = orch("bench", recorded, *PAIR, "--plot", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        assert f"wrote {tmp_path / name}" in done.stderr.decode()
    assert ElementTree.parse(tmp_path / "curve.svg").getroot().tag.endswith("svg")
    assert "<figure>" in (tmp_path / "bench.html").read_text()


def test_without_the_lab_extra_nothing_is_asked(
    orch: Orch, prompts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    refused = orch("bench", "--live", prompts, *LIVE, "--write", str(tmp_path / "out.jsonl"))
    assert (refused.returncode, refused.stdout) == (3, b"")
    assert "pip install 'orch-llm[lab]'" in refused.stderr.decode()
    assert not (tmp_path / "out.jsonl").exists()


def test_without_the_charts_extra_a_plot_is_refused_before_the_bench(
    orch: Orch, recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    refused = orch("bench", recorded, *PAIR, "--plot", str(tmp_path / "curve.svg"))
    assert (refused.returncode, refused.stdout) == (3, b"")
    assert "pip install 'orch-llm[charts]'" in refused.stderr.decode()


WRONG = {
    "no file": (["nowhere.jsonl"], 2, "there is no file nowhere.jsonl"),
    "nothing at all": ([], 2, "no recorded outcomes are given"),
    "an unknown model": (["FILE", "--weak", "tiny-9"], 2, "did you mean 'tiny-1'?"),
    "the same twice": (["FILE", "--weak", WEAK, "--strong", WEAK], 2, "are both tiny-1"),
    "an unknown strategy": (["FILE", "-s", "cheapst"], 2, "did you mean 'cheapest'?"),
    "a threshold of 2": (["FILE", "--threshold", "2"], 2, "--threshold takes"),
    "no part": (["FILE", "--split", "half"], 2, "--split takes"),
    "an empty part": (["FILE", "--split", "0.0000001"], 2, "no prompt is in the part"),
    "a picture of another kind": (["FILE", "--plot", "a.png"], 2, ".svg or .html"),
    "a price that is none": (["FILE", "--price", "a"], 2, "--price takes"),
    "a ledger without ratings": (["--ledger"], 2, "are rated"),
    "live without a limit": (
        ["--live", "FILE", "--models", "claude-haiku-5-5,gpt-6-luna", "--write", "a.jsonl"],
        2,
        "say how much at most with --max-cost",
    ),
    "live without a file": (
        ["--live", "FILE", "--models", "claude-haiku-5-5,gpt-6-luna", "--simulate"],
        2,
        "needs --write",
    ),
    "live with one model": (["--live", "FILE", "--models", "gpt-6-luna", "--simulate"], 2, "name at least two"),
    "live with an unknown model": (["--live", "FILE", "--models", "gpt-6-lunar,x", "--simulate"], 2, "gpt-6-luna'?"),
}


@pytest.mark.parametrize(("argv", "code", "problem"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_done_is_said(orch: Orch, recorded: str, argv: list[str], code: int, problem: str) -> None:
    done = orch("bench", *(recorded if word == "FILE" else word for word in argv))
    assert done.returncode == code
    assert problem in done.stderr.decode()
    assert b"Traceback" not in done.stderr


# -- the ledger ------------------------------------------------------------------------------------------------------


def test_own_rated_runs_are_looked_at_and_replayed_where_models_can_be_compared(orch: Orch, tmp_path: Path) -> None:
    weak, strong = "claude-haiku-5-5", "claude-opus-5-5"
    stage = Stage(tmp_path, Script({weak: [reply("5, I think.")], strong: [reply("The answer is 4.")]}))
    for model, rating in ((weak, 0.0), (strong, 1.0)):
        run_id = stage.run("What is 2 + 2?", strategy="fallback", chain=model).run_id
        with Ledger.open(stage.ledger) as ledger:
            rate(ledger, run_id or "", Rating(rating, NOW))
    by_option = orch("bench", "--ledger", "--ledger-file", str(stage.ledger), "-o", "json")
    found = document(by_option)
    assert found["ledger"]["runs"] == 2
    assert found["ledger"]["replayable"] == found["sets"][0]["prompts"] == 1
    assert (found["sets"][0]["weak"], found["sets"][0]["strong"]) == (weak, strong)
    by_variable = orch("bench", "--ledger", "-o", "json", ORCH_LEDGER=str(stage.ledger))
    assert by_variable.stdout == by_option.stdout


# -- live ------------------------------------------------------------------------------------------------------------

LEDGER = ".local/share/orch/ledger-simulated.db"
LIVE = ("--simulate", "--models", "claude-haiku-5-5,claude-opus-5-5", "--judge", "gpt-6-luna", "--resamples", "20")


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    path = tmp_path / "prompts.jsonl"
    lines = [{"prompt": "Should I use REST or GraphQL?"}, {"prompt": "What is 2 + 2?", "expected": "4"}]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(path)


def test_live_answers_are_recorded_and_compared_with_plans_among_them(orch: Orch, prompts: str, tmp_path: Path) -> None:
    file = tmp_path / "recorded.jsonl.gz"
    done = orch(
        "bench", "--live", prompts, *LIVE, "-s", "fallback,pipeline,diverge", "--write", str(file), "-o", "json"
    )
    (one,) = document(done)["sets"]
    rows = {row["name"]: row for row in one["strategies"]}
    assert rows["pipeline"]["cost_nanousd"]["value"] > rows["all weak"]["cost_nanousd"]["value"]
    assert {"diverge", "cascade 0.7"} <= set(rows)
    assert "8 answers added" in done.stderr.decode()
    assert any("simulator" in note for note in one["notes"])
    replayed = document(orch("bench", str(file), "-s", "fallback,pipeline", "--resamples", "20", "-o", "json"))
    again = {row["name"]: row for row in replayed["sets"][0]["strategies"]}
    assert again["pipeline"] == rows["pipeline"]
    assert b"0 answers added" in orch("bench", "--live", prompts, *LIVE, "--write", str(file)).stderr


def test_a_plan_that_was_not_asked_is_said_to_need_it(orch: Orch, recorded: str) -> None:
    found = document(orch("bench", recorded, *PAIR, "-s", "cheapest,pipeline", "-o", "json"))
    assert found["sets"][0]["needs_live"] == ["pipeline"]


def test_a_budget_ends_it_with_5_and_nothing_is_lost(orch: Orch, prompts: str, tmp_path: Path) -> None:
    file = tmp_path / "recorded.jsonl"
    done = orch("bench", "--live", prompts, *LIVE, "--write", str(file), "--max-cost", "0.000001")
    assert done.returncode == 5
    assert b"raise --max-cost" in done.stderr
    assert not file.exists()


def wait_for_answers(home: Path, model: str, number: int) -> None:
    """Until so many answers of a model are judged in the simulated ledger."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if (path := home / LEDGER).exists():
            with closing(sqlite3.connect(path)) as connection:
                query = "SELECT count(*) FROM runs WHERE status = 'complete' AND model_used = ?"
                with suppress(sqlite3.OperationalError):  # the tables may not be there yet
                    if connection.execute(query, (model,)).fetchone()[0] >= number:
                        return
        time.sleep(0.05)
    pytest.fail("no answers came")


def test_an_interrupt_ends_it_with_130_and_keeps_what_has_come(prompts: str, tmp_path: Path, user_files: Path) -> None:
    scenario = tmp_path / "slow.yaml"
    scenario.write_text("rules:\n  - {model: claude-opus-*, fault: slow, latency_ms: 60000}\n")
    file = tmp_path / "recorded.jsonl"
    command = [sys.executable, "-m", "orchestrator", "bench", "--live", prompts, *LIVE, "--write", str(file)]
    running = subprocess.Popen(command, env={**os.environ, "ORCH_SCENARIO": str(scenario)}, stderr=subprocess.PIPE)
    wait_for_answers(user_files, "claude-haiku-5-5", 2)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130, said
    assert b"answers added to" in said
    assert {name for line in file.read_text().splitlines() for name in json.loads(line)["outcomes"]} == {
        "claude-haiku-5-5"
    }


# -- asked live ------------------------------------------------------------------------------------------------------


def benched_live(orch: Orch, tmp_path: Path, *argv: str) -> Any:
    prompts, write = tmp_path / "prompts.jsonl", tmp_path / "answers.jsonl"
    prompts.write_text('{"prompt": "What is 2 + 2?", "expected": 4}\n')
    asked = (
        "bench",
        "--live",
        str(prompts),
        "--simulate",
        "--write",
        str(write),
        "--output",
        "json",
        "--resamples",
        "0",
    )
    done = orch(*asked, *argv)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["sets"][0]


@pytest.mark.parametrize("models", ["claude-haiku-5-5,claude-opus-5-5", "claude-opus-5-5,claude-haiku-5-5"])
def test_of_models_with_the_same_score_the_dearer_is_the_strong_one(orch: Orch, tmp_path: Path, models: str) -> None:
    found = benched_live(orch, tmp_path, "--models", models)
    assert (found["weak"], found["strong"]) == ("claude-haiku-5-5", "claude-opus-5-5")


def test_every_strategy_and_task_table_can_be_benched_live(orch: Orch, tmp_path: Path) -> None:
    ways = ["tiers", "select", "matrix", "tasks", "capability", "cost", "round-robin", "debate"]
    found = benched_live(orch, tmp_path, "--models", "haiku,opus", "-s", ",".join(["cheapest", *ways]))
    rows = {row["name"]: row for row in found["strategies"]}
    assert set(ways) <= rows.keys()
    assert found["needs_live"] == []


def test_a_judge_grades_what_a_strategy_decided_on(orch: Orch, tmp_path: Path) -> None:
    prompts, write = tmp_path / "open.jsonl", tmp_path / "judged.jsonl"
    prompts.write_text('{"prompt": "Design a cache"}\n{"prompt": "Write a poem"}\n')
    asked = ("bench", "--live", str(prompts), "--simulate", "--models", "haiku,opus", "--judge", "gpt-6-luna")
    done = orch(*asked, "--write", str(write), "-s", "tiers,matrix")
    assert done.returncode == 0, done.stderr
    for line in write.read_text().splitlines():
        assert json.loads(line)["plans"].keys() == {"tiers", "matrix"}
    turns = orch(*asked, "--write", str(write), "-s", "round-robin")
    assert (turns.returncode, b"takes turns" in turns.stderr) == (2, True)


def test_without_live_a_strategy_that_cannot_be_replayed_is_said_to_need_it(orch: Orch, tmp_path: Path) -> None:
    benched_live(orch, tmp_path, "--models", "haiku,opus")
    done = orch("bench", str(tmp_path / "answers.jsonl"), "-s", "cheapest,tiers", "--output", "json")
    assert json.loads(done.stdout)["sets"][0]["needs_live"] == ["tiers"]
