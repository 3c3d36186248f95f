"""Short messages: texts, encodings, numbers and carriers, without a database or a queue."""
