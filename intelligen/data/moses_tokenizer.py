"""Moses tokenizer (Koehn et al. 2007): splits punctuation off the words, and joins it again."""


class MosesTokenizer:
    """The rules of one language, as `normalize-punctuation.perl` and `tokenizer.perl` have them, without escapes."""

    def __init__(self, language: str) -> None:
        # Most data do without, and it takes most of a second to import.
        from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer

        self._normalizer = MosesPunctNormalizer(lang=language)
        self._tokenizer = MosesTokenizer(lang=language)
        self._detokenizer = MosesDetokenizer(lang=language)

    def tokenize(self, text: str) -> str:
        """Normalised tokens with single spaces between them."""
        tokens: str = self._tokenizer.tokenize(self._normalizer.normalize(text), return_str=True, escape=False)
        return tokens

    def detokenize(self, text: str) -> str:
        """The text that such tokens came from."""
        joined: str = self._detokenizer.detokenize(text.split(), unescape=False)
        return joined
