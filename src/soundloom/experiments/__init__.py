"""Variants of the pipeline and their runs in MLflow: described, recorded, restored, compared.

``repository`` asks git and DVC; ``store``, ``live_run`` and ``mlflow_setup`` are all that know
MLflow, beside ``commands/ui``. No model and no signal processing here.
"""
