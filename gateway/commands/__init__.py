"""The commands of `doisoat`, one module per noun."""
