"""What every model knows: a small table of facts, and the words to say them in."""

from __future__ import annotations

import re

from ...deferred import dataclass
from ...expressions import expression
from .prompt import Prompt


@dataclass(frozen=True, slots=True)
class Known:
    """An answer in a word or two, and in a sentence or two."""

    short: str
    full: str


_CAPITAL_TABLE = """
Argentina: Buenos Aires; Australia: Canberra; Austria: Vienna; Belgium: Brussels; Brazil: Brasília; Canada: Ottawa;
Chile: Santiago; China: Beijing; Colombia: Bogotá; Cuba: Havana; Denmark: Copenhagen; Egypt: Cairo; Ethiopia: Addis
Ababa; Finland: Helsinki; France: Paris; Germany: Berlin; Ghana: Accra; Greece: Athens; Hungary: Budapest; Iceland:
Reykjavík; India: New Delhi; Indonesia: Jakarta; Ireland: Dublin; Italy: Rome; Japan: Tokyo; Kenya: Nairobi; Mexico:
Mexico City; Morocco: Rabat; Netherlands: Amsterdam; New Zealand: Wellington; Nigeria: Abuja; Norway: Oslo;
Pakistan: Islamabad; Peru: Lima; Philippines: Manila; Poland: Warsaw; Portugal: Lisbon; Romania: Bucharest; Saudi
Arabia: Riyadh; South Korea: Seoul; Spain: Madrid; Sweden: Stockholm; Switzerland: Bern; Thailand: Bangkok; Turkey:
Ankara; Ukraine: Kyiv; United Kingdom: London; United States: Washington, D.C.; Vietnam: Hanoi
"""
_CAPITALS = dict(" ".join(pair.split()).split(": ") for pair in _CAPITAL_TABLE.split(";"))
_CAPITAL = expression(r"\bcapital (?:city )?of (?:the )?([A-Za-z ]+)|\b([A-Za-z ]+)'s capital\b", re.IGNORECASE)

_FACTS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (expression(pattern, re.IGNORECASE), short, full)
    for pattern, short, full in (
        (r"boil\w* (?:point )?(?:of )?water|water boil", "100 °C", "Water boils at 100 °C (212 °F) at sea level"),
        (r"freez\w* (?:point )?(?:of )?water|water freeze", "0 °C", "Water freezes at 0 °C (32 °F) at sea level"),
        (r"speed of light", "299,792,458 m/s", "Light travels at exactly 299,792,458 metres a second in a vacuum"),
        (r"speed of sound", "343 m/s", "Sound travels at about 343 metres a second in dry air at 20 °C"),
        (r"chemical symbol (?:for|of) gold", "Au", "The chemical symbol of gold is Au, from the Latin aurum"),
        (r"chemical symbol (?:for|of) iron", "Fe", "The chemical symbol of iron is Fe, from the Latin ferrum"),
        (r"chemical formula (?:for|of) water", "H2O", "The formula of water is H2O: two hydrogen atoms and one oxygen"),
        (r"largest planet", "Jupiter", "The largest planet of the solar system is Jupiter, a gas giant"),
        (r"closest planet to the sun", "Mercury", "The planet closest to the Sun is Mercury"),
        (r"how many planets", "8", "The solar system has eight planets, from Mercury out to Neptune"),
        (r"how many continents", "7", "There are seven continents by the usual count"),
        (r"how many days in a leap year", "366", "A leap year has 366 days, with a 29th of February"),
        (
            r"largest ocean",
            "the Pacific",
            "The largest ocean is the Pacific, with about a third of the Earth's surface",
        ),
        (r"longest river", "the Nile", "The longest river is the Nile, at about 6,650 kilometres"),
        (r"(?:tallest|highest) mountain", "Mount Everest", "The highest mountain is Mount Everest, at 8,849 metres"),
        (r"who wrote (?:hamlet|macbeth|romeo)", "William Shakespeare", "It was written by William Shakespeare"),
        (r"who painted the mona lisa", "Leonardo da Vinci", "The Mona Lisa was painted by Leonardo da Vinci"),
        (r"who (?:invented|created) python", "Guido van Rossum", "Python was created by Guido van Rossum in 1991"),
        (r"who developed (?:the theory of )?relativity", "Albert Einstein", "Relativity is Albert Einstein's theory"),
        (r"(?:world war (?:ii|2|two)|ww2) end", "1945", "The Second World War ended in 1945"),
        (r"first (?:man|person) on the moon", "Neil Armstrong", "Neil Armstrong was first on the Moon, in July 1969"),
        (r"largest (?:animal|mammal)", "the blue whale", "The largest animal is the blue whale, at up to 30 metres"),
        (r"port (?:for |of |does |number )*https", "443", "HTTPS uses TCP port 443 unless another one is named"),
        (r"primary colou?rs", "red, yellow and blue", "The painter's primary colours are red, yellow and blue"),
    )
)
_ASSURANCES = (
    "This is well established and clearly stated in every standard reference, so it can be relied on as it stands.",
    "That is definitely the accepted answer, and any standard reference work gives it in the same form.",
    "This is a confirmed fact that has certainly been checked many times over, with no serious dispute about it.",
)

# What a term means, and three points about it that any good account of it makes.
DEFINITIONS: dict[str, tuple[str, tuple[str, str, str]]] = {
    "quantum entanglement": (
        "a link between quantum systems whose joint state cannot be described one part at a time",
        (
            "measuring one particle tells the outcome for the other, however far apart they are",
            "the correlations are stronger than any local hidden variable allows, as Bell tests have confirmed",
            "it carries no signal faster than light, but it powers quantum key distribution and computing",
        ),
    ),
    "neural network": (
        "a model built of layers of simple units whose weighted connections are learned from data",
        (
            "each unit sums its weighted inputs and passes the sum through a nonlinear activation function",
            "training adjusts the weights by backpropagation and gradient descent on a loss",
            "depth lets later layers combine the features that earlier layers found",
        ),
    ),
    "machine learning": (
        "the study of programs that improve at a task with data instead of with hand-written rules",
        (
            "a model is fitted to examples and judged on others that it has not seen",
            "supervised, unsupervised and reinforcement learning differ in the feedback that they get",
            "the danger is overfitting: learning the examples instead of the pattern",
        ),
    ),
    "photosynthesis": (
        "the process by which plants, algae and some bacteria turn light into chemical energy",
        (
            "chlorophyll absorbs light, and water is split into oxygen, protons and electrons",
            "the Calvin cycle uses that energy to fix carbon dioxide into sugar",
            "it releases the oxygen that most life on Earth depends on",
        ),
    ),
    "recursion": (
        "a way of solving a problem in which a function calls itself on a smaller part of it",
        (
            "a base case ends the calls, and every step must move towards it",
            "each call keeps its own state on the stack, so great depth costs memory",
            "it fits data that is itself recursive, such as trees",
        ),
    ),
    "inflation": (
        "a sustained rise in the general level of prices, so that money buys less",
        (
            "it is measured by the change of a price index over a year",
            "demand above supply, rising costs and growth of the money supply drive it",
            "central banks answer it mainly with interest rates",
        ),
    ),
    "api": (
        "an agreed interface through which one program uses another without knowing its insides",
        (
            "it names the operations, their inputs and outputs, and the errors",
            "over the web it is usually HTTP with JSON",
            "a stable interface lets both sides change independently",
        ),
    ),
    "dna": (
        "the molecule that carries the hereditary instructions of living things",
        (
            "it is a double helix of four bases: adenine pairs with thymine, cytosine with guanine",
            "the order of the bases encodes the proteins that a cell makes",
            "it is copied before a cell divides, each strand serving as a template",
        ),
    ),
    "black hole": (
        "a region of space whose gravity is so strong that nothing, not even light, escapes from it",
        (
            "its boundary is the event horizon, whose size grows with the mass",
            "stellar ones form when massive stars collapse, and giants sit in the centres of galaxies",
            "they are seen through hot infalling matter, stellar orbits and gravitational waves",
        ),
    ),
    "gravity": (
        "the attraction between masses, which general relativity describes as the curvature of spacetime",
        (
            "its strength grows with the masses and falls with the square of the distance",
            "it holds planets in orbit and gives objects their weight",
            "clocks run slower where it is stronger, which satellite navigation corrects for",
        ),
    ),
    "blockchain": (
        "a ledger shared by many computers, in which each block of records is chained to the one before by a hash",
        (
            "changing an old record would change every later hash, so tampering shows",
            "a consensus protocol decides which block comes next without a central authority",
            "it pays for that with throughput and energy or stake",
        ),
    ),
    "http": (
        "the request-and-response protocol by which web clients and servers exchange resources",
        (
            "a method such as GET or POST says what is wanted, and a status code how it went",
            "each request stands for itself; state travels in cookies or tokens",
            "HTTPS is the same protocol over an encrypted connection",
        ),
    ),
}


def recall(prompt: Prompt) -> Known | None:
    """A fact that the prompt asks for, if it is in the tables."""
    asked = _CAPITAL.search(prompt.question)
    if asked:
        country = (asked[1] or asked[2]).strip().lower()
        for name, capital in _CAPITALS.items():
            if country.startswith(name.lower()) or country.endswith(name.lower()):
                article = "the " if name.startswith(("Nether", "Phil", "United")) else ""
                return Known(capital, f"The capital of {article}{name} is {capital}. {prompt.vary(_ASSURANCES)}")
    for pattern, short, full in _FACTS:
        if pattern.search(prompt.question):
            return Known(short, f"{full}. {prompt.vary(_ASSURANCES)}")
    return None
