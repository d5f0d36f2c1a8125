"""Damaged copies of the shipped files: each one loads or is refused with file and line, whatever was done to it.

`ORCH_TEST_MUTATIONS` sets how many are tried (300), for longer runs.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.registry.loading import load_registry, read_models, shipped

TRIES = int(os.environ.get("ORCH_TEST_MUTATIONS", "300"))
BATCHES = 10
HOSTILE = [
    *(".nan", "-.inf", "-1", "0", "1e400", "1e-400", "9" * 5000, "0x10", "010", "1_000", "true", "null", "~", ""),
    *("2026-02-30", "99:99-00:00", "01:00-01:00", "unpriced", "retired", "claude-opus-5-5", "a,b", "\ud7ff"),
    *(
        "agreement",
        "synthesise",
        "expert",
        "critic",
        "tasks",
        "$promt",
        "$steps.x",
        "$answer $answers $$",
        "1.5",
        "0.8",
    ),
    *("{call: {}}", "{call: {role: critic}}", "[gpt-4o, gpt-4]", "{cascade: [gpt-4o]}", "{loop: {body: gpt-4o}}"),
    *("[]", "{}", "[[[[", "}}}}", "[" * 30, "{a: " * 30, "&a", "*a", "!!str x", "<<", "---"),
    *("'", '"', "|", ">", "%", "@", "\t", "\0"),
]

VALUE = re.compile(rb"(?<=: )[^\n,}\]]+")

Mutation = Callable[[bytes, random.Random], bytes]


def delete_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def duplicate_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return b"".join(lines)


def indent_line(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    lines[at] = rng.choice([b" " * rng.randrange(1, 8) + lines[at], lines[at].lstrip(b" "), lines[at][1:]])
    return b"".join(lines)


def rename_key(data: bytes, rng: random.Random) -> bytes:
    keys = list(re.finditer(rb"[\w.-]+(?=:)", data))
    if not keys:
        return data
    key = rng.choice(keys)
    at = rng.randrange(*key.span())
    return data[:at] + rng.choice([b"", b"x", b" ", b"\xc3\xa9", data[at : at + 1] * 2]) + data[at + 1 :]


def replace_value(data: bytes, rng: random.Random) -> bytes:
    values = list(VALUE.finditer(data))
    if not values:
        return data
    value = rng.choice(values)
    return data[: value.start()] + rng.choice(HOSTILE).encode() + data[value.end() :]


def swap_values(data: bytes, rng: random.Random) -> bytes:
    values = list(VALUE.finditer(data))
    if len(values) < 2:
        return data
    first, last = sorted(rng.sample(values, 2), key=lambda found: found.start())
    between = data[first.end() : last.start()]
    return data[: first.start()] + last[0] + between + first[0] + data[last.end() :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def random_bytes(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at + rng.randrange(9) :]


def punctuate(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return (
        data[:at]
        + rng.choice([b"{", b"}", b"[", b"]", b":", b",", b"&", b"*", b"!", b"'", b'"', b"#", b"-", b"\r"])
        + data[at:]
    )


MUTATIONS: tuple[Mutation, ...] = (
    delete_line, duplicate_line, indent_line, rename_key, replace_value, swap_values, truncate, random_bytes, punctuate,
)  # fmt: skip


def a_few_models(rng: random.Random) -> bytes:
    """models.yaml with five of its models, so that a mutation of it is likely to hit what matters."""
    head, *models = re.split(rb"(?m)^(?=  \S+:$)", shipped("models.yaml").read_bytes())
    return head + b"".join(rng.sample(models, 5))


def a_few_chains(rng: random.Random) -> bytes:
    """chains.yaml with three of its entries, its roles and its tiers."""
    head, *entries = re.split(rb"(?m)^(?=[\w-]+:)", shipped("chains.yaml").read_bytes())
    kept = [entry for entry in entries if entry.startswith((b"roles:", b"tiers:"))]
    return head + b"".join([*rng.sample([entry for entry in entries if entry not in kept], 3), *kept])


def read_chains(path: Path) -> None:
    load_registry(models_file=None, chains_file=path, config_dir=path.parent / "no-such-directory")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_damaged_file_loads_or_is_refused_with_its_name_and_a_line(batch: int, tmp_path: Path) -> None:
    refused = 0
    for attempt in range(TRIES // BATCHES):
        rng = random.Random(f"{batch}/{attempt}")
        chains = attempt % 2 == 0
        data = a_few_chains(rng) if chains else a_few_models(rng)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            data = rng.choice(MUTATIONS)(data, rng) or b"#"
        path = tmp_path / "damaged.yaml"
        path.write_bytes(data)
        message = refusal(read_chains if chains else read_models, path)
        refused += message is not None
        assert message is None or re.match(re.escape(str(path)) + r":[1-9][0-9]*: \S", message), message
    assert refused >= TRIES // BATCHES // 4  # or the mutations do too little to test anything


def refusal(read: Callable[[Path], object], path: Path) -> str | None:
    try:
        read(path)
    except ConfigError as error:
        return error.message
    return None
