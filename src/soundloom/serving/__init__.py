"""The generator as a model of MLflow's: what a run carries along, to be served and loaded anywhere.

Nothing imports it: MLflow runs ``model.py`` where a run's model is loaded.
"""
