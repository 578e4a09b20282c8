"""Tags that suggest themselves: a vocabulary whose phrases become vectors, what fits which picture, and what people
say of that. Nothing here tags a picture unasked.
"""
