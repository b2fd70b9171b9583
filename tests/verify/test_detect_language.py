"""Telling languages apart: one sentence of each, and doubt where there is nothing to go by."""

from __future__ import annotations

import pytest

from synth.verify.language import detect_language, is_language, main_script

SENTENCES = {
    "en": "The train was late and we had to wait for it in the rain.",
    "de": "Der Zug war spät und wir mussten im Regen auf ihn warten.",
    "fr": "Le train était en retard et nous avons attendu sous la pluie.",
    "es": "El tren llegó tarde y tuvimos que esperar bajo la lluvia con los niños.",
    "it": "Il treno era in ritardo e abbiamo aspettato sotto la pioggia con gli altri.",
    "pt": "O comboio estava atrasado e não tivemos onde esperar com as crianças.",
    "nl": "De trein was te laat en wij moesten in de regen op het perron wachten.",
    "sv": "Tåget var sent och vi fick vänta på det i regnet.",
    "pl": "Pociąg był spóźniony i musieliśmy na niego czekać, ale to nie problem.",
    "tr": "Tren çok geç kaldı ve biz yağmurda beklemek için durdu.",
    "vi": "Tàu đến muộn và chúng tôi phải đợi nó trong mưa.",
    "fi": "Juna oli myöhässä ja me odotimme, mutta se ei tullut.",
    "ru": "Поезд опоздал, и мы ждали его под дождём.",
    "uk": "Потяг запізнився, і ми чекали на нього під дощем.",
    "bg": "Влакът закъсня и ние трябваше да го чакаме в дъжда.",
    "ar": "تأخر القطار في الصباح ثم انتظرنا على الرصيف.",
    "fa": "قطار دیر رسید و ما باید در باران منتظر آن می ماندیم.",
    "ur": "ٹرین دیر سے آئی اور ہم نے بارش میں انتظار کیا۔",
    "hi": "ट्रेन देर से आई और हम बारिश में खड़े रहे।",
    "mr": "गाडी उशिरा आली आणि आम्ही पावसात उभे होतो, पण ते ठीक आहे.",
    "zh": "火车晚点了，我们在雨中等待。",
    "ja": "電車が遅れたので、雨の中で待ちました。",
    "ko": "기차가 늦어서 우리는 비를 맞으며 기다렸다.",
    "el": "Το τρένο άργησε και περιμέναμε στη βροχή.",
    "th": "รถไฟมาสายและเราต้องรอกลางสายฝน",
    "kn": "ರೈಲು ತಡವಾಗಿ ಬಂದಿತು.",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_is_told_from_all_other_languages(code: str) -> None:
    assert detect_language(SENTENCES[code]) == code
    assert [other for other in SENTENCES if is_language(SENTENCES[code], other)] == [code]


def test_too_little_text_is_believed_within_its_script() -> None:
    assert detect_language("Stop") is None
    assert is_language("Stop", "en") and is_language("Stop", "nl") and not is_language("Stop", "ru")
    assert is_language("1 + 1 = 2", "ja") and main_script("1 + 1 = 2") is None


def test_code_variants_are_the_same_language() -> None:
    assert is_language(SENTENCES["zh"], "zh-CN") and is_language(SENTENCES["pt"], "pt_BR")
