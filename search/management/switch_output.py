"""Prints the state of model switching: `switch_model` without arguments."""

from django.core.management.base import OutputWrapper

from search.switching import State

_COMMAND = "manage.py switch_model"


def print_state(state: State, out: OutputWrapper) -> None:
    """Print the active, prepared and kept models, and the commands for the next steps."""
    is_chosen = state.chosen is not None and not state.is_overridden and state.active != state.environment
    by = "switch_model" if is_chosen else "the environment"
    out.write(f"Active: {state.active.image}, with {state.active.text} for texts (chosen by {by}).")
    if state.is_overridden and state.chosen:
        out.write(
            f"switch_model had chosen {state.chosen.pair.image}, with {state.chosen.pair.text}. The environment was "
            "changed since, and takes precedence."
        )
    elif state.chosen and state.chosen.pair != state.environment:
        out.write(
            "The environment still names the previous models. You may set it to the active ones: nothing changes by "
            "that."
        )
    _print_next(state, out)
    if state.is_copying:
        out.write(
            f"The rows of {state.uncopied:,} pictures still have vectors of the previous models; no search uses "
            f"these. `{_COMMAND} --activate` continues copying, as `manage.py embed_pending` does."
        )
    if state.kept:
        out.write(
            f"Kept: {state.kept.pair.image}, with {state.kept.pair.text}. `{_COMMAND} --back` returns to them, "
            f"`{_COMMAND} --forget {state.kept.pair.image if state.others else state.kept.pair.text}` drops their "
            "vectors."
        )
    for one in state.others:
        out.write(f"Vectors of {one.model}: {one.size / 1e6:,.1f} MB.")
    for name in state.left:
        out.write(f"{name} was left by a killed process: the next --abort or --forget drops it.")


def _print_next(state: State, out: OutputWrapper) -> None:
    if state.next is None:
        return
    pair = state.next.pair
    if state.is_prepared and state.has_index:
        out.write(f"Prepared: {pair.image}, with {pair.text}. `{_COMMAND} --activate` uses it, `--abort` drops it.")
        if state.missing:
            out.write(f"{state.missing:,} pictures have no vector of it yet; --activate embeds them first.")
        return
    done = state.pictures - state.missing
    index = "its index is built" if state.has_index else "its index is built at the end"
    out.write(
        f"Being prepared: {pair.image}, with {pair.text}: {done:,} of {state.pictures:,} pictures have a vector, "
        f"{index}. `{_COMMAND} {pair.image} {pair.text}` continues, on any number of machines; `--abort` drops it."
    )
