"""Variants of the pipeline and their runs in MLflow: described, recorded, restored, compared.

``repository`` asks git and DVC; ``store``, ``registry``, ``mlflow_model``, ``live_run`` and
``mlflow_setup`` are all that know MLflow, beside ``serving`` and ``commands/ui``. No model is run
here, and no signal processed.
"""
