"""The ``soundloom`` command: what people do beside ``dvc repro``, one file a verb.

No stage imports this folder.
"""
