"""Text normalisation, case folding, and cleaning of untrusted text.

Imports no other room. Verbs: `fold`, `words_of`, `normalised_text`, `prose`, `line`, `visible`, `decoded`,
`whole_number`.
"""
