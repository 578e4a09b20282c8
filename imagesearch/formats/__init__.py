"""How dates and times are written, where Django says it otherwise."""
