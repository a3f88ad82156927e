"""Words of answers, normalised as the scripts of SQuAD and of KorQuAD do it."""

import re
import string
from collections.abc import Callable
from typing import Final

from intelligen.config.schema.answer_script_names import AnswerScript

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_KOREAN_MARKS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))


def answer_words(text: str) -> list[str]:
    """An answer's words, lower-cased, without punctuation and English articles, as SQuAD's script compares them."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def korean_answer_words(text: str) -> list[str]:
    """An answer's words as KorQuAD 1.0's script compares them: quotation marks and brackets separate words."""
    return text.translate(_KOREAN_MARKS).lower().translate(_PUNCTUATION).split()


WORDS: Final[dict[AnswerScript, Callable[[str], list[str]]]] = {"squad": answer_words, "korquad": korean_answer_words}
"""Of an answer, by script."""
