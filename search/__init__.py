"""Semantic image search: tables, pages and the rooms behind them."""
