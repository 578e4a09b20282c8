"""Counters for all rooms, which do nothing without METRICS_TOKEN, and checks for incomplete upgrades.

Imports no other room. Verbs: those of `event_counters`, `upgrades.require_migrated`, `upgrades.require_collected`.
"""
