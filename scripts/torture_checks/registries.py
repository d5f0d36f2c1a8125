"""Damaged copies of the shipped models and chains: each loads, or is refused by an error that names file and line."""

from __future__ import annotations

import importlib.util
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

from orchestrator.registry.loading import read_models, shipped

from .check import Check, Findings, Size, Trial

_MUTATIONS = Path(__file__).resolve().parents[2] / "tests" / "registry" / "test_registry_mutations.py"
_LONGEST_S = 1.0
_BATCH = 50
_WHOLE_EVERY = 25  # the whole of models.yaml, which takes longer to read, instead of five of its models
_CHAINS_EVERY = 2


@cache
def _mutations() -> ModuleType:
    """The ways to damage a file are those of the tests, which try fewer of them."""
    spec = importlib.util.spec_from_file_location("registry_mutations", _MUTATIONS)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"there is no {_MUTATIONS}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(trial: Trial) -> Findings:
    findings = Findings()
    starts = range(0, trial.size.count, _BATCH)
    seeds = [trial.rng.random() for _ in starts]
    counts = [min(_BATCH, trial.size.count - at) for at in starts]
    with ProcessPoolExecutor(trial.size.processes, mp_context=get_context("forkserver")) as pool:
        batches = list(pool.map(_batch, seeds, counts, repeat(trial.folder), repeat(_LONGEST_S * trial.patience)))
    refused = sum(batch[0] for batch in batches)
    findings.figure(f"{refused:,} refused, the longest in {max(batch[1] for batch in batches):.2f} s")
    findings.expect_none([problem for batch in batches for problem in batch[2]], "not as promised")
    findings.expect(refused >= trial.size.count // 4, f"only {refused} were refused: too little was damaged")
    return findings


def _batch(seed: float, count: int, folder: Path, longest_s: float) -> tuple[int, float, list[str]]:
    """How many were refused, the most seconds that one took, and what went wrong."""
    refused, longest, problems = 0, 0.0, []
    path = folder / f"damaged-{seed}.yaml"
    for data, chains in _damaged(random.Random(seed), count):
        path.write_bytes(data)
        began = time.process_time()
        try:
            message = _mutations().refusal(_mutations().read_chains if chains else read_models, path)
        except Exception as error:  # noqa: BLE001  # anything but a refusal is what is looked for
            message, problem = None, f"{type(error).__name__}: {error}"
            problems.append(f"{problem}: {_kept(data, folder)}")
        took_s = time.process_time() - began
        refused, longest = refused + (message is not None), max(longest, took_s)
        if message is not None and not re.match(rf"{re.escape(str(path))}:[1-9][0-9]*: \S", message):
            problems.append(f"no file and line in {message!r}: {_kept(data, folder)}")
        if took_s > longest_s:
            problems.append(f"it took {took_s:.1f} s: {_kept(data, folder)}")
    return refused, longest, problems


def _damaged(rng: random.Random, count: int) -> Iterator[tuple[bytes, bool]]:
    """Damaged files, and whether each is one of chains."""
    for number in range(count):
        chains = number % _CHAINS_EVERY == 0
        if chains:
            whole = number % _WHOLE_EVERY == 0
            data = shipped("chains.yaml").read_bytes() if whole else _mutations().a_few_chains(rng)
        elif number % _WHOLE_EVERY == 1:
            data = shipped("models.yaml").read_bytes()
        else:
            data = _mutations().a_few_models(rng)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            data = rng.choice(_mutations().MUTATIONS)(data, rng) or b"#"
        yield data, chains


def _kept(data: bytes, folder: Path) -> Path:
    path = folder / f"kept-{len(list(folder.glob('kept-*')))}.yaml"
    path.write_bytes(data)
    return path


CHECK = Check(
    name="registries",
    promise="a damaged registry loads or is refused within 1 s, with file and line, and no traceback",
    counts="damaged files",
    small=Size(300),
    full=Size(20_000),
    run=_run,
)
