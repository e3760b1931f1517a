NAME = "my own storage"
