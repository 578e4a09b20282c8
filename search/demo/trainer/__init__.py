"""Trains the demo's two small models: `python -m search.demo.trainer.training`."""
