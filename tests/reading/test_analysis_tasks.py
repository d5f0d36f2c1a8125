import pytest

from orchestrator.reading.complexity import ComplexityAnalyzer

analyze = ComplexityAnalyzer().analyze

TASKS = [
    ("What is 2+2?", "math"),
    ("What is 10/4?", "math"),
    ("Calculate 15% of 80", "math"),
    ("Prove that there are infinitely many primes", "math"),
    ("What is the derivative of x^2?", "math"),
    ("Write a Python function that translates text", "code"),
    ("Translate this function from Python to Rust", "code"),
    ("Implement a cache", "code"),
    ("Write a SQL query", "code"),
    ("```\nx = 1\n```", "code"),
    ("Debug this function", "debugging"),
    ("Why did this fail?", "debugging"),
    ("My tests fail since yesterday", "debugging"),
    ("Fix the bug in my code", "debugging"),
    ("ERROR connection refused\nERROR giving up", "debugging"),
    ("Research the history of the transistor", "research"),
    ("Design a distributed system", "planning"),
    ("Plan a trip to Rome", "planning"),
    ("Write an email to my boss", "writing"),
    ("Write me a poem about a Python function", "writing"),
    ("Rephrase this sentence", "writing"),
    ("Extract all dates from the text", "extraction"),
    ("List all names in this article", "extraction"),
    ("Translate 'write a poem' into French", "translation"),
    ("Summarize this research paper", "summary"),
    ("TL;DR of the article", "summary"),
    ("Classify the sentiment of this review", "classification"),
    ("Should I use REST or GraphQL?", "analysis"),
    ("Compare TCP and UDP", "analysis"),
    ("Analyze this log file", "analysis"),
    ("Which framework is better for me?", "analysis"),
    ("Explain quantum entanglement", "explanation"),
    ("How does a heat pump work?", "explanation"),
    ("Why is the sky blue?", "explanation"),
    ("What is the capital of France?", "question"),
    ("Who wrote Hamlet?", "question"),
    ("Is 7 prime?", "question"),
    ("What happened on 2026-01-02?", "question"),
    ("hello", "chat"),
    ("", "chat"),
]


@pytest.mark.parametrize(("prompt", "task"), TASKS, ids=[prompt[:40] or "empty" for prompt, _ in TASKS])
def test_a_prompt_is_of_the_task_that_it_names_first_and_most_strongly(prompt: str, task: str) -> None:
    assert analyze(prompt).task == task


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [
        ("What is 2+2?", "Prove that there are infinitely many primes"),
        ("What is the capital of France?", "What is the history of France?"),
        ("Who wrote Hamlet?", "Explain why Hamlet hesitates"),
        ("Write a 100-word essay on bees", "Write a 1,000-word essay on bees"),
        ("Explain bees in one sentence", "Explain bees"),
        ("Translate this: the sea", "Translate this: " + "the sea is wide. " * 50),
        ("Classify this review", "Evaluate this review"),
        ("Design a small system", "Research and comprehensively compare multiple designs"),
    ],
    ids=["sum and proof", "fact and history", "name and reasons", "words", "sentence", "input", "label", "level"],
)
def test_the_answer_expected_is_as_long_as_what_is_asked_for(shorter: str, longer: str) -> None:
    assert analyze(shorter).output_tokens < analyze(longer).output_tokens


def test_a_length_asked_for_is_the_length_expected() -> None:
    assert analyze("Write a 300-word essay on bees").output_tokens == 400


def test_the_length_of_what_is_given_is_not_the_length_asked_for() -> None:
    given = analyze("Summarize this 9,000-word report")
    assert given.output_tokens == analyze("Summarize this report").output_tokens


def test_the_answer_to_a_very_long_prompt_is_expected_to_be_bounded() -> None:
    assert analyze("Translate this. " + "the sea is wide. " * 100_000).output_tokens <= 8_000
