"""The modules of vae_launch. They use only Python's standard library."""
