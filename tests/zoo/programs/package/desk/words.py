TASK = "Take a note of the item."
