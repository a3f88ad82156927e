"""English→German sentence pairs from a grammar: the corpus that needs no download."""

from intelligen.data.embedded.corpus import EMBEDDED_SPLITS, sentence_pairs

__all__ = ["EMBEDDED_SPLITS", "sentence_pairs"]
