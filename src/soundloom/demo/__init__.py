"""The page to play with: a riff in, takes out, in a browser on this machine.

Takes are made by the call that ``soundloom generate`` makes. No stage imports this folder.
"""
