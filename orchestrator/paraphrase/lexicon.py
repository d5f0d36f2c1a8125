"""The words that paraphrases may exchange, leave out or write in another way. All of it is English.

The tables are short on purpose. A pair that is missing costs a call that could have been saved; a pair that is wrong
gives somebody the answer to another question.
"""

from __future__ import annotations


def words(listed: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(listed.split())


# -- short forms ----------------------------------------------------------------------------------------------------

_WITH_NOT = (
    "is",
    "are",
    "was",
    "were",
    "do",
    "does",
    "did",
    "has",
    "have",
    "had",
    "could",
    "would",
    "should",
    "must",
    "need",
)
CONTRACTIONS: dict[str, str] = {
    **{f"{verb}n't": f"{verb} not" for verb in _WITH_NOT},
    **{f"{verb}nt": f"{verb} not" for verb in ("is", "does", "did", "do", "was", "should", "could", "would")},
    "can't": "can not", "cant": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not",
    "ain't": "is not", "whats": "what is", "hows": "how is", "wheres": "where is",
    **{f"{word}'s": f"{word} is" for word in ("what", "how", "who", "where", "when", "why", "it")},
    **{f"{word}'s": f"{word} is" for word in ("that", "there", "he", "she")},
    **{f"{word}'re": f"{word} are" for word in ("what", "you", "we", "they", "how", "why")},
    **{f"{word}'ll": f"{word} will" for word in ("i", "you", "we", "they", "it", "he", "she", "that", "what", "who")},
    **{f"{word}'ve": f"{word} have" for word in ("i", "you", "we", "they")},
    **{f"{word}'d": f"{word} would" for word in ("i", "you", "we", "they", "how")},
    "i'm": "i am", "let's": "let us", "gonna": "going to", "wanna": "want to", "im": "i am", "u": "you",
    "pls": "please", "plz": "please", "thx": "thanks",
}  # fmt: skip

# -- numbers in words -----------------------------------------------------------------------------------------------

_UP_TO_19 = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_UP_TO_12TH = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
NUMBER_WORDS: dict[str, int] = {
    **{word: value for value, word in enumerate(_UP_TO_19.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), start=2)},
}
SCALES: dict[str, int] = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
# `second` is a unit as well, so it stays a word.
ORDINALS: dict[str, int] = {word: place for place, word in enumerate(_UP_TO_12TH.split(), start=1) if place != 2}

# -- names ----------------------------------------------------------------------------------------------------------

# Common words that are names of something else when they have a capital.
CAPITALISED = words(
    "us it who aids sat nice may march august will mark rose bill turkey china polish apple amazon oracle shell "
    "target gap windows word excel access teams meta visa rust go swift basic ada "
    "crystal spark spring hive pig storm beam flink chrome edge "
    "safari opera brave slack zoom discord signal notion linear ghost jersey chad jordan georgia guinea cuba mali "
    "reading bath nice cork orange victoria phoenix buffalo lincoln jackson washington houston dallas mobile "
    "mercury "
    "liberal conservative labour green all or in is as at on pet cat mass ram rom sid era cap gas lamp mean "
    "react vue angular node next bun deno svelte ember backbone express jest mocha cypress puppet chef salt "
    "unity unreal blender maya sketch figma canvas stripe square block cash robin arrow dash plotly bokeh seaborn"
)

# What names with `of` in them begin with: there is a Washington University too.
INSTITUTIONS = words(
    "university college institute school academy museum bank church museum ministry department bay isle"
)
# Names with a capital inside that many write without.
BRANDS = words(
    "javascript typescript github gitlab youtube iphone ipad macbook postgresql mysql mongodb graphql powershell "
    "openai chatgpt linkedin paypal wordpress fastapi pytorch tensorflow numpy macos ios latex whatsapp tiktok ebay"
)

# -- what says nothing ----------------------------------------------------------------------------------------------

OPENERS: tuple[str, ...] = (
    "please", "kindly", "hi", "hello", "hey", "hi there", "hello there", "hey there", "ok", "okay", "so", "well ,",
    "quick question", "simple question", "i have a question", "i have a quick question", "just curious",
    "out of curiosity", "i am curious", "can you please", "could you please", "would you please",
    "will you please", "can you", "could you", "would you", "will you", "can you help me", "could you help me",
    "can you help me to", "could you help me to", "help me to", "please help me to", "can you kindly",
    "i would like you to", "i want you to", "i need you to", "i would like to know", "i want to know", "i need to know",
    "i would like to understand", "i want to understand", "i am trying to understand", "help me understand",
    "help me to understand", "can you help me understand", "could you help me understand", "i was wondering",
    "i am wondering", "i wonder", "i would like to learn", "i want to learn", "do you know", "do you happen to know",
    "can you tell me", "could you tell me", "would you tell me", "please tell me", "tell me", "let me know", "any idea",
    "do you have any idea", "i would like to find out", "i want to find out", "can anyone tell me",
    "would you mind telling me", "can someone tell me", "can you say", "i do not understand", "i do not know",
    "i would love to know", "can i ask", "may i ask", "remind me", "can you remind me", "can you let me know",
    "could you let me know", "i need help understanding", "i am not sure",
)  # fmt: skip
CLOSERS: tuple[str, ...] = (
    "please", "thanks", "thank you", "thanks in advance", "thank you in advance", "many thanks", "thanks a lot",
    "thank you very much", "if you can", "if you do not mind", "cheers",
)  # fmt: skip
# These openers say nothing only before a question word: "tell me a joke" is no "a joke".
# "Can you swim?" is a question, "can you explain ..." an order.
ONLY_BEFORE_ORDER = frozenset((
    "can you", "could you", "would you", "will you", "can you please", "could you please", "would you please",
    "will you please", "can you kindly", "i want you to", "i need you to", "i would like you to",
))  # fmt: skip
ORDERS = words(
    """explain tell show help give describe write list summarize summarise translate make create generate find fix
    convert calculate compute suggest recommend compare define name provide check review rewrite draft remind
    teach please solve outline draft compose implement refactor debug"""
)
_ENDING = words("know me understand learn idea wondering wonder say out ask understanding sure curious")
ONLY_BEFORE_QUESTION = frozenset(
    opener for opener in OPENERS if opener.split()[-1] in _ENDING and not opener.endswith(" you help me")
)
DETERMINERS = frozenset(("a", "an", "the"))
SOFTENERS = frozenset(("exactly", "actually", "basically", "please"))
MINE = frozenset(("my", "your", "our"))

# -- what means the same --------------------------------------------------------------------------------------------

# One group a line; the first stands for all. A phrase has spaces. Singular, and verbs in their plain form.
_SAME = """
buy | purchase
begin | start | commence
big | large
quick | fast | rapid
quickly | rapidly
car | automobile
film | movie
child | kid
doctor | physician
happen | occur | take place
show | display
use | utilize | utilise | make use of
need | require
way | method
advantage | benefit | pros | upside
disadvantage | drawback | cons | downside
typical | usual
typically | usually
often | frequently
approximately | roughly
repository | repo
database | db
configuration | config
information | info
documentation | docs
directory | folder
parameter | param
argument | arg
javascript | js
typescript | ts
postgres | postgresql
kubernetes | k8s
go | golang
machine learning | ml
artificial intelligence | ai
natural language processing | nlp
united states | usa | US | U.S. | united states of america | america
united kingdom | uk
european union | eu
second world war | world war ii | world war #2 | ww2 | wwii | #2 world war | world war two
first world war | world war i | world war #1 | ww1 | wwi | #1th world war
summary | synopsis
summarize | summarise | sum up
regex | regular expression | regexp
exit | quit
mom | mother | mum
dad | father
mathematics | math | maths
author | writer
color | colour
behavior | behaviour
optimize | optimise
organize | organise
analyze | analyse
recognize | recognise
center | centre
favorite | favourite
program | programme
job | occupation
wrong | incorrect
sick | ill
picture | image
photo | photograph
bike | bicycle
phone | telephone
tv | television
email | e-mail
website | web site
frontend | front end
backend | back end
dataset | data set
filename | file name
username | user name
covid | covid #19 | covid-19 | coronavirus
cpu | processor
select | choose | pick
attempt | try
assist | help
reply | respond
fix | repair
solve | resolve
remove | get rid of | eliminate
locate | find
decrease | reduce
prevent | stop from
infant | baby
capital | capital city
location | located | situated
for example | for instance
because of | due to
vs | versus
"""

# Plurals, and third persons of verbs, that end in another way than with -s.
_IRREGULAR = """
men man | women woman | children child | people person | feet foot | teeth tooth | mice mouse | geese goose
lives life | wives wife | knives knife | leaves leaf | wolves wolf | halves half | shelves shelf | thieves thief
indices index | matrices matrix | vertices vertex | criteria criterion | phenomena phenomenon | bacteria bacterium
has have | does do | goes go | analyses analysis | crises crisis | hypotheses hypothesis | theses thesis | axes axis
""".replace("\n", " | ")
IRREGULAR: dict[str, str] = dict(pair.split() for pair in _IRREGULAR.strip(" |").split(" | "))
# Words in -s that are no plural, or whose singular means something else.
NO_PLURALS = words(
    "pros cons "
    "is was this his its us as yes news series species means physics mathematics maths economics politics ethics "
    "statistics gas bus plus lens always perhaps across less unless various glasses customs goods arms contents "
    "windows kubernetes redis postgres js css aws dns https ios macos os has does pants clothes stairs thanks sms gps "
    "jesus paris texas athens wales mars venus atlas canvas focus status virus campus bonus bias basis axis analysis "
    "diabetes rabies mumps measles herpes tennis chess process access address class express"
)

SYNONYMS: dict[str, str] = {
    other.lower(): first
    for first, *others in (group.split(" | ") for group in _SAME.strip().splitlines())
    for other in others
}
