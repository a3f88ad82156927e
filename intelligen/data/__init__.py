"""Data: corpora, tokenizers, prepared splits and batches; nothing here knows a model."""
