"""Variants of the pipeline and MLflow's runs of them: described, recorded, restored, compared.

The only folder, with ``commands/ui``, that knows MLflow; git and DVC are asked here.
"""
