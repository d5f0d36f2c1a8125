import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis import ComplexityAnalyzer, Task
from orchestrator.types import Level

BASIC, INTERMEDIATE, ADVANCED, EXPERT = Level
analyze = ComplexityAnalyzer().analyze

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)

LEVELS = [
    # The reference's own examples
    ("What is the capital of France?", BASIC),
    ("What is 2+2?", BASIC),
    ("Explain quantum entanglement", INTERMEDIATE),
    ("Explain neural networks", INTERMEDIATE),
    ("Should I use REST or GraphQL?", ADVANCED),
    ("Should I use microservices or monolith?", ADVANCED),
    ("Design a distributed system", ADVANCED),
    ("Design a scalable system", ADVANCED),
    ("Evaluate this architecture", ADVANCED),
    # Each of the reference's indicators
    ("Research the market for heat pumps", EXPERT),
    ("Analyze deeply the causes of the war", EXPERT),
    ("Write a comprehensive report", EXPERT),
    ("Compare multiple databases", EXPERT),
    ("Prove that sqrt(2) is irrational", EXPERT),
    ("Derive the lens equation", EXPERT),
    ("Formalize the argument", EXPERT),
    ("Explain why the sky is blue", ADVANCED),
    ("Implement a cache", ADVANCED),
    ("Debug this function", ADVANCED),
    ("Compare TCP and UDP", ADVANCED),
    ("Optimize the query", ADVANCED),
    ("Write code to sort a list", INTERMEDIATE),
    ("Summarize the article", INTERMEDIATE),
    ("Calculate 15% of 80", INTERMEDIATE),
    ("List three causes of the war", INTERMEDIATE),
    ("Identify the author", INTERMEDIATE),
    ("Solve x + 3 = 5", INTERMEDIATE),
    ("Create a marketing plan", INTERMEDIATE),
    ("Define entropy", BASIC),
    ("Format this as a table", BASIC),
    ("A simple thing", BASIC),
    ("basic facts on bees", BASIC),
    ("Quick question", BASIC),
    # Inflections and British spelling
    ("Analyse the system in great depth", EXPERT),
    ("A thorough analysis of the system", EXPERT),
    ("Formalising the argument", EXPERT),
    ("Help me with proving the lemma", EXPERT),
    ("Comparing several frameworks", EXPERT),
    ("Optimise the query", ADVANCED),
    ("Summarise the article", INTERMEDIATE),
    # Case, line breaks, curly apostrophes
    ("PROVE IT", EXPERT),
    ("Please explain\nwhy the sky is blue", ADVANCED),
    ("Don’t compare anything, just list the names", INTERMEDIATE),
    # Whole words only
    ("The redesigned, listless prover", BASIC),
    ("The system was designed and compared", BASIC),
    ("A counter-design", BASIC),
    ("What is a linked list?", BASIC),
    ("What is a design pattern?", BASIC),
    ("Turn on debug mode", BASIC),
    ("Show me a proof of concept", BASIC),
    ("What is in this research paper?", BASIC),
    # Words that only modify
    ("What is the best way to prove that P != NP?", EXPERT),
    ("Quick: prove it. What is the simple idea?", EXPERT),
    ("A quick, simple, basic design. What is it?", ADVANCED),
    ("A quick, simple summary for beginners. What is it?", INTERMEDIATE),
    # Code and quotations are talked about, not said
    ("Translate 'design a distributed system' into French", INTERMEDIATE),
    ('What is meant by "prove and derive"?', BASIC),
    ("What is “a comprehensive proof”?", BASIC),
    ("What is `optimize`?", INTERMEDIATE),
    ("What is this?\n```\n# TODO: prove, derive, design\n```", INTERMEDIATE),
    ("What is this?\n```\n# prove, derive, design", INTERMEDIATE),
    ("> Prove and derive it.\nWhat is he saying?", BASIC),
    ("What is this?\n2026-01-02 03:04:05 DEBUG design optimize\nERROR prove", INTERMEDIATE),
    ('"Design a distributed system"', ADVANCED),
    # Nothing to go by
    ("", BASIC),
    ("hello", BASIC),
    ("\x00\x00", BASIC),
    ("\ud800", BASIC),
    ("你好", BASIC),
]


@pytest.mark.parametrize(("prompt", "level"), LEVELS, ids=[prompt[:40] or "empty" for prompt, _ in LEVELS])
def test_a_prompt_has_the_level_of_its_strongest_indicator(prompt: str, level: Level) -> None:
    assert analyze(prompt).level is level


@pytest.mark.parametrize("prompt", [prompt for prompt, _ in LEVELS], ids=range(len(LEVELS)))
def test_the_features_add_up_to_the_score(prompt: str) -> None:
    analysis = analyze(prompt)
    assert analysis.score == pytest.approx(1 / (1 + math.exp(-sum(analysis.features.values()))))


def test_the_features_name_what_counted() -> None:
    features = analyze("What is the proof? Compare it.").features
    assert set(features) == {"baseline", "expert: prove", "advanced: compare", "basic: what is"}
    assert features["expert: prove"] > features["advanced: compare"] > 0 > features["basic: what is"]


@pytest.mark.parametrize(
    ("low", "high"),
    [(BASIC, INTERMEDIATE), (INTERMEDIATE, ADVANCED), (ADVANCED, EXPERT)],
    ids=lambda level: str(level),
)
def test_scores_rise_with_the_level(low: Level, high: Level) -> None:
    scores = {level: [analyze(prompt).score for prompt, of in LEVELS if of is level] for level in (low, high)}
    assert max(scores[low]) < min(scores[high])


@pytest.mark.parametrize(
    "more",
    [
        "Summarize the article. " + "It is about the sea and the wind. " * 40,
        "Summarize the article.\n1. the sea\n2. the wind\n3. the sand",
        "Summarize the article. Is it true? Is it good? Is it long?",
        "Summarize the article and list its sources. Identify the author.",
        "Summarize the article.\n```\nx = 1\n```",
    ],
    ids=["length", "numbered parts", "questions", "further indicators", "code"],
)
def test_length_parts_and_further_orders_raise_the_score(more: str) -> None:
    assert analyze(more).score > analyze("Summarize the article.").score


def test_many_orders_of_one_level_stay_in_it() -> None:
    assert analyze("Summarize, translate, calculate, solve, explain and identify it. List it.").level is INTERMEDIATE


def test_orders_at_either_end_of_a_very_long_prompt_count() -> None:
    filler = "The sea is wide and blue. " * 200_000
    assert analyze("Prove it.\n" + filler).level is EXPERT
    assert analyze(filler + "\nProve it.").level is EXPERT
    assert analyze(filler).level is not EXPERT


def test_the_end_of_a_long_code_block_is_still_code() -> None:
    assert analyze("What is this?\n```\n" + "x = 1  # filler\n" * 5_000 + "# prove\n```").level is INTERMEDIATE


@pytest.mark.parametrize(
    "text",
    ["`" * 5_000_000, '"a ' * 1_500_000, " 'a" * 1_500_000, "\n" * 5_000_000, "why " * 1_200_000, "\x00" * 5_000_000]
    + ["`" * n + "a" for n in (1, 2, 3, 4, 7)]
    + ["".join("`" * n + " " for n in range(3, 170)), "“" * 20_000, "which is " * 2_000],
    ids=["ticks", "quotes", "apostrophes", "lines", "words", "nul"]
    + [f"{n} ticks" for n in (1, 2, 3, 4, 7)]
    + ["ever longer fences", "open quotations", "half a pattern"],
)
def test_hostile_prompts_are_analysed_to_the_end(text: str) -> None:
    assert 0 <= analyze(text).score <= 1


@given(ANY_TEXT)
def test_any_text_has_a_score_a_level_a_task_and_tokens(text: str) -> None:
    analysis = analyze(text)
    assert 0 <= analysis.score <= 1
    assert analysis.level in Level
    assert analysis.task in list(Task)
    assert analysis.input_tokens >= (1 if text else 0)
    assert analysis.output_tokens >= 1


@given(ANY_TEXT)
def test_analysis_is_deterministic(text: str) -> None:
    assert analyze(text) == analyze(text)


@given(st.sampled_from(LEVELS), st.sampled_from(["", " ", "\n\n", "\t"]))
def test_white_space_around_a_prompt_changes_nothing(case: tuple[str, Level], space: str) -> None:
    prompt, level = case
    assert analyze(space + prompt + space).level is level
