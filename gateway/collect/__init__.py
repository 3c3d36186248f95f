"""`/collect/v1`: banks that collect on the utility's behalf ask what is owed, pay it, and take it back."""
