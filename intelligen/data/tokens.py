"""Every vocabulary gives the four special tokens the same ids, so that no other part needs to ask for them."""

from typing import Final

PAD: Final = 0
UNK: Final = 1
BOS: Final = 2
EOS: Final = 3
