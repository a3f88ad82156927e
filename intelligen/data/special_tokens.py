"""Ids of the four special tokens (PAD, UNK, BOS, EOS): the same in every vocabulary.

All vocabularies, columns and networks of this package keep to them, and no other module writes such a number. A
vocabulary from elsewhere (T5's has PAD 0, EOS 1 and no BOS) must be permuted where it enters: its tokenizer gives out
these ids, and the rows of the embeddings and of the output projection that come with it are put into the same order.
"""

from typing import Final

PAD: Final = 0
UNK: Final = 1
BOS: Final = 2
EOS: Final = 3

NO_LABEL = -100
"""In the place of a class: of a row that only keeps a rank company."""
