"""The built-in plugins: one file is one plugin is one entry point of the group `caxton`."""
