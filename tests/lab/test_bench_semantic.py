"""What `orch bench --semantic-cache` says of pairs of prompts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Orch = Callable[..., subprocess.CompletedProcess[bytes]]
PAIRS = [
    ("How do rainbows form?", "Explain how rainbows form.", True, 0.92),
    ("How do rainbows form?", "What makes a rainbow?", True, 0.88),
    ("How do rainbows form?", "Why do rainbows form?", False, 0.95),
    ("Is it safe?", "Is it unsafe?", False, 0.98),
    ("Is it safe?", "Tell me whether it is safe", False, 0.81),  # which is a mistake of whoever made the pairs
]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_hits_false_hits_and_missed_paraphrases_are_counted_by_threshold(orch: Orch, tmp_path: Path) -> None:
    pairs = written(tmp_path, *(json.dumps(dict(zip(("a", "b", "same", "similarity"), p, strict=True))) for p in PAIRS))
    done = orch("bench", "--semantic-cache", str(pairs), "-o", "json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    at = {row["threshold"]: row for row in found["thresholds"]}
    assert (at[0.7]["hits"]["count"], at[0.7]["false_hits"]["count"]) == (1, 1)
    assert (at[0.9]["hits"]["count"], at[0.9]["false_hits"]["count"]) == (1, 0)
    assert at[0.7]["false_hits_by_similarity_alone"]["count"] == 3
    assert at[0.9]["false_hits"]["low"] == 0
    assert at[0.9]["false_hits"]["high"] > 0.3  # three pairs say little
    assert found["advised_threshold"] == 0.92
    assert found["missed"] == {"what is asked for": 1}
    assert found["missed_pairs"][0]["b"] == "What makes a rainbow?"
    told = orch("bench", "--semantic-cache", str(pairs)).stdout.decode()
    assert "2 pairs that ask the same, 3 that do not; similarity: as given in the pairs" in told
    assert "Advised threshold: 0.92." in told


def test_pairs_without_a_similarity_are_embedded_on_this_machine(orch: Orch, tmp_path: Path) -> None:
    pairs = written(tmp_path, json.dumps({"a": PAIRS[0][0], "b": PAIRS[0][1], "same": True}))
    found = json.loads(orch("bench", "--semantic-cache", str(pairs), "-o", "json").stdout)
    assert found["embedding"] == "use-multilingual-3"
    assert found["advised_threshold"] > 0.8


def test_a_providers_embeddings_are_a_run_of_priced_calls_within_its_cap(orch: Orch, tmp_path: Path) -> None:
    pairs = written(tmp_path, *(json.dumps({"a": a, "b": b, "same": same}) for a, b, same, _ in PAIRS))
    argv = ("bench", "--semantic-cache", str(pairs), "--embedding", "text-embedding-3-small")
    unbounded = orch(*argv)
    assert (unbounded.returncode, b"say how much at most with --max-cost" in unbounded.stderr) == (2, True)
    found = json.loads(orch(*argv, "--simulate", "-o", "json").stdout)
    assert (found["embedding"], found["thresholds"][0]["hits"]["of"]) == ("openai/text-embedding-3-small", 2)
    run = json.loads(orch("show", "last", "--simulate", "-o", "json").stdout)
    assert (run["run_id"], run["status"], run["category"]) == (found["run_id"], "complete", "bench")
    assert {call["role"] for call in run["calls"]} == {"embedding"}
    assert len(run["calls"]) == len({text for a, b, *_ in PAIRS for text in (a, b)})  # each prompt once
    assert run["cost_nanousd"] == found["cost_nanousd"] == sum(call["input_tokens"] * 20 for call in run["calls"])
    refused = orch(*argv, "--simulate", "--max-cost", "0.00000001")
    assert (refused.returncode, b"could cost" in refused.stderr) == (5, True)
    run = json.loads(orch("show", "last", "--simulate", "-o", "json").stdout)
    assert (run["status"], run["error"]["code"], run["calls"]) == ("failed", "budget", [])


@pytest.mark.parametrize(
    ("line", "more", "message"),
    [
        pytest.param('{"a": "x", "b": "y"}', (), b"line 1: expected two texts", id="no same"),
        pytest.param('{"a": "x", "b": "y", "same": true, "similarity": 2}', (), b"from -1 to 1", id="similarity"),
        pytest.param("", (), b"nothing in it", id="empty"),
        pytest.param("{}", ("--weak", "gpt-6-luna"), b"makes no use of --weak", id="another bench"),
    ],
)
def test_what_cannot_be_read_is_said(
    orch: Orch, tmp_path: Path, line: str, more: tuple[str, ...], message: bytes
) -> None:
    done = orch("bench", "--semantic-cache", str(written(tmp_path, line)), *more)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
