"""Text as it is stored and compared: normalisation, case folding, text that strangers wrote."""
