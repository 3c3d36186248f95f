"""The texts customers get, one TOML file per language; any change to a text raises its version."""
