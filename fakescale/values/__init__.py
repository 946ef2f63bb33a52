"""Values and rules that every layer uses: no threads, no I/O."""
