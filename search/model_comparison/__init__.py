"""Two pairs of models measured on one labelled set, and shown side by side."""
