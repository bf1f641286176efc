"""BLEU, METEOR, ROUGE-L and CIDEr by pycocoevalcap."""
