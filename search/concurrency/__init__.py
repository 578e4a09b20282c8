"""Waiting that ends: work in the background, timeouts of storages, commands in processes of their own."""
