"""The embedded world: English stories whose concepts, entropy and grammar are known exactly.

Knows: its lexicon, how stories are made and read back, and how to judge a text without a language model.
Does not know: SAEs, steering or reports. Lower rooms reach it only through the strings in their registries.
"""
