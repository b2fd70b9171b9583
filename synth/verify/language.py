"""Which language a text is in, from its letters and its commonest words. Light, deterministic, and honest about doubt.

The script decides first (Thai, Kannada, Hangul have one language each here); where a script serves several languages,
function words and letters of one language alone vote. It does not tell dialects apart, does not see a second language
inside a text, and says None where nothing decides: a text of a few words often has nothing that does.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

# The first words of a letter's Unicode name, and the languages written with such letters that are known here.
SCRIPTS: dict[str, tuple[str, ...]] = {
    "LATIN": ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "pl", "cs", "ro", "hu", "tr", "vi",
              "id", "sw", "tl"),
    "CYRILLIC": ("ru", "uk", "bg"),
    "ARABIC": ("ar", "fa", "ur"),
    "DEVANAGARI": ("hi", "mr", "ne"),
    "CJK": ("zh", "ja"),
    "HIRAGANA": ("ja",),
    "KATAKANA": ("ja",),
    "HANGUL": ("ko",),
    "GREEK": ("el",),
    "HEBREW": ("he",),
    "THAI": ("th",),
    "BENGALI": ("bn",),
    "GUJARATI": ("gu",),
    "GURMUKHI": ("pa",),
    "KANNADA": ("kn",),
    "MALAYALAM": ("ml",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "ARMENIAN": ("hy",),
    "GEORGIAN": ("ka",),
}  # fmt: skip

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "a about am the and of to is are was were in that it for you with on this be have has not from they will "
        "would can your my we our by an at as or if but what which when how do does all there their its i me so no he "
        "she his her him who",
        "de": "der die das und ist nicht ein eine einen einem zu mit den dem des von auf für sich auch es ich sie wir "
        "als bei wird sind oder aus nach wie im am um noch nur aber wenn kann ihr du werden hat",
        "fr": "le la les des et est une un du que qui dans pour pas sur avec ce cette il elle nous vous je ne au aux "
        "par plus sont ou mais être sa son ses leur en si où",
        "es": "el la los las de que y en un una es por con para no se del al lo su como más pero sus le ya o este esta "
        "si porque son está cuando muy sin sobre también hay ser",
        "it": "il lo la gli le di che e è un una per non con del della dei delle si da al alla nel nella sono come più "
        "ma anche ha questo questa o se i ci su",
        "pt": "o a os as de que e do da em um uma para com não no na dos das por mais se como mas ao ele ela seu sua "
        "ou ser quando muito nos já está eu também são é",
        "nl": "de het een en van is dat niet op te zijn voor met die aan er om ook als bij maar naar dan door wordt "
        "deze uit nog wel ik je we of kan",
        "sv": "och att det som en är på för av med den till inte om ett har jag de var vi så kan men från du eller när",
        "da": "og at det som en er på for af med den til ikke om et har jeg de var vi så kan men fra du eller når der",
        "no": "og å det som en er på for av med den til ikke om et har jeg de var vi så kan men fra du eller når",
        "fi": "ja on ei se että hän oli ovat mutta joka kun tai myös niin kuin ole sen jos vain minä sinä he ne",
        "pl": "i w na z nie się jest to że do o jak po co tak za od dla jego ale przez czy są może tylko lub oraz",
        "cs": "a je se na v že to s z do o i jako by ale jsou pro která který jeho nebo tak již byl bude při není",
        "ro": "și de la în a cu este nu o un pe care se că din mai pentru sunt sau ca ce dar fi prin al ale",
        "hu": "a az és hogy nem is egy ez volt csak de van meg ha mint már vagy el azt ezt kell mert",
        "tr": "ve bir bu da de için ile çok ne var daha olarak gibi değil ama o mi en kadar sonra olan her",
        "vi": "và là của có cho không được trong một những với các người này để đã khi từ như cũng bạn",
        "id": "yang dan di ini itu untuk dengan dari tidak ada pada saya akan ke juga dalam adalah atau kami bisa",
        "sw": "na ya wa kwa ni za la katika kama hii yake cha si kuwa au lakini pia vya kwamba hiyo watu",
        "tl": "ang ng sa mga na at ay ko ka siya ito ni hindi para kung may nang mo po",
        "ru": "и в не на что с он я это как а по но они мы к из за то у же вы так его для от или бы если при есть",
        "uk": "і в не на що з він я це як а по але вони ми до із за та у ж ви так його для від або якщо при є",
        "bg": "и в не на че с той аз това как а по но те ние към от за се да е са ще или ако при има със",
        "ar": "في من على أن إلى هذا التي الذي ما لا هو هي عن مع كان هذه أو كل بين قد ثم لم",
        "fa": "و در به از که این را با است برای آن یک می شود های ها است تا هم بر شد شما",
        "ur": "کے میں کی ہے اور سے کا کو اس کہ پر نے ہیں یہ ایک بھی نہیں جو تھا کر",
        "hi": "के में है की और से को का पर यह एक नहीं हैं भी कि ने इस जो था कर लिए वह",
        "mr": "आहे आणि या ते हे च्या मध्ये नाही होते एक की करून आहेत साठी होता पण आपण तो ती",
        "ne": "छ र को मा यो हो पनि छन् गर्न लाई थियो भएको एक तर छैन हुन्छ तपाईं गर्ने",
    }.items()
}

# Letters that, among the languages of one script above, point to one of them.
OWN_LETTERS: dict[str, str] = {
    "de": "ß", "es": "ñ¿¡", "pt": "ãõ", "fr": "œêû", "it": "òì", "sv": "", "pl": "łżśź", "cs": "řěů", "ro": "țș",
    "hu": "őű", "tr": "ğı", "vi": "ơưđạấệộớếị", "uk": "іїєґ", "ru": "ыэё", "ur": "ٹڈڑےں", "fa": "پچژگ", "da": "æø",
    "no": "æø", "mr": "ळ",
}  # fmt: skip


_WORD = re.compile(r"(?<!['’])[^\W\d_]+(?:[\u0900-\u0963\u064B-\u0652]+[^\W\d_]*)*")
_LANGUAGES_OF: dict[str, list[str]] = {}
for _language, _words in FUNCTION_WORDS.items():
    for _word in _words:
        _LANGUAGES_OF.setdefault(_word, []).append(_language)


@lru_cache(maxsize=8192)
def script_of(letter: str) -> str | None:
    """The script (a key of SCRIPTS) of a letter; None for a letter of none of them."""
    name = unicodedata.name(letter, "")
    return next((script for script in SCRIPTS if name.startswith(script)), None)


def main_script(text: str) -> str | None:
    """The script (a key of SCRIPTS) most letters of `text` belong to; None where no letter is of a known one."""
    if text.isascii():
        return "LATIN" if any(map(str.isalpha, text)) else None
    counts = Counter(filter(str.isalpha, text))
    scripts: Counter[str] = Counter()
    for letter, number in counts.items():
        script = script_of(letter)
        if script:
            scripts[script] += number
    # Japanese mixes three scripts; a few kana among many Han characters still mean Japanese.
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    if kana and kana * 10 >= scripts["CJK"]:
        scripts["HIRAGANA"] += scripts["CJK"] + scripts["KATAKANA"]
    return max(sorted(scripts), key=lambda script: scripts[script]) if scripts else None


def detect_language(text: str) -> str | None:
    """The ISO 639-1 code of the language of `text`, or None where nothing decides between the candidates."""
    script = main_script(text)
    if script is None:
        return None
    if script == "CJK":
        return "zh"
    candidates = SCRIPTS[script]
    if len(candidates) == 1:
        return candidates[0]
    lowered = unicodedata.normalize("NFC", text).lower()
    scores = Counter(language for word in _WORD.findall(lowered) for language in _LANGUAGES_OF.get(word, ()))
    if not lowered.isascii():
        for language in candidates:
            scores[language] += 2 * sum(lowered.count(letter) for letter in OWN_LETTERS.get(language, ""))
    best = max(candidates, key=lambda language: scores[language])
    return best if scores[best] >= 2 else None  # one word alone may be a name or a loan


def is_language(text: str, code: str) -> bool:
    """Whether `text` is in the language `code`; in doubt (too few words, no letters at all) the text is believed.

    A code that is not known here is compared with nothing: only the languages named in SCRIPTS can be told apart.
    """
    wanted = code.lower().replace("_", "-").split("-")[0]
    detected = detect_language(text)
    if detected is not None:
        return detected == wanted
    script = main_script(text)
    return script is None or wanted in SCRIPTS[script]
