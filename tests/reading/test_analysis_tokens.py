import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.reading.bounds import Tokenizer
from orchestrator.reading.tokens import count_tokens, estimate_tokens, upper_bound_tokens

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)

# Published with their counts in o200k_base, OpenAI, "Hello GPT-4o", May 2024.
PUBLISHED = {
    "Gujarati": (33, "હેલો, મારું નામ જીપીટી-4o છે. હું એક નવા પ્રકારનું ભાષા મોડલ છું. તમને મળીને સારું લાગ્યું!"),
    "Telugu": (45, "నమస్కారము, నా పేరు జీపీటీ-4o. నేను ఒక్క కొత్త రకమైన భాషా మోడల్ ని. మిమ్మల్ని కలిసినందుకు సంతోషం!"),
    "Tamil": (35, "வணக்கம், என் பெயர் ஜிபிடி-4o. நான் ஒரு புதிய வகை மொழி மாடல். உங்களை சந்தித்ததில் மகிழ்ச்சி!"),
    "Marathi": (33, "नमस्कार, माझे नाव जीपीटी-4o आहे| मी एक नवीन प्रकारची भाषा मॉडेल आहे| तुम्हाला भेटून आनंद झाला!"),
    "Hindi": (31, "नमस्ते, मेरा नाम जीपीटी-4o है। मैं एक नए प्रकार का भाषा मॉडल हूँ। आपसे मिलकर अच्छा लगा!"),
    "Urdu": (33, "ہیلو، میرا نام جی پی ٹی-4o ہے۔ میں ایک نئے قسم کا زبان ماڈل ہوں، آپ سے مل کر اچھا لگا!"),
    "Arabic": (26, "مرحبًا، اسمي جي بي تي-4o. أنا نوع جديد من نموذج اللغة، سررت بلقائك!"),
    "Persian": (32, "سلام، اسم من جی پی تی-۴او است. من یک نوع جدیدی از مدل زبانی هستم، از ملاقات شما خوشبختم!"),
    "Russian": (23, "Привет, меня зовут GPT-4o. Я — новая языковая модель, приятно познакомиться!"),
    "Korean": (27, "안녕하세요, 제 이름은 GPT-4o입니다. 저는 새로운 유형의 언어 모델입니다, 만나서 반갑습니다!"),
    "Vietnamese": (30, "Xin chào, tên tôi là GPT-4o. Tôi là một loại mô hình ngôn ngữ mới, rất vui được gặp bạn!"),
    "Chinese": (24, "你好，我的名字是GPT-4o。我是一种新型的语言模型，很高兴见到你!"),
    "Japanese": (26, "こんにちは、私の名前はGPT-4oです。私は新しいタイプの言語モデルです。初めまして！"),
    "Turkish": (30, "Merhaba, benim adım GPT-4o. Ben yeni bir dil modeli türüyüm, tanıştığımıza memnun oldum!"),
    "Italian": (28, "Ciao, mi chiamo GPT-4o. Sono un nuovo tipo di modello linguistico, piacere di conoscerti!"),
    "German": (29, "Hallo, mein Name is GPT-4o. Ich bin ein neues KI-Sprachmodell. Es ist schön, dich kennenzulernen."),
    "Spanish": (26, "Hola, me llamo GPT-4o. Soy un nuevo tipo de modelo de lenguaje, ¡es un placer conocerte!"),
    "Portuguese": (27, "Olá, meu nome é GPT-4o. Sou um novo tipo de modelo de linguagem, é um prazer conhecê-lo!"),
    "French": (
        28,
        "Bonjour, je m'appelle GPT-4o. Je suis un nouveau type de modèle de langage, "
        "c'est un plaisir de vous rencontrer!",
    ),
    "English": (24, "Hello, my name is GPT-4o. I'm a new type of language model, it's nice to meet you!"),
}
ENGLISH = (
    "When the tide went out, the children walked along the beach and looked for shells. Some were broken, others "
    "were still whole, and a few had small animals living inside of them. They put the best ones in a bucket, "
    "carried it home before dinner, and asked their grandmother which of them she would like to keep. "
)


@pytest.mark.parametrize("language", PUBLISHED)
def test_the_estimate_is_within_a_fifth_of_the_published_count(language: str) -> None:
    tokens, sentence = PUBLISHED[language]
    assert estimate_tokens(sentence) == pytest.approx(tokens, rel=0.2)


@pytest.mark.parametrize(("language", "text"), [(name, text) for name, (_, text) in PUBLISHED.items()], ids=PUBLISHED)
def test_the_published_count_is_within_the_bound(language: str, text: str) -> None:
    assert PUBLISHED[language][0] <= upper_bound_tokens(text)


def test_english_has_about_three_words_in_four_tokens() -> None:
    assert len(ENGLISH.split()) / estimate_tokens(ENGLISH) == pytest.approx(0.75, abs=0.13)


def test_a_long_text_is_estimated_as_its_parts_are() -> None:
    assert estimate_tokens(ENGLISH * 2_000) == pytest.approx(2_000 * estimate_tokens(ENGLISH), rel=0.05)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("a", 1), ("é", 2), ("\ud800", 2), ("\x00", 1), ("🙂", 3), (" ", 1)],
    ids=["empty", "letter", "accent", "lone surrogate", "nul", "emoji", "space"],
)
def test_small_texts_are_counted(text: str, expected: int) -> None:
    assert estimate_tokens(text) == expected


@given(ANY_TEXT, st.sampled_from(Tokenizer))
def test_what_is_expected_is_never_above_the_bound(text: str, tokenizer: Tokenizer) -> None:
    count = count_tokens(text, tokenizer)
    assert 0 <= count.expected <= count.bound


def test_fifty_megabytes_are_estimated() -> None:
    text = "word 语言 " * 6_000_000
    assert 6_000_000 < estimate_tokens(text) < upper_bound_tokens(text)
