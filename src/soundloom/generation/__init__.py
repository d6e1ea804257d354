"""Where continuations begin, and how a trained model and a prompt become audio.

Drawing frames is the model's own work (:mod:`soundloom.models`); this is what lies around it.
"""
