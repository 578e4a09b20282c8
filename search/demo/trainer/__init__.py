"""Training of the demo's two small models: `python -m search.demo.trainer.training`.

Imports `demo`; nothing imports it.
"""
