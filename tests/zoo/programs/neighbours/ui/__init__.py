NAME = "my own ui"
