"""The time after which a test reports that something hangs."""

# Ten times the longest wait that was measured, on a machine that did four other things at once. No test depends on the exact value: tests check exit
# codes, messages and files, which a slow machine only produces later.
HANGS_S = 1200
