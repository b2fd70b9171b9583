"""The words of the embedded teacher's world, written by hand: domains with their tables, texts, names, scenes."""
