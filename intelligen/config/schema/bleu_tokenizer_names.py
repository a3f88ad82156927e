"""Names of sacreBLEU's tokenizers, which cut text into words."""

from typing import Final, Literal

BleuTokenizer = Literal["13a", "zh", "char", "ja-mecab", "ko-mecab", "flores101", "flores200"]
DEFAULT_BLEU_TOKENIZER: Final = "13a"
