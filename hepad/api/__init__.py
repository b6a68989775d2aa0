"""The public Python API: the verbs of the command line for what a script or notebook has in memory.

`import hepad` gives its names, which are loaded when they are first used. Nothing below `hepad` imports this folder.
"""
