"""Jobs: TOML files in, run directories out."""
