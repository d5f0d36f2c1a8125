import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.reading.complexity import ComplexityAnalyzer
from orchestrator.types import Level, Task

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
    ("Write code", INTERMEDIATE),
    ("Write code to sort a list", INTERMEDIATE),
    ("Write a function", INTERMEDIATE),
    ("Write a Python function that reverses a string", INTERMEDIATE),
    ("Write unit tests for add()", INTERMEDIATE),
    ("Solve", INTERMEDIATE),
    ("Solve this equation: x^2 - 5x + 6 = 0", INTERMEDIATE),
    ("Identify the bug in this code", INTERMEDIATE),
    ("Identify three risks of this plan", INTERMEDIATE),
    ("Format", BASIC),
    ("Format this code", BASIC),
    ('Format this JSON: {"a": 1}', BASIC),
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
    # Words that only modify: many of them lower a prompt by a level
    ("What is the best way to prove that P != NP?", EXPERT),
    ("Quick: prove it. What is the simple idea?", EXPERT),
    ("A quick, simple, basic design. What is it?", INTERMEDIATE),
    ("A quick, simple summary for beginners. What is it?", BASIC),
    # Code and quotations are talked about, not said; code and logs are harder than prose
    ("Translate 'design a distributed system' into French", BASIC),
    ('What is meant by "prove and derive"?', BASIC),
    ("What is “a comprehensive proof”?", BASIC),
    ("What is this?\n```\n# TODO: prove, derive, design\n```", ADVANCED),
    ("What is this?\n```\n# prove, derive, design", ADVANCED),
    ("> Prove and derive it.\nWhat is he saying?", BASIC),
    ("What is this?\n2026-01-02 03:04:05 DEBUG design optimize\nERROR prove", ADVANCED),
    ('"Design a distributed system"', ADVANCED),
    # Nothing to go by
    ("", BASIC),
    ("hello", BASIC),
    ("\x00\x00", BASIC),
    ("\ud800", BASIC),
    ("你好", BASIC),
]


@pytest.mark.parametrize(("prompt", "level"), LEVELS, ids=[prompt[:40] or "empty" for prompt, _ in LEVELS])
def test_a_prompt_has_the_level_that_its_words_ask_for(prompt: str, level: Level) -> None:
    assert analyze(prompt).level is level


@pytest.mark.parametrize("prompt", [prompt for prompt, _ in LEVELS], ids=range(len(LEVELS)))
def test_the_features_add_up_to_the_score(prompt: str) -> None:
    analysis = analyze(prompt)
    assert analysis.score == pytest.approx(1 / (1 + math.exp(-sum(analysis.features.values()))))


def test_an_order_inside_code_is_none() -> None:
    assert not any("optimi" in feature for feature in analyze("What is `optimize`?").features)


def test_the_features_name_what_counted_in_words() -> None:
    features = analyze("What is the proof? Compare it.").features
    assert {"baseline", "expert: prove", "advanced: compare", "basic: what is"} <= set(features)
    assert features["expert: prove"] > features["advanced: compare"] > 0 > features["basic: what is"]


@pytest.mark.parametrize(
    ("prompt", "row"),
    [
        ("Tom is older than Ann, and Ann is older than Bob. Who is the youngest?", "a puzzle"),
        ("Simplify $\\sqrt{x} \\cdot \\sqrt{y}$ for me", "formal notation"),
        ("Fix this:\n```\nx = 1\n```", "code"),
        ("Pretend to be a pirate and greet me.", "role play"),
        (
            "Which court heard it?\nA. The jury\nB. The Supreme Court\nC. None of the above",
            "multiple choice, 3 options",
        ),
        (
            "Light enters glass. Which of these stays the same?\nA. its speed\nB. its frequency\nC. its wavelength",
            "about physics",
        ),
        ("A shop sells 120 pens at $1.50, 45 at $2 and 30 at $3.25. How much is that, if 10 go back?", "7 numbers"),
    ],
    ids=["puzzle", "notation", "code", "role play", "options", "subject", "numbers"],
)
def test_what_a_prompt_has_is_a_row_of_its_own(prompt: str, row: str) -> None:
    assert row in analyze(prompt).features


def test_only_what_is_there_is_named() -> None:
    assert set(analyze("Define entropy").features) <= {"baseline", "basic: define", "2 words", "everything else"}


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
        "Summarize the article and return its dates and names as JSON.",
        "Summarize the article.\n```\nx = 1\n```",
        "Summarize the article, if it has 3 parts or more, and calculate how many words each of them has.",
        "Summarize the article, compare its sources and evaluate them.",
    ],
    ids=["format", "code", "conditions and sums", "further orders"],
)
def test_what_weak_models_find_hard_raises_the_score(more: str) -> None:
    assert analyze(more).score > analyze("Summarize the article.").score


# Prompts made up for this test, of the kinds that chat assistants are asked. Small models fall short of large ones in
# the first four kinds, and hardly in the others.
CONVERSATION = {
    "writing": [
        "Write a short travel diary entry about a rainy weekend in Lisbon, mentioning two cafés and a tram ride.",
        "Draft a polite email to my landlord asking for the broken heating to be repaired before Friday.",
        "Compose a cheerful poem about learning to ride a bicycle as an adult.",
        "Write a product description for a handmade ceramic mug that appeals to tea lovers.",
        (
            "Help me rewrite this paragraph so that it sounds more formal: we kinda messed up the order and "
            "feel bad about it."
        ),
        "Write the opening paragraph of a mystery novel set on a night train through the Alps.",
        "Please write a farewell speech for a colleague who is retiring after thirty years at the library.",
        "Create a catchy headline and a short introduction for a blog post on urban gardening.",
        "Write a letter of recommendation for a student applying to a music conservatory.",
    ],
    "role play": [
        (
            "Pretend you are a grumpy medieval blacksmith and a customer asks you for a sword by tomorrow. "
            "How do you answer?"
        ),
        "You are a friendly tour guide in Kyoto. Tell me what we will see this afternoon.",
        "Act as a job interviewer for a café and ask me your first question.",
        "Imagine you are the last tree in a city park. Describe your day in the first person.",
        "I want you to act as a stand-up comedian and joke about airports.",
        "Take on the role of a detective from the 1940s and explain how you found the missing necklace.",
        "Pretend to be an alien who visits a supermarket for the first time and tell your home planet about it.",
        "You are now a strict but kind piano teacher. I tell you I did not practise this week. What do you say?",
        "Play the role of a ship's captain who addresses the crew before a storm.",
    ],
    "reasoning": [
        ("Tom is taller than Anna, Anna is taller than Ben, and Carla is shorter than Ben. Who is the second tallest?"),
        (
            "A farmer has a fox, a goose and a bag of grain and must cross a river with a boat that holds "
            "only one of them. How can he do it?"
        ),
        (
            "If all of my socks in the drawer are either black or white and I pull out three in the dark, "
            "can I be sure to have a pair? Why?"
        ),
        (
            "Four people sit around a table. Alice sits to the left of Bob, and Carol sits opposite Alice. "
            "Where does Dan sit?"
        ),
        (
            "My brother has twice as many sisters as brothers, and I am his sister. How many children could "
            "there be in our family?"
        ),
        "A clock shows 3:15. What is the angle between the hands, and why is it not zero?",
        (
            "Three boxes are labelled apples, oranges and mixed, and every label is wrong. You may take one "
            "fruit from one box. How do you find out what is in each?"
        ),
        "Yesterday was two days before Friday. What day is it tomorrow?",
        (
            "If it takes five machines five minutes to make five toys, how long do a hundred machines need "
            "for a hundred toys?"
        ),
    ],
    "math": [
        "A rectangle is 3 cm longer than it is wide and has an area of 70 square cm. What is its perimeter?",
        "Find the derivative of f(x) = x^3 * ln(x) and evaluate it at x = 2.",
        "What is the probability of drawing two red cards in a row from a standard deck without replacement?",
        "Solve the system of equations 2x + 3y = 12 and x - y = 1.",
        "How many positive integers below 1000 are divisible by neither 2 nor 5?",
        "A shop lowers a price by 20% and then raises it by 25%. By how much did the price change in total?",
        "Compute the sum of the first 40 odd numbers and show how you got it.",
        "If f(n) = 3f(n-1) - 2 and f(0) = 2, what is f(6)?",
        "Prove that the product of three consecutive integers is divisible by 6.",
    ],
    "coding": [
        "Write a Python function that returns the longest palindromic substring of a given string.",
        "Implement a queue with two stacks in Java and state the complexity of each operation.",
        "My recursive function in C overflows the stack for large inputs. How can I rewrite it as a loop?",
        "Write an SQL query that lists the three customers with the highest total orders for every month.",
        "Create a regular expression that matches valid IPv4 addresses, and explain each part.",
        "Write a program in C++ that finds the k-th smallest element of two sorted arrays.",
        "Given a list of intervals, merge all that overlap. Give an efficient solution in JavaScript.",
        (
            "What is wrong with this code?\n\ndef mean(xs):\n    total = 0\n    for x in xs:\n        total =+ "
            "x\n    return total / len(xs)"
        ),
        "Implement an LRU cache in Python with O(1) get and put.",
    ],
    "extraction": [
        (
            "Extract all the dates and the names of the companies from the following text and return them "
            "as JSON: On 3 May 2021 Acme bought Initech for $2 million; on 7 June Globex followed."
        ),
        (
            "From these reviews, rate each from 1 to 5 and return a list of numbers: 'Loved it, will buy "
            "again.' 'It broke after a day.' 'It is fine, I guess.'"
        ),
        (
            "Read the passage and answer in one word per question. Passage: The ferry left Harwich at nine "
            "and reached Hook of Holland at four. Questions: Where did it leave? When did it arrive?"
        ),
        (
            "Given the following table as CSV, output the country with the largest population: "
            "name,pop\nFrance,68\nSpain,48\nItaly,59"
        ),
        (
            "Identify the subject, the verb and the object in each of the following sentences and format "
            "them as a table."
        ),
        "Count how many times each word occurs in the text below and give the five most frequent ones.",
        (
            "List the ingredients and their amounts from this recipe as bullet points: mix 200 g flour with "
            "3 eggs, then add 100 ml milk."
        ),
        (
            "Extract the main argument and the two supporting facts from the paragraph below. The city "
            "should plant trees, since they cool streets by up to four degrees and raise house prices."
        ),
    ],
    "science": [
        "Explain how vaccines train the immune system.",
        "What is the difference between mitosis and meiosis?",
        "How does a heat pump move heat from a cold place to a warm one?",
        "Why is the sky red at sunset?",
        "Describe the life cycle of a star like our sun.",
        "What are superconductors and where are they used?",
        "Explain the role of plate tectonics in the formation of mountains.",
        "How do noise-cancelling headphones work?",
        "What is CRISPR and how is it used to edit genes?",
    ],
    "humanities": [
        "What were the main causes of the French Revolution?",
        "Discuss the influence of the printing press on European society.",
        "How did the Silk Road shape cultural exchange between East and West?",
        "Explain what Kant meant by the categorical imperative.",
        "Describe the themes of jealousy and trust in Othello.",
        "What are the arguments for and against a universal basic income?",
        "How has the meaning of the word nation changed since the eighteenth century?",
        "Compare the ideas of Locke and Hobbes on the social contract.",
        "Suggest ways to teach teenagers about ancient Athens.",
    ],
    "chat": [
        "Hi! How was your day?",
        "Can you recommend a good book for a long flight?",
        "I feel a bit lonely since I moved. Any advice?",
        "Tell me a joke about penguins.",
        "Thanks, that helped a lot!",
        "What should I cook for dinner tonight?",
        "Good morning, who are you?",
    ],
}
HARD, EASY = ("reasoning", "math", "coding", "extraction"), ("writing", "role play", "science", "humanities", "chat")


def mean_score(kind: str) -> float:
    return sum(analyze(prompt).score for prompt in CONVERSATION[kind]) / len(CONVERSATION[kind])


@pytest.mark.parametrize("hard", HARD)
@pytest.mark.parametrize("easy", EASY)
def test_what_strong_models_are_better_at_scores_higher_on_average(hard: str, easy: str) -> None:
    assert mean_score(hard) > 1.3 * mean_score(easy)


def test_most_single_prompts_of_the_harder_kinds_score_higher() -> None:
    hard, easy = ([analyze(prompt).score for kind in kinds for prompt in CONVERSATION[kind]] for kinds in (HARD, EASY))
    pairs = [(high, low) for high in hard for low in easy]
    assert sum(high > low for high, low in pairs) > 0.85 * len(pairs)


def test_a_longer_problem_with_more_relations_scores_higher() -> None:
    short = "Ann has 3 apples and buys 4 more. How many apples does Ann have now?"
    long = (
        "Ann has 3 apples, twice as many pears as apples and half as many plums as pears. She sells a third of the "
        "pears for $1.50 each, and each week after that buys 4 more plums than the week before. If she gives 25% of "
        "the plums to her brother after three weeks, how many pieces of fruit does Ann have left altogether?"
    )
    assert analyze(long).score > analyze(short).score


def test_the_cuts_can_be_chosen() -> None:
    score = analyze("Compare TCP and UDP").score
    assert ComplexityAnalyzer(cuts=(score, 1, 1)).analyze("Compare TCP and UDP").level is INTERMEDIATE
    assert ComplexityAnalyzer(cuts=(0, 0, score)).analyze("Compare TCP and UDP").level is EXPERT
    assert ComplexityAnalyzer(cuts=(score + 1e-9, 1, 1)).analyze("Compare TCP and UDP").level is BASIC


def test_orders_at_either_end_of_a_very_long_prompt_count() -> None:
    filler = "The sea is wide and blue. " * 200_000
    for prompt in ("Prove it.\n" + filler, filler + "\nProve it."):
        assert analyze(prompt).level is EXPERT
        assert "expert: prove" in analyze(prompt).features
        assert analyze(prompt).score > analyze(filler).score


def test_the_end_of_a_long_code_block_is_still_code() -> None:
    features = analyze("What is this?\n```\n" + "x = 1  # filler\n" * 5_000 + "# prove\n```").features
    assert "code" in features
    assert not any(name.startswith("expert") for name in features)


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
