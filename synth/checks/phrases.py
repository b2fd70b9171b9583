"""The phrases that give a model away, as patterns in several languages. Only data; `answers` says what they mean."""

from __future__ import annotations

import re

_AI = r"(?:AI|artificial intelligence|(?:large |text[- ]based |AI )?language model|virtual assistant|chatbot)"

AS_AN_AI = re.compile(
    rf"\bas an? (?:\w+ )?{_AI}\b(?: (?:language )?(?:model|assistant|system|program|chatbot|bot))?"
    rf"(?:,| I\b| (?:developed|trained|created|my\b|it is not))"
    rf"|\bI(?:'m| am) (?:just |only |merely |simply )?an? (?:\w+ )?{_AI}\b"
    rf"|\b(?:since|because) I(?:'m| am) an? {_AI}\b"
    r"|作为(?:一个|一名|一款)?(?:大型|AI|人工智能|语言|虚拟)+(?:语言)?(?:模型|助手|助理|程序)|我是(?:一个|一名)?(?:AI|人工智能)"
    r"|\bcomo (?:un |una )?(?:modelo de lenguaje|inteligencia artificial|modelo de linguagem|IA)\b"
    r"|\ben tant qu(?:e |')(?:modèle de langage|intelligence artificielle|IA|assistant virtuel)\b"
    r"|\bals (?:ein |eine )?(?:KI|künstliche Intelligenz|Sprachmodell)\b"
    r"|\bкак (?:языковая модель|искусственный интеллект|ИИ)\b",
    re.IGNORECASE,
)

_CANNOT = (
    r"(?:can ?not|can['’]t|could(?: not|n['’]t)|am (?:unable|not able)|['’]m (?:unable|not able)|won['’]t be able)"
)
REFUSAL = re.compile(
    rf"^\W*(?:(?:I['’]?m|I am) (?:very |really |so )?sorry|sorry|unfortunately|I apologi[sz]e|my apologies"
    rf"|regrettably)\b"
    rf"[^.\n]{{0,60}}?\b(?:{_CANNOT}|there is(?: not?|n['’]t)\b|do(?: not|n['’]t) have|not (?:possible|clear|sure))"
    rf"|^\W*I {_CANNOT}(?: to)? (?:directly |currently )?(?:assist|help|provide|answer|complete|fulfil|comply|generate|"
    rf"create|access|determine|browse|see|view|open|do (?:that|this)|perform|support|respond)"
    r"|^\W*I(?: do not|don['’]t) have (?:access|the ability|enough (?:information|context)|personal|any information)"
    r"|^\W*(?:this|the) (?:question|task|request|prompt) (?:can ?not|can['’]t) be (?:answered|completed|done)"
    r"|^\W*(?:抱歉|对不起|很遗憾|不好意思)[,，]?.{0,20}(?:无法|不能|没有办法)|^我(?:无法|不能)(?:回答|提供|帮助|完成|协助)"
    r"|^\W*(?:lo siento|lamentablemente|desculpe|lamento)\b.{0,40}\bn(?:o|ão) (?:puedo|posso)"
    r"|^\W*(?:je suis désolée?|désolée?|malheureusement)\b.{0,40}\bne (?:peux|puis) pas"
    r"|^\W*(?:(?:es )?tut mir leid|entschuldigung|leider)\b.{0,40}\bkann (?:ich )?.{0,30}nicht"
    r"|^\W*(?:извините|к сожалению|простите)\b.{0,40}\bне (?:могу|можем|могла)"
    r"|^\W*(?:mi dispiace|purtroppo|scusa|spiacente)\b.{0,60}\bnon (?:posso|sono in grado|riesco)"
    r"|^\W*non (?:posso|sono in grado di) (?:aiutar|assister|risponder|fornir|genera|completar|accedere)"
    r"|^\W*(?:przepraszam|przykro mi|niestety|wybacz)\b.{0,60}\bnie (?:mogę|jestem w stanie|potrafię)"
    r"|^\W*nie mogę (?:pomóc|odpowiedzieć|udzielić|wykonać|wygenerować|spełnić)"
    r"|^\W*(?:het spijt me|sorry|helaas)\b.{0,60}\bkan (?:ik )?(?:\w+ ){0,4}niet"
    r"|^\W*ik kan (?:\w+ ){0,5}niet (?:helpen|beantwoorden|geven|uitvoeren|voldoen)"
    r"|^\W*(?:申し訳(?:ありません|ございません|ない)|すみません|残念ながら|恐れ入りますが)"
    r".{0,60}(?:できません|できかねます|できない|いたしかねます)"
    r"|^\W*(?:죄송(?:합니다|하지만|해요)|미안(?:합니다|해요)|유감스럽게도|안타깝게도)"
    r".{0,60}(?:수 없(?:습니다|어요|네요)|불가능합니다|어렵습니다)"
    r"|^\W*(?:عذرا|عذرًا|آسف|أعتذر|للأسف|معذرة)"
    r".{0,60}(?:لا (?:أستطيع|يمكنني|يمكن)|لست قادر|لن أتمكن|غير قادر)"
    r"|^\W*لا (?:أستطيع|يمكنني) (?:مساعدتك|تقديم|الإجابة|تلبية|إنشاء)"
    r"|^\W*(?:क्षमा करें|माफ़ (?:कीजिए|करें)|माफ (?:कीजिए|करें)|मुझे खेद है|खेद है|दुर्भाग्य से)"
    r".{0,80}(?:नहीं (?:कर|दे|बता) (?:सकता|सकती|सकते|पाऊँगा|पाऊंगा)|असमर्थ|संभव नहीं)",
    re.IGNORECASE,
)

APOLOGY = re.compile(r"\bsorry\b|\bapologi[sz]e\b|\bmy apologies\b", re.IGNORECASE)
ABOUT_APOLOGY = re.compile(
    r"\b(?:sorry|apolog\w*|regret\w*|condol\w*|sympath\w*|refus\w*|declin\w*|complain\w*|excuse|customer|dialog\w*|"
    r"conversation|e-?mail|letter|story|poem|song|script|reply|respon[sd]\w*|comment|message|note|translat\w*"
    r"|rewrite|edit|"
    r"synonym\w*|sad|grie\w*|heartbr\w*|broke up|passed away|died|lonely)\b",
    re.IGNORECASE,
)
MODEL_EXCUSE = re.compile(
    r"\bnot (?:have )?(?:enough|sufficient) (?:context|information|details?|data)"
    r"|\b(?:additional|more|further) (?:context|information|details?)\b.{0,40}\b(?:needed|required|provide)"
    r"|\b(?:access to|real-time|language model)\b"
    r"|\b(?:unable|not able) to (?:assist|access|retrieve|determine|generate|create|display|process|answer)"
    r"|\byou (?:did ?n[o'’]t|have ?n[o'’]t|need to) (?:provide|include|specify|give)",
    re.IGNORECASE,
)
ON_PRINCIPLE = re.compile(
    r"\b(?:illegal\w*|against the law|laws?|crim\w+|fraud\w*|forge\w*|steal\w*|harm\w*|hurt\w*|danger\w*|unsafe"
    r"|poison\w*|"
    r"suffer\w*|abus\w*|violen\w*|weapons?|explosives?|privacy|consent|discriminat\w*|hate\w*|unethical|suicid\w*"
    r"|crisis line|"
    r"malware|licen[sc]ed|prescri\w+)\b",
    re.IGNORECASE,
)

ASKS_BACK = re.compile(
    r"^\W*(?:(?:sure|certainly|of course)[!,.]? )?(?:I(?:['’]d| would) be (?:happy|glad) to help[!,.] )?"
    r"(?:(?:I['’]?m|I am) sorry,? but )?"
    r"(?:(?:could|can|would) you (?:please |kindly )?|please |kindly )"
    r"(?:provide|share|give|specify|clarify|supply|tell|let me know|paste|enter|send)\b"
    r"|\bno (?:input|text|sentence|passage|article|context|code|data) (?:was|were|is|has been) (?:provided|given"
    r"|supplied)"
    r"|\byou (?:have not|haven['’]t|did not|didn['’]t) (?:provided?|given?|included?|specif(?:y|ied))",
    re.IGNORECASE,
)

ACKNOWLEDGES = re.compile(
    r"^\W*(?:understood|got it|i understand|acknowledged|noted|thank you for|thanks for|will do"
    r"|i(?:['’]m| am) ready)\b",
    re.IGNORECASE,
)

CHAT_TOKEN = re.compile(
    r"<\|(?:im_start|im_end|endoftext|eot_id|start_header_id|system|user|assistant)\|>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>",
    re.IGNORECASE,
)
ABOUT_TOKENS = re.compile(
    r"\b(?:special|control|chat|end|start|stop|what|which|the)\b[^.\n]{0,40}\b(?:tokens?|tags?|markers?|delimiters?)\b"
    r"|\bchat ?ml\b|\b(?:chat|prompt|conversation) (?:templates?|formats?)\b|\btokeni[sz]\w+",
    re.IGNORECASE,
)
LEAK = re.compile(
    r"^[ \t]*#{2,}[ \t]*(?:instruction|response)[ \t]*:?[ \t]*$"
    r"|^[ \t]*#{2,}[ \t]*(?:instruction|input|output|response)[ \t]*:"
    rf"|{CHAT_TOKEN.pattern}|^Below is an instruction that describes a task|#\s*(?:given|rewritten|created|new"
    r"|the given) prompt\s*#"
    r"|^[ \t]*(?:task|example)[ \t]+\d+[ \t]*:[ \t]*\n+[ \t]*instruction\b",
    re.IGNORECASE | re.MULTILINE,
)
MERGED = re.compile(r"^[ \t]*(?:\d+[.)][ \t]*(?:instruction|task)[ \t]*:|###[ \t]*$)", re.IGNORECASE | re.MULTILINE)

_VENDOR = r"(?:OpenAI|Anthropic|Google|DeepMind|Meta|Mistral|Alibaba|DeepSeek|Microsoft|xAI|Cohere|Baidu)"
IDENTITY = re.compile(
    rf"\bI(?:'m| am|’m) (?:ChatGPT|GPT-?\d?|Claude|Bard|Gemini|Llama|Qwen|Mistral|DeepSeek|Copilot|Open ?Assistant)\b"
    rf"|\bI (?:was|am|have been) (?:(?:created|developed|made|trained|built)(?: and \w+)? by) {_VENDOR}\b"
    rf"|\bI(?:'m| am|’m) an? [^.\n]{{0,60}}(?:created|developed|made|trained|built)(?: and \w+)? by {_VENDOR}\b"
    r"|我(?:是|叫)(?:ChatGPT|通义千问|文心一言|DeepSeek|Qwen)",
    re.IGNORECASE,
)
CUTOFF = re.compile(
    r"\bmy (?:last |latest )?(?:knowledge|training)(?: data)?(?:'s|’s)? (?:only )?(?:cut-?off|update|ends?|stops?"
    r"|goes|extends)"
    r"|\bmy (?:last|latest|most recent) (?:knowledge |training )?(?:update|cut-?off)|\bmy training data\b"
    r"|\bas of my (?:knowledge|training|last)|\bI was (?:last )?trained (?:on data )?(?:up )?(?:to|until|through)\b"
    r"|我的(?:知识|训练数据)(?:截止|更新)",
    re.IGNORECASE,
)

CITED_PAGE = re.compile(
    r"\b(?:according to|as (?:reported|stated|described|shown|seen) (?:on|at|by|in)|source:|retrieved from)\s+[<(\[]?"
    r"((?:https?://|www\.)\S+)",
    re.IGNORECASE,
)
