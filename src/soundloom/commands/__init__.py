"""The ``soundloom`` command: what people do beside ``dvc repro``, one file a verb.

A verb offers ``HELP``, ``add_arguments(parser)`` and ``run(arguments)``; what is slow to import is
imported in ``run``. No stage imports this folder. ``numba_cache`` is for setting up alone.
"""
