"""The student: the model that is trained on the data, from its template and tokens to its answers and their marks.

Read in this order: presets (all settings), templates, encode, mix, pack, fit (one training run), generate, scores. The
stages `train` and `evaluate` are what the rest of the package calls. Importing this package loads no heavy library.
"""
