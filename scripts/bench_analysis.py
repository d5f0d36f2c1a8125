"""How long it takes to analyse a prompt of 2,000 characters, and to read the weights.

    python scripts/bench_analysis.py

Times are the best and the median of many rounds, in milliseconds of CPU time of this process: what else runs on the
machine makes only caches colder.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

from orchestrator.reading.answer import answer_form
from orchestrator.reading.complexity import ComplexityAnalyzer
from orchestrator.reading.features import read_features
from orchestrator.reading.fitted import load_weights
from orchestrator.reading.prose import read_prose
from orchestrator.reading.tasks import classify
from orchestrator.reading.tokens import estimate_tokens
from orchestrator.types import Task

LENGTH, ROUNDS = 2_000, 200
PROMPTS = {
    "prose": "When the tide went out, the children walked along the beach and looked for shells. Why did they do so? ",
    "orders": "Compare the plans, design a better one, explain why it fails, and prove that it is optimal. ",
    "problem": "Ann buys 12 apples for $1.50 each, sells a third at twice the price, and has 8 left. How many? ",
    "options": "Which of these is not a law?\nA. 12 of them\nB. the second\nC. f(x) = x^2\nD. none of the above\n",
    "code": "def mean(values):\n    total = sum(values)  # why is this slow?\n    return total / len(values)\n\n",
    "Chinese": "请解释为什么天空是蓝色的，并比较三种不同的理论。",
}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """The best and the median time of many rounds, in milliseconds."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        rounds.append(1_000 * (time.process_time() - started))
    return min(rounds), statistics.median(rounds)


def main() -> None:
    analyze = ComplexityAnalyzer().analyze
    started = time.process_time()
    load_weights()
    print(f"reading the weights: {1_000 * (time.process_time() - started):.1f} ms, once")
    print(f"{'':10}   best  median   of which prose, tokens, task, form, features, weights (best)")
    for name, text in PROMPTS.items():
        prompt = (text * LENGTH)[:LENGTH]
        prose = read_prose(prompt, lenient=True)
        task = classify(prose)
        features = read_features(prompt, prose, task)
        parts: list[Callable[[], object]] = [
            partial(read_prose, prompt, lenient=True),
            partial(estimate_tokens, prompt),
            partial(classify, prose),
            partial(answer_form, prose, Task.QUESTION),
            partial(read_features, prompt, prose, task),
            partial(load_weights()[features.family].credits, features.values),
        ]
        best, median = timed(partial(analyze, prompt))
        print(f"{name:10} {best:6.2f}  {median:6.2f}   {'  '.join(f'{timed(part)[0]:.2f}' for part in parts)}")


if __name__ == "__main__":
    main()
