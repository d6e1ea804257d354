"""One thin file a stage of dvc.yaml: load, one core call, save."""
