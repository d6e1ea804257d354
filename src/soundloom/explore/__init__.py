"""The notebook's first look at audio, as numbers and as what its pictures show.

Apart from ``spectral`` on purpose: looking at audio does not depend on how a model will see it.
"""
