"""Every business table and every rule of the house."""
