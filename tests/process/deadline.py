"""How long a test waits before it says that something hangs."""

# Ten times the longest that any of these was seen to take, on a machine that did four other things at once. Nothing is judged by it: what a test
# promises shows in what has happened by then (exit codes, messages, files), and a slow machine only comes to it later.
HANGS_S = 1200
