"""What vae_launch is made of: one idea a file. Python's standard library alone."""
