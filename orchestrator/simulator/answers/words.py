"""Word lists, as data: for lists, translations and sentiment."""

from __future__ import annotations

LISTS: tuple[tuple[str, str], ...] = (
    ("fruit", "apple banana orange grape mango pear peach cherry lemon kiwi plum fig"),
    ("colo", "red blue green yellow orange purple black white brown pink grey turquoise"),
    ("planet", "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune"),
    ("language", "Python JavaScript TypeScript Java Go Rust C++ C# Kotlin Swift Ruby PHP"),
    ("animal", "dog cat horse elephant lion eagle dolphin bear wolf tiger fox owl"),
    ("countr", "France Germany Japan Brazil Canada India Kenya Mexico Spain Norway Egypt Vietnam"),
    ("vegetable", "carrot potato tomato onion spinach broccoli pepper leek pea bean celery beetroot"),
    ("cit", "Paris London Tokyo Berlin Madrid Rome Cairo Nairobi Toronto Sydney Seoul Lima"),
)
POINTS = (
    "a clear goal that everybody can state in one sentence",
    "a small first step that can be checked within days",
    "measurements taken before and after each change",
    "an owner for every open question",
    "the cost of being wrong, written down beforehand",
    "feedback from those who will use the result",
    "a way back if the first attempt fails",
    "regular review of what has been learned",
    "simple tools that the team already knows",
    "time set aside for the unexpected",
)

DICTIONARIES = {
    "french": "hello: bonjour|good morning: bonjour|good night: bonne nuit|thank you: merci|please: s'il vous plaît|"
    "goodbye: au revoir|yes: oui|no: non|the: le|cat: chat|dog: chien|house: maison|is: est|and: et|where: où|"
    "how are you: comment allez-vous|i love you: je t'aime|world: monde|friend: ami|water: eau|my: mon|book: livre",
    "spanish": "hello: hola|good morning: buenos días|good night: buenas noches|thank you: gracias|please: por favor|"
    "goodbye: adiós|yes: sí|no: no|the: el|cat: gato|dog: perro|house: casa|is: es|and: y|where: dónde|"
    "how are you: cómo estás|i love you: te quiero|world: mundo|friend: amigo|water: agua|my: mi|book: libro",
    "german": "hello: hallo|good morning: guten Morgen|good night: gute Nacht|thank you: danke|please: bitte|"
    "goodbye: auf Wiedersehen|yes: ja|no: nein|the: die|cat: Katze|dog: Hund|house: Haus|is: ist|and: und|where: wo|"
    "how are you: wie geht es dir|i love you: ich liebe dich|world: Welt|friend: Freund|water: Wasser|my: mein|"
    "book: Buch",
    "italian": "hello: ciao|good morning: buongiorno|good night: buonanotte|thank you: grazie|please: per favore|"
    "goodbye: arrivederci|yes: sì|no: no|the: il|cat: gatto|dog: cane|house: casa|is: è|and: e|where: dove|"
    "how are you: come stai|i love you: ti amo|world: mondo|friend: amico|water: acqua|my: mio|book: libro",
}

_PRAISE = "good great love loved excellent happy wonderful best fast helpful perfect enjoyed amazing nice"
_COMPLAINT = "bad poor hate hated terrible slow broken worst awful disappointed angry never refund useless"
POSITIVE = frozenset(_PRAISE.split())
NEGATIVE = frozenset(_COMPLAINT.split())
