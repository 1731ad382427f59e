"""The plugin declares nothing to the host: wrappers are used from code, around any tactic."""
